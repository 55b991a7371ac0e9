"""Restoring a backup: all of it in one transaction, or nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, func, insert, inspect, select, text, update

from pipeline.catalogue.backup.file import BackupFacts, read_facts, read_rows
from pipeline.catalogue.database import alone, connect, known_revisions, upgrade
from pipeline.catalogue.refusals import database_errors, shown
from pipeline.catalogue.tables import Base
from pipeline.errors import ConfigError

ROWS_AT_ONCE = 1_000
VERSION_TABLE = "alembic_version"


def restore(url: str, path: Path, *, is_replacing: bool = False) -> BackupFacts:
    """Put a backup into an empty database, or into one that holds something where `is_replacing`.

    A backup of an older version is brought up to this one. Leases come back free, so that no process of before writes
    under one. Raises ConfigError for a damaged file, one of a newer version, and a database that is not empty;
    CatalogueUnavailableError. The database is as it was after any of them.
    """
    facts = read_facts(path)
    if facts.revision not in known_revisions():
        raise ConfigError(
            f"{path} is of revision {facts.revision}, which this version does not know: upgrade eddyline first"
        )
    engine = connect(url)
    try:
        with database_errors(engine), alone(engine) as connection:
            before = _make_room(connection, engine, is_replacing=is_replacing)
            upgrade(connection, facts.revision)
            _fill(connection, path)
            upgrade(connection, "head")
            _free_leases(connection, before)
            _set_counters(connection)
    finally:
        engine.dispose()
    return facts


def _make_room(connection: Connection, engine: Engine, *, is_replacing: bool) -> dict[str, int]:
    """Drop what is there; the epochs of its leases."""
    present = MetaData()
    ours = {*Base.metadata.tables, VERSION_TABLE}
    present.reflect(connection, only=[name for name in inspect(connection).get_table_names() if name in ours])
    filled = [
        table.name
        for table in present.sorted_tables
        if table.name != VERSION_TABLE and connection.execute(select(table).limit(1)).first() is not None
    ]
    if filled and not is_replacing:
        raise ConfigError(
            f"the catalogue {shown(engine.url)} is not empty ({', '.join(filled)}): stop every eddyline process, back "
            "it up, and say --yes to replace all of it"
        )
    leases = present.tables.get("leases")
    epochs = {} if leases is None else {r.name: r.epoch for r in connection.execute(select(leases))}
    present.drop_all(connection)
    return epochs


def _fill(connection: Connection, path: Path) -> None:
    tables = MetaData()
    tables.reflect(connection)
    later: list[tuple[Column[Any], Column[Any], list[dict[str, Any]]]] = []
    for name, columns, rows in _chunks(path):
        table = tables.tables.get(name)
        if table is None or not set(columns) <= set(table.columns.keys()):
            raise ConfigError(f"{path} holds a table {name} that its revision does not have: name another backup")
        documents = [dict(zip(columns, row, strict=True)) for row in rows]
        for column in _own_parents(table):
            key = next(iter(table.primary_key.columns))
            links = [{"k": d[key.name], "v": d[column.name]} for d in documents if d[column.name] is not None]
            later.append((key, column, links))
            documents = [{**document, column.name: None} for document in documents]
        connection.execute(insert(table), documents)
    _link(connection, later)


def _link(connection: Connection, later: list[tuple[Column[Any], Column[Any], list[dict[str, Any]]]]) -> None:
    """Links within a table, once both their ends are there."""
    for key, column, links in later:
        for link in links:
            connection.execute(update(key.table).where(key == link["k"]).values({column.name: link["v"]}))


def _chunks(path: Path) -> Iterator[tuple[str, list[str], list[list[Any]]]]:
    """Rows of one table at a time, in handy numbers."""
    name, columns, rows = "", list[str](), list[list[Any]]()
    for table, named, row in read_rows(path):
        if rows and (table != name or len(rows) >= ROWS_AT_ONCE):
            yield name, columns, rows
            rows = []
        name, columns = table, named
        rows.append(row)
    if rows:
        yield name, columns, rows


def _own_parents(table: Table) -> list[Column[Any]]:
    return [key.parent for key in table.foreign_keys if key.column.table is table]


def _free_leases(connection: Connection, before: dict[str, int]) -> None:
    """Nobody holds them, and no epoch is given out a second time."""
    leases = Base.metadata.tables["leases"]
    for row in list(connection.execute(select(leases))):
        epoch = max(row.epoch, before.get(row.name, 0))
        change = update(leases).where(leases.c.name == row.name)
        connection.execute(change.values(epoch=epoch, holder="", expires_ms=0))
    restored = set(connection.execute(select(leases.c.name)).scalars())
    for name in sorted(before.keys() - restored):
        connection.execute(insert(leases).values(name=name, epoch=before[name], holder="", expires_ms=0))


def _set_counters(connection: Connection) -> None:
    """Postgres counts ids beside the tables; the next one comes after those restored."""
    if connection.dialect.name != "postgresql":
        return
    for table in Base.metadata.sorted_tables:
        keys = list(table.primary_key.columns)
        if len(keys) == 1 and isinstance(keys[0].type, Integer):
            highest = connection.execute(select(func.max(keys[0]))).scalar_one_or_none()
            counter = f"setval(pg_get_serial_sequence('{table.name}', '{keys[0].name}'), :highest)"
            if highest is not None:
                connection.execute(text(f"SELECT {counter}"), {"highest": highest})
