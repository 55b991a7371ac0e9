"""A fit's checkpoint as files: what was saved last, whole, however the process died.

`<key>/<n>/` holds a state (`weights.safetensors`, `document.json`); `<key>/newest` names the folder that is complete.
Replacing that name is the one step that counts.
"""

import shutil
from pathlib import Path
from typing import Any

from detectors.artifacts import load_state, save_state
from detectors.base import Tensors
from detectors.errors import ArtifactError
from pipeline.lake.durable import make_folders, storage_errors, sync_folder, write_atomic

_NEWEST = "newest"


class FileCheckpoint:
    """Keeps `synth.base.Checkpoint` in a folder of its own. Raises StorageUnavailableError where it cannot write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> tuple[Tensors, dict[str, Any]] | None:
        """What was saved last; None where nothing was, or where it was damaged since (the fit then starts anew)."""
        newest = self._newest()
        if newest is None:
            return None
        try:
            return load_state(newest)
        except ArtifactError:
            return None

    def save(self, tensors: Tensors, document: dict[str, Any]) -> None:
        """Replace what was saved, at once or not at all."""
        before = self._newest()
        number = int(before.name) + 1 if before is not None else 1
        with storage_errors(self._folder):
            make_folders(self._folder)
            target = self._folder / str(number)
            shutil.rmtree(target, ignore_errors=True)
            save_state(target, tensors, document)
            sync_folder(target)
            sync_folder(self._folder)
            write_atomic(self._folder / _NEWEST, str(number).encode())
            for path in self._folder.iterdir():
                if path.is_dir() and path != target:
                    shutil.rmtree(path, ignore_errors=True)

    def clear(self) -> None:
        """The fit ended: forget."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _newest(self) -> Path | None:
        try:
            name = (self._folder / _NEWEST).read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None
        folder = self._folder / name
        return folder if name.isdecimal() and folder.is_dir() else None
