"""Every test of the catalogue runs on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.catalogue import Catalogue


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that is not there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'eddyline.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    """A new catalogue."""
    opened = Catalogue.open(url)
    yield opened
    opened.close()
