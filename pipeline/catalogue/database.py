"""Opening the database: connection settings, migrations by one process at a time, errors as ours."""

import contextlib
import fcntl
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from pipeline.catalogue.refusals import database_errors, shown
from pipeline.errors import CatalogueUnavailableError, ConfigError

WRITING = "eddyline_writing"
"""Execution option of a transaction that will write: SQLite takes the one writer's place at its beginning, and waits
for it there, for a transaction that has read first can no longer wait."""
HEAD = "0003"
"""The newest revision this version knows; a test holds it equal to the migrations'."""
CONNECT_SECONDS = 5
STALLED_MS = 5_000
"""A transaction in Postgres that is asked nothing for so long is ended."""
_BUSY_MS = 10_000
_ADVISORY_LOCK = 7_238_514_906


def open_database(url: str) -> Engine:
    """An engine on a database of this version, migrated where it is older.

    Raises ConfigError for an address that cannot be one, CatalogueUnavailableError for a database that does not
    answer or that a newer version wrote.
    """
    engine = connect(url)
    with database_errors(engine):
        if revision(engine) != HEAD:
            migrate(engine)
    return engine


def connect(url: str) -> Engine:
    """An engine on a database, of whatever version. Nothing is asked of it yet. Raises as `open_database` does."""
    try:
        address = make_url(url)
        if address.get_backend_name() not in ("sqlite", "postgresql"):
            raise ArgumentError(f"{address.get_backend_name()} is neither sqlite nor postgresql")
        engine = create_engine(address, **_ways(address.get_backend_name()), json_serializer=_json)
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        raise ConfigError(
            f"`catalogue` is not a database address this installation can use ({error}): try sqlite:///eddyline.db or "
            "postgresql+psycopg://USER@HOST/DATABASE"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_settings)
        event.listen(engine, "begin", _sqlite_begin)
        _make_folder(engine)
    else:
        event.listen(engine, "connect", _postgres_settings)
    return engine


def _ways(backend: str) -> dict[str, Any]:
    """How an engine keeps and makes connections. A server that went away is found out within seconds."""
    if backend == "sqlite":
        return {}
    return {
        "pool_pre_ping": True,
        "connect_args": {
            "connect_timeout": CONNECT_SECONDS,
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        },
    }


def revision(engine: Engine) -> str | None:
    """The revision a database is at; None for a new one."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        return None if found is None else str(found)


def migrate(engine: Engine) -> None:
    """Bring a database up to this version, one process at a time.

    Raises CatalogueUnavailableError for one of a newer version.
    """
    with alone(engine) as connection:
        current = revision(engine)
        if current is not None and current not in known_revisions():
            raise CatalogueUnavailableError(
                f"the catalogue {shown(engine.url)} is at revision {current}, newer than {HEAD}, the "
                "newest that this version knows: upgrade eddyline, or name another catalogue in eddyline.yaml"
            )
        if current != HEAD:
            upgrade(connection, "head")


def upgrade(connection: Connection, to: str) -> None:
    """Bring a database up to a revision, within the connection's transaction."""
    from alembic import command

    config = _alembic()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def known_revisions() -> set[str]:
    """The revisions there are up to this version."""
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()}


def _alembic() -> Any:
    # Imported late: most openings find the database up to date, and Alembic is slow to import.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


@contextlib.contextmanager
def alone(engine: Engine) -> Iterator[Connection]:
    """A connection for migrating, one process at a time."""
    with contextlib.ExitStack() as stack:
        if engine.dialect.name == "sqlite" and engine.url.database:
            lock = stack.enter_context(Path(f"{engine.url.database}.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            _write_ahead(engine)
        connection = stack.enter_context(engine.connect()).execution_options(**{WRITING: True})
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        yield connection
        connection.commit()


def _write_ahead(engine: Engine) -> None:
    """Let readers and the one writer not wait for each other; the file remembers it. Not possible in a transaction."""
    raw = engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode=WAL")
    except sqlite3.Error as error:
        raise DBAPIError.instance("PRAGMA journal_mode=WAL", None, error, sqlite3.Error) from error
    finally:
        raw.close()


def _sqlite_begin(connection: Connection) -> None:
    is_writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


def _postgres_settings(connection: Any, _record: object) -> None:
    """A process that stopped in the middle of a transaction must not hold its locks, the lease's least of all."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = {STALLED_MS}")
    connection.commit()


def _json(value: Any) -> str:
    """JSON as both databases take it: there is no NaN in it, and no infinity."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    """The same with null for every number that JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value


def _sqlite_settings(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions of its own, and only at the first write
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
