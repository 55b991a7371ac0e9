"""Generators, requests and datasets in the catalogue: found by the beginning of an id, linked, indexed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from pipeline.catalogue import (
    Catalogue,
    DatasetEntry,
    DatasetStatus,
    GeneratorEntry,
    RequestEntry,
    RequestStatus,
)
from pipeline.errors import CatalogueUnavailableError, ConfigError

GENERATOR = GeneratorEntry(
    generator_id="aa11", stream="payments", model="vae", created_ms=1, source={"rows": 5}, facts={"fit": {}}
)
DATASET = DatasetEntry(
    dataset_id="dd11", stream="payments", generator_id="aa11", status="published", rows=10, size_bytes=100,
    created_ms=2, manifest_sha256="0" * 64, reason="", verdict={"passed": True},
)  # fmt: skip


def request(request_id: str, **values: Any) -> RequestEntry:
    usual: dict[str, Any] = {
        "stream": "payments", "generator_id": "aa11", "parent_id": None, "dataset_id": "dd11", "status": "running",
        "asked_ms": 1, "ended_ms": None, "asked": {"rows": 10}, "reason": "",
    }  # fmt: skip
    return RequestEntry(request_id=request_id, **(usual | values))


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    opened = Catalogue.open(url)
    opened.add_generator(GENERATOR)
    yield opened
    opened.close()


def test_what_is_put_in_comes_out(catalogue: Catalogue) -> None:
    catalogue.put_dataset(DATASET)
    assert catalogue.generators("payments") == [GENERATOR]
    assert catalogue.datasets("payments") == [DATASET] == catalogue.datasets()
    assert catalogue.datasets("other") == []
    assert catalogue.dataset("dd") == DATASET == catalogue.known_dataset("dd11")
    assert catalogue.known_dataset("dd") is None
    catalogue.set_dataset_status("dd11", DatasetStatus.WITHDRAWN, "wrong rows")
    assert catalogue.dataset("dd11") == replace(DATASET, status="withdrawn", reason="wrong rows")


def test_the_beginning_of_an_id_will_do_where_it_says_enough(catalogue: Catalogue) -> None:
    catalogue.put_dataset(DATASET)
    catalogue.put_dataset(replace(DATASET, dataset_id="dd22"))
    catalogue.put_dataset(replace(DATASET, dataset_id="d%"))
    with pytest.raises(ConfigError, match="several datasets have an id that begins with 'dd'"):
        catalogue.dataset("dd")
    with pytest.raises(ConfigError, match="no dataset has an id that begins with 'zz'"):
        catalogue.dataset("zz")
    assert catalogue.dataset("d%").dataset_id == "d%"


def test_a_request_follows_the_one_named_else_the_last_for_its_dataset(catalogue: Catalogue) -> None:
    first = catalogue.begin_request(request("r1", asked_ms=1))
    assert first.parent_id is None
    second = catalogue.begin_request(request("r2", asked_ms=2))
    assert second.parent_id == "r1"
    assert catalogue.request("r1").status == RequestStatus.INTERRUPTED, "it never ended"
    catalogue.end_request("r2", RequestStatus.FAILED, reason="too alike", now_ms=9)
    third = catalogue.begin_request(request("r3", asked_ms=3, dataset_id="dd22", parent_id="r1"))
    assert third.parent_id == "r1"
    assert catalogue.request("r2") == replace(second, status="failed", reason="too alike", ended_ms=9)
    assert [r.request_id for r in catalogue.requests("payments")] == ["r3", "r2", "r1"]
    assert [r.request_id for r in catalogue.requests_for("dd11")] == ["r2", "r1"]


def test_links_lead_somewhere(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueUnavailableError) as raised:
        catalogue.put_dataset(replace(DATASET, generator_id="nobody"))
    assert isinstance(raised.value.__cause__, IntegrityError)
    with pytest.raises(ConfigError, match="no request has an id"):
        catalogue.begin_request(request("r1", parent_id="nobody"))


def test_a_catalogue_of_the_version_before_keeps_what_it_has(url: str) -> None:
    from alembic import command
    from alembic.config import Config

    import pipeline.catalogue

    config = Config()
    config.set_main_option("script_location", str(Path(pipeline.catalogue.__file__).parent / "migrations"))
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO streams (name, spec) VALUES ('payments', '{}')"))
    engine.dispose()
    opened = Catalogue.open(url)
    assert opened.streams() == {"payments": {}}
    opened.add_generator(GENERATOR)
    assert opened.generators() == [GENERATOR]
    opened.close()
