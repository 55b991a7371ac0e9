"""Model files: `weights.safetensors` and `document.json`, addressed by the hash of their content.

Nothing in them can run code. `document.json` carries the hash of the weights and of itself, so a file cut short,
edited, or put beside another model's is refused with its name. Written under temporary names and moved into place,
`document.json` last: a folder without it was never finished.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from detectors.base import Tensors
from detectors.errors import AlteredArtifactError, ArtifactError, IncompatibleArtifactError

FORMAT = 1
WEIGHTS, DOCUMENT = "weights.safetensors", "document.json"


def save_state(folder: Path, tensors: Tensors, document: dict[str, Any]) -> str:
    """Write a detector's state into `folder` (made where absent); returns the content hash, sha256 in hex.

    Raises ValueError for a document that is not JSON (NaN and infinities are not), OSError where it cannot be written.
    """
    weights = save({name: np.ascontiguousarray(array) for name, array in sorted(tensors.items())})
    envelope = {"format": FORMAT, "weights_sha256": hashlib.sha256(weights).hexdigest(), "document": document}
    content = _content_hash(envelope)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / WEIGHTS, weights)
    _write(folder / DOCUMENT, _canonical({**envelope, "sha256": content}))
    return content


def load_state(folder: Path) -> tuple[Tensors, dict[str, Any]]:
    """What `save_state` wrote.

    Raises ArtifactError where a file is absent or unreadable, AlteredArtifactError where content does not match its
    hash, IncompatibleArtifactError for another format; each names the file.
    """
    path = folder / DOCUMENT
    envelope = _parse(path)
    if envelope.get("format") != FORMAT:
        raise IncompatibleArtifactError(
            f"{path} has format {envelope.get('format')!r}, this version reads {FORMAT}: "
            "load it with the version that wrote it, or train again"
        )
    if envelope.pop("sha256", None) != _content_hash(envelope):
        raise AlteredArtifactError(
            f"{path} was altered: its content does not match its hash; restore it or train again"
        )
    weights_path = folder / WEIGHTS
    weights = _read(weights_path)
    if hashlib.sha256(weights).hexdigest() != envelope["weights_sha256"]:
        raise AlteredArtifactError(
            f"{weights_path} was altered or cut short ({len(weights)} bytes): restore it or train again"
        )
    try:
        return load(weights), envelope["document"]
    except SafetensorError as error:
        raise ArtifactError(f"{weights_path} is not a safetensors file ({error}): train again") from error


def check_made_by(document: dict[str, Any], *, name: str, version: int) -> None:
    """Refuse a document that another detector, or another version of this one, wrote."""
    made_by = document.get("name"), document.get("version")
    if made_by != (name, version):
        raise IncompatibleArtifactError(
            f"{DOCUMENT} was written by detector {made_by[0]!r} version {made_by[1]!r}, "
            f"this is {name!r} version {version}: train again"
        )


def _parse(path: Path) -> dict[str, Any]:
    raw = _read(path)
    try:
        envelope = json.loads(raw)
    except ValueError as error:
        raise AlteredArtifactError(f"{path} is not JSON ({error}): restore it or train again") from error
    if not isinstance(envelope, dict):
        raise AlteredArtifactError(f"{path} does not hold a JSON object: restore it or train again")
    return envelope


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read ({error.strerror}): restore it or train again") from error


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def _content_hash(envelope: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(envelope)).hexdigest()
