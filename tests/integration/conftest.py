"""Services on the session's Kafka."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.service import Service, spec_document


@pytest.fixture
def make_service(tmp_path: Path, unique: Callable[[str], str]) -> Iterator[Callable[..., Service]]:
    """Makes services; stops what they started, and prints their logs where a test failed (pytest shows them then)."""
    made: list[Service] = []

    def make(bootstrap: str, *, partitions: int = 2, catalogue_url: str | None = None, **spec: object) -> Service:
        stream = unique("s")
        document = spec_document(stream, **spec)
        service = Service(tmp_path / stream, bootstrap, stream, document, catalogue_url=catalogue_url)
        service.create_topic(partitions)
        made.append(service)
        return service

    yield make
    for service in made:
        service.stop()
        print(service.logs()[-20_000:])  # noqa: T201 - shown by pytest where the test failed
