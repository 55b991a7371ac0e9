"""Writing a backup: everything as it stood at one moment, while everybody goes on."""

from pathlib import Path

from sqlalchemy import Engine, select, text

from pipeline.catalogue.backup.file import BackupFacts, BackupWriter
from pipeline.catalogue.database import HEAD
from pipeline.catalogue.refusals import database_errors
from pipeline.catalogue.tables import Base

ROWS_AT_ONCE = 2_000


def write_backup(engine: Engine, path: Path, *, now_ms: int) -> BackupFacts:
    """Write all tables of a database of this version into one file. Memory does not grow with the database.

    Raises CatalogueUnavailableError, and StorageUnavailableError where the file cannot be written; what was there
    under its name stays then.
    """
    writer = BackupWriter(path, revision=HEAD, created_ms=now_ms)
    try:
        with database_errors(engine):
            _write_tables(engine, writer)
        return writer.finish()
    finally:
        writer.abandon()  # nothing is left to abandon once it is finished


def _write_tables(engine: Engine, writer: BackupWriter) -> None:
    """All in one transaction that sees one moment: in SQLite every transaction does."""
    with engine.connect() as opened:
        is_postgres = engine.dialect.name == "postgresql"
        level = {"isolation_level": "REPEATABLE READ"} if is_postgres else {}
        connection = opened.execution_options(**level)
        with connection.begin():
            if is_postgres:
                connection.execute(text("SET TRANSACTION READ ONLY"))
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '10min'"))
            for table in Base.metadata.sorted_tables:
                names = [column.name for column in table.columns]
                writer.table(table.name, names)
                query = select(table).order_by(*table.primary_key.columns)
                for row in connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}):
                    writer.row(row)
