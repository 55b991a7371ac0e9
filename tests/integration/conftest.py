"""Services on the session's Kafka."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.service import Service, spec_document


@pytest.fixture
def make_service(tmp_path: Path, unique: Callable[[str], str]) -> Iterator[Callable[..., Service]]:
    """Makes services; stops what they started, and prints their logs where a test failed (pytest shows them then)."""
    made: list[Service] = []

    def make(bootstrap: str, *, partitions: int = 2, **spec: object) -> Service:
        stream = unique("s")
        service = Service(tmp_path / stream, bootstrap, stream, spec_document(stream, **spec))
        service.create_topic(partitions)
        made.append(service)
        return service

    yield make
    for service in made:
        service.stop()
        print(service.logs()[-20_000:])  # noqa: T201 - shown by pytest where the test failed
