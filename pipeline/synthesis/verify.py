"""Is a dataset still what its manifest says? Every file against its hash, and the manifest against its own."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageUnavailableError
from pipeline.lake.durable import storage_errors
from pipeline.lake.synthetic_layout import (
    CROISSANT,
    DATASET_KEY,
    MANIFEST,
    SEAL,
    DatasetPlaces,
    is_synthetic,
)
from pipeline.synthesis.parts import file_sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found."""

    files: int
    rows: int
    size_bytes: int
    problems: tuple[str, ...]
    """One sentence each, naming the file; empty where all is as it was."""

    @property
    def whole(self) -> bool:
        """Whether nothing was changed."""
        return not self.problems


def verify(places: DatasetPlaces, *, known_sha256: str | None) -> Verified:
    """Hash every file. `known_sha256` is the manifest's hash as the catalogue has it, where the catalogue knows it.

    Raises StorageUnavailableError where files cannot be read.
    """
    manifest, problems = _manifest(places, known_sha256)
    listed: list[dict[str, Any]] = manifest.get("files", [])
    folder = places.data
    if folder is None:
        problems.append(f"the data is missing: there is no folder {places.published}")
    else:
        problems += _extra(folder, {entry["name"] for entry in listed})
        for entry in listed:
            problems += _file(folder / entry["name"], entry, places.dataset_id)
    if listed and manifest.get("rows") != sum(entry["rows"] for entry in listed):
        problems.append(f"{MANIFEST}: its rows are not the sum of its files'")
    return Verified(
        files=len(listed),
        rows=sum(entry["rows"] for entry in listed),
        size_bytes=sum(entry["size_bytes"] for entry in listed),
        problems=tuple(problems),
    )


def _manifest(places: DatasetPlaces, known_sha256: str | None) -> tuple[dict[str, Any], list[str]]:
    """The manifest as far as it can be read, and what is wrong with it and with what lies beside it."""
    content = _content(places.about / MANIFEST)
    if content is None:
        return {}, [f"{MANIFEST} is missing: nothing says what the files should be"]
    problems = []
    digest = hashlib.sha256(content).hexdigest()
    seal = _content(places.about / SEAL)
    if seal is None:
        problems.append(f"{SEAL} is missing")
    elif seal.decode(errors="replace").strip() != digest:
        problems.append(f"{MANIFEST} was altered: it does not fit {SEAL}")
    if known_sha256 is not None and known_sha256 != digest:
        problems.append(f"{MANIFEST} was altered: it is not the one that the catalogue knows")
    try:
        document = json.loads(content)
    except ValueError:
        return {}, [*problems, f"{MANIFEST} is not JSON"]
    if document.get("dataset") != places.dataset_id or document.get("stream") != places.stream:
        problems.append(f"{MANIFEST} is another dataset's ({document.get('stream')}/{document.get('dataset')})")
    croissant = _content(places.about / CROISSANT)
    if croissant is None:
        problems.append(f"{CROISSANT} is missing")
    elif hashlib.sha256(croissant).hexdigest() != document.get("croissant_sha256"):
        problems.append(f"{CROISSANT} was altered")
    return document, problems


def _extra(folder: Path, listed: set[str]) -> list[str]:
    with storage_errors(folder):
        names = sorted(path.name for path in folder.iterdir())
    return [f"{name} is not in the manifest" for name in names if name not in listed]


def _file(path: Path, entry: dict[str, Any], dataset_id: str) -> list[str]:
    if not path.is_file():
        return [f"{path.name} is missing"]
    with storage_errors(path):
        size = path.stat().st_size
        if size != entry["size_bytes"]:
            return [f"{path.name} has {size:,} bytes, the manifest says {entry['size_bytes']:,}: cut short or altered"]
        if file_sha256(path) != entry["sha256"]:
            return [f"{path.name} was altered: its content does not fit its hash"]
    try:
        footer = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise StorageUnavailableError(f"{path} cannot be read ({error}): restore it from a backup") from error
    marks = footer.metadata or {}
    if not is_synthetic(marks) or marks.get(DATASET_KEY) != dataset_id.encode():
        return [f"{path.name} does not say that it is of dataset {dataset_id}"]
    if footer.num_rows != entry["rows"]:
        return [f"{path.name} has {footer.num_rows:,} rows, the manifest says {entry['rows']:,}"]
    return []


def _content(path: Path) -> bytes | None:
    with storage_errors(path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
