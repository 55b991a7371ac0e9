"""A database that is away, refuses, stalls or dies: a clear error without the password, and the next call works."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from pipeline.catalogue import Catalogue, DecisionEntry, Fence, database
from pipeline.errors import CatalogueUnavailableError, ConfigError
from tests.postgres_fixture import OwnPostgres

SECRET = "correct-horse"


def opened_and_closed(url: str) -> None:
    Catalogue.open(url).close()


@pytest.mark.parametrize(
    "wrong", ["nonsense", "oracleish://x", "sqlite://nobody@/x", f"postgresql+psycopg://me:{SECRET}@h:port/x",
              f"mysql://me:{SECRET}@h/x"],
)  # fmt: skip
def test_a_wrong_address_is_a_setting_to_fix(wrong: str) -> None:
    with pytest.raises(ConfigError, match="`catalogue`") as raised:
        Catalogue.open(wrong)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("option", ["", f"?password={SECRET}"])
def test_a_server_that_is_not_there_is_named_without_the_password(option: str) -> None:
    with pytest.raises(CatalogueUnavailableError, match=r"127\.0\.0\.1:1/x.*`catalogue` in eddyline\.yaml") as raised:
        Catalogue.open(f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/x{option}")
    assert SECRET not in str(raised.value)


def test_a_wrong_password_is_said_and_not_shown(postgres_url: str) -> None:
    wrong = make_url(postgres_url).set(password=SECRET).render_as_string(hide_password=False)
    with pytest.raises(CatalogueUnavailableError, match="correct the user or the password") as raised:
        opened_and_closed(wrong)
    assert SECRET not in str(raised.value)


def test_a_database_that_is_not_there_is_to_be_created(postgres_url: str) -> None:
    missing = make_url(postgres_url).set(database="nowhere").render_as_string(hide_password=False)
    with pytest.raises(CatalogueUnavailableError, match="create the database"):
        opened_and_closed(missing)


def test_a_role_without_rights_is_told_which_it_needs(postgres_url: str) -> None:
    catalogue = Catalogue.open(postgres_url)
    with catalogue._writing() as connection:
        connection.execute(text(f"CREATE ROLE reader LOGIN PASSWORD '{SECRET}'"))
        connection.execute(text("GRANT SELECT ON alembic_version TO reader"))
    reader = make_url(postgres_url).set(username="reader", password=SECRET).render_as_string(hide_password=False)
    limited = Catalogue.open(reader)
    with pytest.raises(CatalogueUnavailableError, match="grant the role"):
        limited.streams()
    limited.close()
    with catalogue._writing() as connection:
        connection.execute(text("DROP OWNED BY reader"))
        connection.execute(text("DROP ROLE reader"))
    catalogue.close()


def test_a_connection_that_dies_in_the_middle_is_an_error_and_the_next_call_works(postgres_url: str) -> None:
    catalogue, other = Catalogue.open(postgres_url), Catalogue.open(postgres_url)

    def dies() -> None:
        with catalogue._writing() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with other._writing() as killer:
                killer.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
            connection.execute(text("SELECT 1"))

    with pytest.raises(CatalogueUnavailableError):
        dies()
    catalogue.register_stream({}, "payments")
    assert list(other.streams()) == ["payments"]
    catalogue.close()
    other.close()


def test_a_server_that_crashes_is_an_error_until_it_is_back(own_postgres: OwnPostgres) -> None:
    catalogue = Catalogue.open(own_postgres.url)
    catalogue.register_stream({"topic": "a"}, "payments")
    own_postgres.stop(kill=True)
    for _ in range(2):
        with pytest.raises(CatalogueUnavailableError, match="does not answer"):
            catalogue.streams()
    own_postgres.start()
    assert list(catalogue.streams()) == ["payments"]
    catalogue.close()


def test_who_stalls_in_a_transaction_cannot_keep_the_lease(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader stopped in the middle of a write holds the lease's row; the database lets go of it."""
    monkeypatch.setattr(database, "STALLED_MS", 200)
    leader, heir = Catalogue.open(postgres_url), Catalogue.open(postgres_url)
    entry = leader.acquire_lease("scheduler", "a", 0.0)
    assert entry is not None
    fenced = leader.fenced(Fence(name="scheduler", epoch=entry.epoch, holder="a"))
    woken = threading.Event()

    def stalled() -> None:
        with fenced._writing() as connection:
            begun.set()
            assert woken.wait(timeout=60)
            connection.execute(text("INSERT INTO streams (name, spec) VALUES ('late', '{}')"))

    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(stalled)
        assert begun.wait(timeout=60)
        taken = heir.acquire_lease("scheduler", "b", 60.0)
        woken.set()
        with pytest.raises(CatalogueUnavailableError):
            pending.result(timeout=60)
    assert taken is not None
    assert taken.epoch == 2
    assert heir.streams() == {}
    leader.close()
    heir.close()


def test_what_json_and_text_cannot_hold_is_written_all_the_same(catalogue: Catalogue) -> None:
    entry = DecisionEntry(
        decision_id="d1", stream="payments", kind="kept", model_id=None, before_id=None, by="x" * 300,
        reason="cut\x00here", figures={"ap": float("nan"), "more": [1.0, float("inf"), "a\x00b"]}, decided_ms=1,
    )  # fmt: skip
    catalogue.decide(entry, champion=None)
    [found] = catalogue.decisions("payments")
    assert found.figures == {"ap": None, "more": [1.0, None, "a\x00b"]}
    assert found.reason == "cut\N{REPLACEMENT CHARACTER}here"
    assert len(found.by) == 200


def test_a_file_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    folder.write_text("a file")
    with pytest.raises(CatalogueUnavailableError, match="taken"):
        Catalogue.open(f"sqlite:///{folder}/eddyline.db")
