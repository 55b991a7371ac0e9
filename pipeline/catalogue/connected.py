"""What every part of the catalogue stands on: transactions for reading and for writing, and putting rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Engine, String, Table, and_, func, select
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.catalogue.database import WRITING
from pipeline.catalogue.refusals import database_errors
from pipeline.catalogue.service_entries import Fence
from pipeline.catalogue.service_tables import LeaseRow
from pipeline.catalogue.tables import Base
from pipeline.errors import LeaseLostError

PAST_EVERY_ID = "\U0010ffff"
"""Sorts behind every character by code point, the order of all columns of ids."""


class Connected:
    """Holds the engine, and the fence that writes stand behind.

    Every method of a part raises CatalogueUnavailableError where the database does not answer, and those that write
    LeaseLostError where the fence no longer holds.
    """

    def __init__(self, engine: Engine, fence: Fence | None = None) -> None:
        self._engine = engine
        self._fence = fence

    def close(self) -> None:
        """Close connections."""
        self._engine.dispose()

    def check_fence(self) -> None:
        """A write that changes nothing. Raises LeaseLostError where the fence no longer holds."""
        with self._writing():
            pass

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A transaction that only reads; it waits for nobody."""
        with database_errors(self._engine), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction that writes. Where there is a fence, the lease's row stays locked until it is committed: who
        takes the lease over waits for it, and whatever comes later is refused."""
        with database_errors(self._engine), self._engine.connect() as opened:
            connection = opened.execution_options(**{WRITING: True})
            with connection.begin():
                if self._fence is not None:
                    _hold(connection, self._fence)
                yield connection

    def _alone_on(self, connection: Connection, subject: str) -> None:
        """Wait until no other writing transaction is at this subject; held until the end of this one.

        SQLite has one writer at a time as it is.
        """
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(subject, 0))))

    def _put(self, table: type[Base], key: dict[str, Any], values: dict[str, Any]) -> None:
        """Insert a row, or change it where there is one with this key."""
        with self._writing() as connection:
            upsert(connection, table, [{**key, **values}], changed=list(values))


def upsert(
    connection: Connection,
    table: type[Base],
    rows: Sequence[Mapping[str, Any]],
    *,
    changed: Sequence[str] = (),
    where_higher: str | None = None,
    added: Sequence[str] = (),
) -> None:
    """Insert rows; where one with the same primary key is there, set its `changed` columns and add to its `added` ones.

    With `where_higher`, only where the new row's value of that column is higher. With nothing to change, what is there
    stays as it is. Rows of one call have different keys.
    """
    if not rows:
        return
    target = table_of(table)
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = make(target)
    keys = [column.name for column in target.primary_key.columns]
    setting: dict[str, Any] = {name: statement.excluded[name] for name in changed}
    setting |= {name: target.c[name] + statement.excluded[name] for name in added}
    condition = None if where_higher is None else target.c[where_higher] < statement.excluded[where_higher]
    if setting:
        statement = statement.on_conflict_do_update(index_elements=keys, set_=setting, where=condition)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    connection.execute(statement, [fitted(target, row) for row in rows])


def table_of(table: type[Base]) -> Table:
    """The table of a row class."""
    return cast("Table", table.__table__)


def fitted(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row both databases take: text without NUL characters, and what is said to people cut to the column's length
    (Postgres refuses what is longer; keys are never cut)."""
    return {name: _fitted(table.c[name].type, value, table.c[name].primary_key) for name, value in row.items()}


def _fitted(kind: Any, value: Any, is_key: bool) -> Any:
    if not isinstance(value, str):
        return value
    value = value.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    most = kind.length if isinstance(kind, String) else None
    return value if is_key or most is None or len(value) <= most else value[: most - 1] + "…"


def begins_with(column: Any, prefix: str) -> ColumnElement[bool]:
    """Ids that begin with a prefix, found by index: their columns are ordered by code point in both databases."""
    return and_(column >= prefix, column < prefix + PAST_EVERY_ID)


def _hold(connection: Connection, fence: Fence) -> None:
    query = select(LeaseRow.epoch, LeaseRow.holder).where(LeaseRow.name == fence.name).with_for_update()
    row = connection.execute(query).first()
    if row is None or (row.epoch, row.holder) != (fence.epoch, fence.holder):
        now = "nobody's" if row is None or not row.holder else f"{row.holder}'s, epoch {row.epoch}"
        raise LeaseLostError(
            f"lease {fence.name} is {now}, no longer {fence.holder}'s of epoch {fence.epoch}: nothing was written; "
            "the holder of today runs this again"
        )
