"""Relations that hold in every row of a table: found once, kept in every row that is made."""
