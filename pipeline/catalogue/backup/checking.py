"""Whether a catalogue is whole: the database's own checks, its tables as this version makes them, its links."""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select, text

from pipeline.catalogue.database import HEAD
from pipeline.catalogue.refusals import database_errors, shown
from pipeline.catalogue.tables import Base

MOST_SAID = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What was found."""

    address: str
    """Without the password."""
    revision: str
    rows: dict[str, int]
    """By table."""
    problems: tuple[str, ...]


def check(engine: Engine) -> CheckReport:
    """Look at everything once. A big database is read from end to end."""
    with database_errors(engine), engine.connect() as connection:
        problems = [*_broken(connection), *_differing(connection)]
        tables = Base.metadata.sorted_tables
        rows = {t.name: int(connection.execute(select(func.count()).select_from(t)).scalar_one()) for t in tables}
    return CheckReport(address=shown(engine.url), revision=HEAD, rows=rows, problems=tuple(problems[:MOST_SAID]))


def _broken(connection: Connection) -> list[str]:
    """What the database finds wrong with itself. Postgres keeps links and pages itself and has no such question."""
    if connection.dialect.name != "sqlite":
        return []
    found = connection.execute(text("PRAGMA integrity_check")).scalars().all()
    problems = [f"integrity: {said}" for said in found if said != "ok"]
    for row in connection.execute(text("PRAGMA foreign_key_check")):
        problems.append(f"a row of {row[0]} leads to none of {row[2]}")
    return problems


def _differing(connection: Connection) -> list[str]:
    """Tables, columns and indexes that are not as the migrations made them."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    ours = {*Base.metadata.tables}

    def is_ours(thing: object, name: str | None, kind: str, *rest: object) -> bool:
        return kind != "table" or name in ours  # what else lies in the database is not our business

    context = MigrationContext.configure(connection, opts={"include_object": is_ours})
    return [f"{_said(difference)}" for difference in compare_metadata(context, Base.metadata)]


def _said(difference: object) -> str:
    what, *subject = difference if isinstance(difference, tuple) else ("changed", difference)
    names = [str(getattr(each, "name", each)) for each in subject if each is not None]
    return f"the tables differ: {str(what).replace('_', ' ')} {' '.join(names)}"
