"""What a database refuses, as our errors: what happened, and what to do next. Never with a password in it."""

import contextlib
from collections.abc import Iterator

from sqlalchemy import Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from pipeline.errors import CatalogueUnavailableError

SECRET_OPTIONS = frozenset({"password", "sslpassword", "passfile"})
ADVICE = (
    ("password authentication failed", "correct the user or the password in `catalogue`"),
    ("no password supplied", "set the password that `catalogue` logs in with"),
    ("permission denied", "grant the role of `catalogue` what docs/operations.md lists"),
    ('" does not exist', "create the database and the role that `catalogue` names, as docs/operations.md says"),
    ("database is locked", "end the process that has held its only writer's place for 10 s"),
    ("readonly database", "let this user write to the file and its folder"),
    ("database or disk is full", "free space on the disk that holds it"),
    ("not a database", "name another file in `catalogue`, or restore a backup with `eddyline catalogue restore`"),
    ("malformed", "restore a backup with `eddyline catalogue restore`"),
    ("too many clients", "raise max_connections of the database, or run fewer workers"),
)
"""What a database says, in part, and what to do about it."""


@contextlib.contextmanager
def database_errors(engine: Engine) -> Iterator[None]:
    """Turn the database's refusals into CatalogueUnavailableError."""
    try:
        yield
    except SQLAlchemyError as error:
        raise refused(engine, error) from error


def refused(engine: Engine, error: SQLAlchemyError) -> CatalogueUnavailableError:
    """An error of the database as one of ours."""
    cause = " ".join(str(getattr(error, "orig", None) or error).split())
    advice = next((advice for said, advice in ADVICE if said in cause), None)
    if advice is None and isinstance(error, (IntegrityError, DataError)):
        return CatalogueUnavailableError(
            f"the catalogue {shown(engine.url)} refuses what was to be written ({cause}): `eddyline catalogue check` "
            "says whether it is whole"
        )
    advice = advice or "start the database, or correct `catalogue` in eddyline.yaml"
    return CatalogueUnavailableError(f"the catalogue {shown(engine.url)} does not answer ({cause}): {advice}")


def shown(url: URL) -> str:
    """A database's address without its secrets."""
    query = {name: value for name, value in url.query.items() if name.lower() not in SECRET_OPTIONS}
    return url.set(query=query).render_as_string(hide_password=True)
