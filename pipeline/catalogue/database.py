"""Opening the database: connection settings, migrations by one process at a time, errors as ours."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from pipeline.errors import CatalogueUnavailableError, ConfigError

HEAD = "0003"
"""The newest revision this version knows; a test holds it equal to the migrations'."""
_BUSY_MS = 10_000
_ADVISORY_LOCK = 7_238_514_906


@contextlib.contextmanager
def database_errors(engine: Engine) -> Iterator[None]:
    """Turn the database's refusals into CatalogueUnavailableError, without the password in its address."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise CatalogueUnavailableError(
            f"the catalogue {engine.url.render_as_string()} does not answer ({cause}): start the database, or correct "
            "`catalogue` in eddyline.yaml"
        ) from error


def open_database(url: str) -> Engine:
    """An engine on a database of this version, migrated where it is older.

    Raises ConfigError for an address that cannot be one, CatalogueUnavailableError for a database that does not
    answer or that a newer version wrote.
    """
    try:
        engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise ConfigError(
            f"`catalogue` is not a database address this installation can use ({error}): try sqlite:///eddyline.db"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_settings)
        _make_folder(engine)
    with database_errors(engine):
        if revision(engine) != HEAD:
            _migrate(engine)
    return engine


def revision(engine: Engine) -> str | None:
    """The revision a database is at; None for a new one."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        return None if found is None else str(found)


def _migrate(engine: Engine) -> None:
    # Imported late: most openings find the database up to date, and Alembic is slow to import.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with _alone(engine) as connection:
        current = revision(engine)
        if current is not None and current not in known:
            raise CatalogueUnavailableError(
                f"the catalogue {engine.url.render_as_string()} is at revision {current}, newer than {HEAD}, the "
                "newest that this version knows: upgrade eddyline, or name another catalogue in eddyline.yaml"
            )
        if current != HEAD:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


@contextlib.contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A connection for migrating, one process at a time."""
    with contextlib.ExitStack() as stack:
        if engine.dialect.name == "sqlite" and engine.url.database:
            lock = stack.enter_context(Path(f"{engine.url.database}.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        connection = stack.enter_context(engine.connect())
        if engine.dialect.name == "sqlite":
            connection.execute(text("PRAGMA journal_mode=WAL"))
            connection.commit()
        elif engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        yield connection
        connection.commit()


def _sqlite_settings(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _make_folder(engine: Engine) -> None:
    if not engine.url.database:
        return
    folder = Path(engine.url.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CatalogueUnavailableError(
            f"the catalogue's folder {folder} cannot be made ({error.strerror}): correct `catalogue` in eddyline.yaml"
        ) from error
