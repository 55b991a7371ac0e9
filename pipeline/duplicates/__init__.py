"""Rows that are there twice, exactly or nearly."""
