"""What every part of the catalogue stands on: a connection with our errors, and putting a row."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, insert, update
from sqlalchemy.exc import IntegrityError

from pipeline.catalogue.database import database_errors
from pipeline.catalogue.tables import Base


class Connected:
    """Holds the engine. Every method of a part raises CatalogueUnavailableError where the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def close(self) -> None:
        """Close connections."""
        self._engine.dispose()

    def _put(self, table: type[Base], key: dict[str, Any], values: dict[str, Any]) -> None:
        """Update a row, or insert it. Both databases know this; neither knows the other's way to do it in one."""
        [(name, value)] = key.items()
        change = update(table).where(getattr(table, name) == value).values(values)
        with database_errors(self._engine):
            with self._engine.begin() as connection:
                if connection.execute(change).rowcount:
                    return
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(table).values({**key, **values}))
            except IntegrityError:  # another process inserted it in between, else a link leads nowhere
                with self._engine.begin() as connection:
                    if not connection.execute(change).rowcount:
                        raise

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        with database_errors(self._engine), self._engine.begin() as connection:
            yield connection
