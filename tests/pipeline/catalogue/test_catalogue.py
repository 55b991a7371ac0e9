"""The catalogue's answers, its migrations, and what happens when it is away, newer, or opened by many at once."""

import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from pipeline.catalogue import Catalogue, WorkerBeat
from pipeline.catalogue.database import HEAD
from pipeline.catalogue.tables import Base
from pipeline.errors import CatalogueUnavailableError, ModelError

if TYPE_CHECKING:
    from pipeline.model_store import Bundle


@dataclass(frozen=True)
class StubBundle:
    """What the catalogue reads of a bundle."""

    model_id: str
    stream: str = "payments"
    created_ms: int = 1
    facts: dict[str, Any] = field(default_factory=lambda: {"rows": 5})
    detector: Any = field(default_factory=lambda: SimpleNamespace(name="vae"))
    threshold: Any = field(default_factory=lambda: SimpleNamespace(nats=3.5))


def stub(model_id: str, **values: Any) -> "Bundle":
    return cast("Bundle", StubBundle(model_id, **values))


BEAT = WorkerBeat(
    worker_id="w0",
    role="score",
    stream="payments",
    host="h",
    pid=1,
    slot=0,
    started_ms=1,
    seen_ms=2,
    state={"lag": 3},
)


def test_the_newest_promotion_is_the_champion_and_the_rest_is_history(catalogue: Catalogue) -> None:
    assert catalogue.champion("payments") is None
    catalogue.add_model(stub("aa"))
    catalogue.add_model(stub("bb", created_ms=2))
    for moment, model in enumerate(["aa", "bb", "aa"]):
        catalogue.set_champion("payments", model, f"reason {moment}", moment)
    assert catalogue.champion("payments") == "aa"
    assert [(c.model_id, c.reason, c.since_ms) for c in catalogue.champions("payments")] == [
        ("aa", "reason 2", 2),
        ("bb", "reason 1", 1),
        ("aa", "reason 0", 0),
    ]
    assert [(m.model_id, m.champion) for m in catalogue.models("payments")] == [("bb", False), ("aa", True)]


def test_a_stream_never_gets_another_streams_model(catalogue: Catalogue) -> None:
    catalogue.add_model(stub("aa"))
    with pytest.raises(ModelError, match="was trained for stream payments"):
        catalogue.set_champion("logins", "aa", "mistake", 1)
    with pytest.raises(ModelError, match="is not in the catalogue"):
        catalogue.set_champion("logins", "zz", "mistake", 1)
    assert catalogue.champion("logins") is None


def test_a_model_is_found_by_the_beginning_of_its_id(catalogue: Catalogue) -> None:
    for model_id in ("abc1", "abd2", "a%"):
        catalogue.add_model(stub(model_id))
    assert catalogue.model("abc").facts == {"rows": 5}
    assert catalogue.model("a%").model_id == "a%"
    with pytest.raises(ModelError, match="2 models have an id that begins with 'ab'"):
        catalogue.model("ab")
    with pytest.raises(ModelError, match="no model has"):
        catalogue.model("zz")


def test_adding_and_registering_twice_changes_nothing_or_replaces(catalogue: Catalogue) -> None:
    catalogue.add_model(stub("aa"))
    catalogue.add_model(stub("aa"))
    catalogue.register_stream({"topic": "a"}, "payments")
    catalogue.register_stream({"topic": "b"}, "payments")
    assert len(catalogue.models("payments")) == 1
    assert catalogue.streams() == {"payments": {"topic": "b"}}


def test_a_heartbeat_replaces_the_one_before(catalogue: Catalogue) -> None:
    catalogue.heartbeat(BEAT)
    catalogue.heartbeat(later := replace(BEAT, seen_ms=9, state={"lag": 0}))
    assert catalogue.workers() == [later]
    catalogue.remove_worker("w0")
    assert catalogue.workers() == []


def test_migrations_build_exactly_the_tables_in_use(catalogue: Catalogue) -> None:
    with catalogue._engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_the_newest_migration_is_the_one_this_version_claims() -> None:
    folder = Path(sys.modules["pipeline.catalogue"].__file__ or "").parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_a_newer_database_is_refused_with_both_revisions(url: str) -> None:
    Catalogue.open(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(CatalogueUnavailableError, match=r"9999, newer than 0003"):
        Catalogue.open(url)


def test_many_processes_may_open_a_new_catalogue_at_once(url: str) -> None:
    code = (
        "import sys; from pipeline.catalogue import Catalogue; c = Catalogue.open(sys.argv[1]);"
        "c.register_stream({'n': sys.argv[2]}, 's'); c.champion('s')"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, url, str(n)], stderr=subprocess.PIPE, text=True) for n in range(3)
    ]
    errors = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0] * 3, errors
    opened = Catalogue.open(url)
    assert list(opened.streams()) == ["s"]
    opened.close()


def test_writers_wait_for_each_other(url: str, catalogue: Catalogue) -> None:
    other = Catalogue.open(url)
    for n in range(50):
        catalogue.heartbeat(replace(BEAT, worker_id=f"a{n}"))
        other.heartbeat(replace(BEAT, worker_id=f"b{n}"))
    assert len(catalogue.workers()) == 100
    other.close()


def test_readers_of_a_file_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    catalogue = Catalogue.open(f"sqlite:///{tmp_path}/made/too/eddyline.db")
    with catalogue._engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    with catalogue._writing():
        assert catalogue.streams() == {}
    catalogue.close()


def test_a_database_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(CatalogueUnavailableError, match=r"broken.db.* does not answer .*another file in `catalogue`"):
        Catalogue.open(f"sqlite:///{path}")


def test_every_table_is_one_that_postgres_can_make() -> None:
    for table in Base.metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
