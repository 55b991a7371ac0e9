"""A dataset's manifest: everything about it, in one JSON document that lies apart from the data.

The manifest's hash lies beside it and in the catalogue, so that a manifest that was changed together with the data is
noticed too.
"""

import hashlib
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa

from detectors.columns import kind_of, roles_of
from pipeline.errors import ConfigError
from pipeline.lake.durable import read_json, storage_errors, to_json, write_atomic
from pipeline.lake.synthetic_layout import CROISSANT, MANIFEST, SEAL, DatasetPlaces
from pipeline.synthesis.croissant import croissant
from pipeline.synthesis.parts import PartFile
from pipeline.synthesis.requests import GenerationRequest

FORMAT = 1
_LIBRARIES = ("eddyline", "numpy", "pyarrow", "torch", "scikit-learn", "pandas")


def manifest_document(
    places: DatasetPlaces,
    *,
    request: GenerationRequest,
    generator: dict[str, Any],
    schema: pa.Schema,
    parts: list[PartFile],
    gates: dict[str, Any],
    licence: str,
    created_ms: int,
    anomalies: dict[str, Any],
) -> dict[str, Any]:
    """The manifest of a finished dataset. `generator` says which it is and what it learned from."""
    return {
        "format": FORMAT,
        "origin": "synthetic",
        "dataset": places.dataset_id,
        "stream": places.stream,
        "created_ms": created_ms,
        "licence": licence,
        "generator": generator,
        "request": request.document(),
        "seed": request.seed,
        "rows": sum(part.rows for part in parts),
        "anomalies": anomalies,
        "schema": [field_document(field) for field in schema],
        "gates": gates,
        "files": [asdict(part) for part in parts],
        "libraries": library_versions(),
    }


def field_document(field: pa.Field) -> dict[str, Any]:
    """A column as the manifest names it."""
    kind = kind_of(field)
    return {
        "name": field.name,
        "type": str(field.type),
        "kind": kind.value if kind is not None else None,
        "roles": sorted(role.value for role in roles_of(field)),
    }


def library_versions() -> dict[str, str]:
    """What the rows depend on besides the request: another version may make others."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_manifest(places: DatasetPlaces, document: dict[str, Any], schema: pa.Schema) -> str:
    """Write manifest, Croissant document and the manifest's hash, which is returned. Raises StorageUnavailableError."""
    described = to_json(croissant(places, document, schema))
    document = document | {"croissant_sha256": hashlib.sha256(described).hexdigest()}
    content = to_json(document)
    digest = hashlib.sha256(content).hexdigest()
    write_atomic(places.about / CROISSANT, described)
    write_atomic(places.about / MANIFEST, content)
    write_atomic(places.about / SEAL, f"{digest}\n".encode())
    return digest


def read_manifest(places: DatasetPlaces) -> dict[str, Any]:
    """A dataset's manifest. Raises ConfigError where it is not there, StorageUnavailableError where it is no JSON."""
    document = read_json(places.about / MANIFEST)
    if document is None:
        raise ConfigError(
            f"dataset {places.dataset_id} of {places.stream} has no manifest: `eddyline synth list` shows the datasets "
            "there are"
        )
    return document


def manifest_hash(path: Path) -> str:
    """The hash of a manifest as it lies there."""
    with storage_errors(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()
