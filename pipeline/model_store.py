"""Bundles: everything that scoring needs of one model, in one content-addressed folder that is never changed.

`models/<id>/`: the detector's state (`weights.safetensors`, `document.json`), `threshold.json`, `schema.arrow`,
`about.json` (stream, detector, when, facts), and `bundle.json`, which lists the others with their hashes. The id is
the beginning of the hash of that list, so a folder whose content changed no longer fits its name.
"""

import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from detectors.artifacts import load_state, save_state
from detectors.base import Detector
from detectors.errors import DetectorError
from detectors.thresholds import Threshold
from pipeline.errors import ConfigError, ModelError
from pipeline.lake.durable import make_folders, storage_errors, sync_file, sync_folder

FORMAT = 1
ID_LENGTH = 16
_THRESHOLD, _SCHEMA, _ABOUT, _MANIFEST = "threshold.json", "schema.arrow", "about.json", "bundle.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A model as it scores: detector, threshold and the schema it was trained under."""

    model_id: str
    stream: str
    detector: Detector
    threshold: Threshold
    schema: pa.Schema
    created_ms: int
    facts: dict[str, Any]
    """What a person may want to know of its training; JSON."""


class ModelStore:
    """A folder of bundles. Reading and writing need no lock: a bundle appears whole, under the name of its content."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)

    def save(
        self,
        *,
        stream: str,
        detector: Detector,
        threshold: Threshold,
        schema: pa.Schema,
        created_ms: int,
        facts: dict[str, Any],
    ) -> Bundle:
        """Write a bundle; it is durable when this returns. Raises StorageUnavailableError."""
        about = {
            "format": FORMAT,
            "stream": stream,
            "detector": detector.name,
            "detector_version": detector.version,
            "created_ms": created_ms,
            "facts": facts,
        }
        documents = {
            _THRESHOLD: _canonical(threshold.to_document()),
            _SCHEMA: schema.serialize().to_pybytes(),
            _ABOUT: _canonical(about),
        }
        temporary = self._root / f".{uuid.uuid4().hex}.tmp"
        with storage_errors(self._root):
            try:
                make_folders(temporary)
                save_state(temporary, *detector.state())
                model_id = _seal(temporary, documents)
                self._publish(temporary, model_id)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return Bundle(
            model_id=model_id,
            stream=stream,
            detector=detector,
            threshold=threshold,
            schema=schema,
            created_ms=created_ms,
            facts=facts,
        )

    def _publish(self, temporary: Path, model_id: str) -> None:
        final = self._root / model_id
        if final.exists():
            try:
                _checked(final, model_id)
                return
            except ModelError:  # the same content, whole: take the place of the damaged one
                shutil.rmtree(final)
        os.rename(temporary, final)
        sync_folder(self._root)

    def load(self, model_id: str, *, device: str = "cpu") -> Bundle:
        """A bundle, ready to score on `device`. Raises ModelError that names the file that is missing, cut short,
        altered, or made by an incompatible version."""
        folder = self._root / model_id
        if not folder.is_dir():
            raise ModelError(f"there is no model {model_id} ({folder} does not exist): restore it, or train again")
        _checked(folder, model_id)
        about = _document(folder / _ABOUT)
        if about.get("format") != FORMAT:
            raise ModelError(
                f"{folder / _ABOUT} has format {about.get('format')!r}, this version reads {FORMAT}: use the version "
                "of eddyline that trained it, or train again"
            )
        try:
            return Bundle(
                model_id=model_id,
                stream=str(about["stream"]),
                detector=_detector(folder, about, device),
                threshold=Threshold.from_document(_document(folder / _THRESHOLD)),
                schema=pa.ipc.read_schema(pa.py_buffer(_read(folder / _SCHEMA))),
                created_ms=int(about["created_ms"]),
                facts=about["facts"],
            )
        except (DetectorError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"the model in {folder} was made by a version of eddyline that this one cannot read ({error}): use "
                "that version, or train again"
            ) from error

    def files(self, model_id: str) -> dict[str, int]:
        """A bundle's files with their sizes in bytes."""
        return {path.name: path.stat().st_size for path in sorted((self._root / model_id).glob("*"))}


def _seal(folder: Path, documents: dict[str, bytes]) -> str:
    """Write the documents and the list of all files; returns the id."""
    for name, content in documents.items():
        (folder / name).write_bytes(content)
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    manifest = _canonical({"files": hashes})
    (folder / _MANIFEST).write_bytes(manifest)
    for path in folder.iterdir():
        sync_file(path)
    sync_folder(folder)
    return hashlib.sha256(manifest).hexdigest()[:ID_LENGTH]


def _checked(folder: Path, model_id: str) -> None:
    """Raise ModelError naming the first file that is not what it was."""
    manifest = folder / _MANIFEST
    content = _read(manifest)
    if hashlib.sha256(content).hexdigest()[:ID_LENGTH] != model_id:
        raise _altered(manifest)
    for name, digest in json.loads(content)["files"].items():
        if hashlib.sha256(_read(folder / name)).hexdigest() != digest:
            raise _altered(folder / name)


def _altered(path: Path) -> ModelError:
    return ModelError(f"{path} was altered or cut short: restore it from a backup, or train again")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): restore it, or train again") from error


def _document(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_read(path))
    return document


def _detector(folder: Path, about: dict[str, Any], device: str) -> Detector:
    # Imported late: the detectors bring torch, which those who only list models need not load.
    from detectors.registry import detector_class

    try:
        kind = detector_class(about["detector"])
    except (KeyError, ValueError, ConfigError) as error:
        raise ModelError(
            f"{folder / _ABOUT} names the detector {about['detector']!r}, which this version does not have: upgrade "
            "eddyline, or train again"
        ) from error
    if kind.version != about["detector_version"]:
        raise ModelError(
            f"{folder / _ABOUT} was written by version {about['detector_version']} of the detector {kind.name}, this "
            f"is version {kind.version}: use the version of eddyline that trained it, or train again"
        )
    return kind.from_state(*load_state(folder), device=device)


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
