"""Content-addressed folders: everything one model is, under the beginning of the hash of it, never changed.

A bundle holds a state (`weights.safetensors`, `document.json`), documents beside it, and `bundle.json`, which lists
all of them with their hashes. The id is the beginning of the hash of that list, so a folder whose content changed no
longer fits its name. Reading and writing need no lock: a bundle appears whole, under the name of its content.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectors.artifacts import save_state
from detectors.base import Tensors
from pipeline.errors import ModelError
from pipeline.lake.durable import make_folders, storage_errors, sync_file, sync_folder

ID_LENGTH = 16
MANIFEST = "bundle.json"


class BundleFolder:
    """A folder of bundles of one kind; messages call one by `noun`, and say `remedy` of one that is no good."""

    def __init__(self, root: str | Path, *, noun: str = "model", remedy: str = "train again") -> None:
        self.root, self._noun, self._remedy = Path(root), noun, remedy

    def save(self, tensors: Tensors, document: dict[str, Any], beside: Mapping[str, bytes]) -> str:
        """Write a bundle and return its id; it is durable when this returns. Raises StorageUnavailableError."""
        temporary = self.root / f".{uuid.uuid4().hex}.tmp"
        with storage_errors(self.root):
            try:
                make_folders(temporary)
                save_state(temporary, tensors, document)
                bundle_id = _seal(temporary, beside)
                self._publish(temporary, bundle_id)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return bundle_id

    def checked(self, bundle_id: str) -> Path:
        """A bundle's folder, every file as it was written. Raises ModelError naming the first that is not."""
        folder = self.root / bundle_id
        if not folder.is_dir():
            raise ModelError(
                f"there is no {self._noun} {bundle_id} ({folder} does not exist): restore it, or {self._remedy}"
            )
        self._check(folder, bundle_id)
        return folder

    def read(self, path: Path) -> bytes:
        """A file of a bundle. Raises ModelError."""
        try:
            return path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}): restore it, or {self._remedy}") from error

    def document(self, path: Path) -> dict[str, Any]:
        """A JSON document of a bundle. Raises ModelError."""
        document: dict[str, Any] = json.loads(self.read(path))
        return document

    def files(self, bundle_id: str) -> dict[str, int]:
        """A bundle's files with their sizes in bytes."""
        return {path.name: path.stat().st_size for path in sorted((self.root / bundle_id).glob("*"))}

    def _publish(self, temporary: Path, bundle_id: str) -> None:
        final = self.root / bundle_id
        if final.exists():
            try:
                self._check(final, bundle_id)
                return
            except ModelError:  # the same content, whole: take the place of the damaged one
                shutil.rmtree(final)
        os.rename(temporary, final)
        sync_folder(self.root)

    def _check(self, folder: Path, bundle_id: str) -> None:
        manifest = folder / MANIFEST
        content = self.read(manifest)
        if hashlib.sha256(content).hexdigest()[:ID_LENGTH] != bundle_id:
            raise self._altered(manifest)
        for name, digest in json.loads(content)["files"].items():
            if hashlib.sha256(self.read(folder / name)).hexdigest() != digest:
                raise self._altered(folder / name)

    def _altered(self, path: Path) -> ModelError:
        return ModelError(f"{path} was altered or cut short: restore it from a backup, or {self._remedy}")


def _seal(folder: Path, documents: Mapping[str, bytes]) -> str:
    """Write the documents and the list of all files; returns the id."""
    for name, content in documents.items():
        (folder / name).write_bytes(content)
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    manifest = canonical({"files": hashes})
    (folder / MANIFEST).write_bytes(manifest)
    for path in folder.iterdir():
        sync_file(path)
    sync_folder(folder)
    return hashlib.sha256(manifest).hexdigest()[:ID_LENGTH]


def canonical(document: Any) -> bytes:
    """JSON of which there is only one for a document, so that it can be hashed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
