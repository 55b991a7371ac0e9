"""Every change to a published dataset is found by name: of data, of the manifest, of both together."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.errors import ConfigError
from pipeline.lake.synthetic_layout import CROISSANT, MANIFEST, SEAL, DatasetPlaces
from pipeline.synthesis.datasets import withdraw
from pipeline.synthesis.verify import verify
from tests.pipeline.synthesis.making import Workshop

Change = Callable[[DatasetPlaces], object]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path)
    yield workshop
    workshop.catalogue.close()


@pytest.fixture
def places(shop: Workshop) -> DatasetPlaces:
    return shop.make(shop.request(rows=450)).places


def part(places: DatasetPlaces, number: int = 0) -> Path:
    return places.published / f"part-{number:05}.parquet"


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def resealed(places: DatasetPlaces) -> None:
    """Someone who takes a row's worth out of a file and mends manifest and hash with it."""
    path = part(places, 2)
    table = pq.read_table(path).slice(1)
    pq.write_table(table.replace_schema_metadata(pq.read_schema(path).metadata), path)
    document = json.loads((places.about / MANIFEST).read_text())
    entry = document["files"][2]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry.update(sha256=digest, size_bytes=path.stat().st_size, rows=entry["rows"] - 1)
    document["rows"] -= 1
    content = json.dumps(document).encode()
    (places.about / MANIFEST).write_bytes(content)
    (places.about / SEAL).write_text(hashlib.sha256(content).hexdigest())


CHANGES: dict[str, tuple[Change, str]] = {
    "a bit in the data": (lambda p: flip(part(p), 100), "part-00000.parquet was altered"),
    "a bit in the footer": (lambda p: flip(part(p, 1), -20), "part-00001.parquet was altered"),
    "a file cut short": (lambda p: truncate(part(p, 2)), "part-00002.parquet has .* cut short"),
    "a file missing": (lambda p: part(p, 1).unlink(), "part-00001.parquet is missing"),
    "a file too many": (lambda p: shutil.copy(part(p), part(p, 7)), "part-00007.parquet is not in the manifest"),
    "two files exchanged": (lambda p: part(p).replace(part(p, 1)), "part-00000.parquet is missing"),
    "another file beside": (lambda p: (p.published / "notes.txt").write_text("x"), "notes.txt is not in the manifest"),
    "the manifest": (lambda p: flip(p.about / MANIFEST, 30), "manifest.json was altered"),
    "the manifest gone": (lambda p: (p.about / MANIFEST).unlink(), "manifest.json is missing"),
    "the hash gone": (lambda p: (p.about / SEAL).unlink(), "manifest.sha256 is missing"),
    "the Croissant document": (lambda p: flip(p.about / CROISSANT, 30), "croissant.json was altered"),
    "the Croissant document gone": (lambda p: (p.about / CROISSANT).unlink(), "croissant.json is missing"),
    "all of it gone": (lambda p: shutil.rmtree(p.published), "the data is missing"),
    "data and manifest together": (resealed, "not the one that the catalogue knows"),
}


def test_a_dataset_is_whole_as_it_was_made(shop: Workshop, places: DatasetPlaces) -> None:
    found = verify(places, known_sha256=shop.catalogue.dataset(places.dataset_id).manifest_sha256)
    assert found.whole
    assert (found.files, found.rows) == (3, 450)


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_found(shop: Workshop, places: DatasetPlaces, change: str) -> None:
    apply, said = CHANGES[change]
    apply(places)
    found = verify(places, known_sha256=shop.catalogue.dataset(places.dataset_id).manifest_sha256)
    assert not found.whole
    assert any(re.search(said, problem) for problem in found.problems), found.problems


def test_a_withdrawn_dataset_is_out_of_sight_kept_and_not_made_again(shop: Workshop, places: DatasetPlaces) -> None:
    withdraw(places, reason="the source was withdrawn", now_ms=5)
    assert shop.visible() == []
    with pytest.raises(ConfigError, match="no published dataset"):
        shop.lake.read_synthetic("payments", places.dataset_id)
    known = shop.catalogue.dataset(places.dataset_id).manifest_sha256
    assert verify(places, known_sha256=known).whole, "kept as it was"
    with pytest.raises(ConfigError, match=r"was withdrawn \(the source was withdrawn\): ask with another --seed"):
        shop.make(shop.request(rows=450))
    withdraw(places, reason="again", now_ms=6)
    assert json.loads((places.about / "withdrawn.json").read_text())["reason"] == "the source was withdrawn"


def test_only_a_published_dataset_can_be_withdrawn(shop: Workshop) -> None:
    with pytest.raises(ConfigError, match="not published"):
        withdraw(shop.lake.places("payments", "0" * 16), reason="x", now_ms=1)


def test_an_id_can_lead_nowhere_else(shop: Workshop) -> None:
    for stream, dataset in (("payments", "../../x"), ("..", "0" * 16), ("payments", "_failed"), ("a/b", "0" * 16)):
        with pytest.raises(ConfigError, match="names no dataset"):
            shop.lake.places(stream, dataset)
