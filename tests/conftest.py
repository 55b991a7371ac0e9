"""What every test may ask for: a Kafka broker, Postgres, the folder of real data, names that nobody else uses."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kafka_fixture import OwnKafka, own_broker, shared_broker
from tests.postgres_fixture import OwnPostgres, fresh_database, own_server, shared_server

KAFKA_FIXTURES = {"kafka_bootstrap", "own_kafka"}
POSTGRES_FIXTURES = {"postgres_server", "postgres_url", "own_postgres"}


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marks of this folder mean."""
    config.addinivalue_line("markers", "postgres: needs Postgres (package postgresql, or EDDYLINE_POSTGRES_URL)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs Kafka or Postgres, and leave long runs out unless `-m` asks for them by name."""
    for item in items:
        if KAFKA_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)
        if POSTGRES_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.postgres)
    if "soak" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Apache Kafka, shared by the whole session: use topics and groups named by `unique`."""
    base = tmp_path_factory.getbasetemp()
    with shared_broker(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) as bootstrap:
        yield bootstrap


@pytest.fixture
def own_kafka() -> Iterator[OwnKafka]:
    """A broker of this test's own, to be stopped, killed and started again on the same port and data."""
    with own_broker() as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Postgres, shared by the whole session: ask for `postgres_url` to have a database in it."""
    base = tmp_path_factory.getbasetemp()
    with shared_server(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of an empty database of this test's own."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
def own_postgres() -> Iterator[OwnPostgres]:
    """A server of this test's own, to be stopped, killed and started again on the same port and data."""
    with own_server() as server:
        yield server


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of public data sets that EDDYLINE_DATA names."""
    named = os.environ.get("EDDYLINE_DATA")
    if not named:
        pytest.skip("EDDYLINE_DATA names no folder of data sets")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"EDDYLINE_DATA={named} is not a folder", pytrace=False)
    return folder


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Makes a name that no other test or session uses, good for topics, groups and streams: `unique("payments")`."""

    def name(prefix: str) -> str:
        return f"{prefix}-{uuid.uuid4().hex[:12]}"

    return name
