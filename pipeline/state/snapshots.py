"""Snapshots of partitions' state: folders in the lake, named by the offset they stand at.

`lake/metadata/state/STREAM/TOPIC_ID/pPARTITION/NEXT_OFFSET-RECIPE/`: what `detectors.artifacts` writes, hashes
included. Written under a temporary name and renamed, so a snapshot is whole or not there. One is only ever taken of a
committed offset; those ahead of the committed offset (offsets set back by hand) are passed over, not deleted.
"""

import contextlib
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

import structlog

from detectors.artifacts import load_state, save_state
from detectors.errors import ArtifactError
from pipeline.lake.durable import make_folders, storage_errors, sync_folder
from pipeline.state.enricher import Enricher, Snapshot
from pipeline.state.recipe import Recipe

log = structlog.get_logger(__name__)

KEPT = 2
"""Snapshots of a partition that are left: one, and one more should it be damaged."""
_NAME = re.compile(r"^(\d{19})-([0-9a-f]{12})$")


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    position: int
    recipe: str


class SnapshotStore:
    """The snapshots of one stream and recipe. Safe to use from several processes."""

    def __init__(self, root: Path, recipe: Recipe) -> None:
        self._root, self._recipe = root, recipe
        self._mark = recipe.digest[:12]

    def write(self, topic_id: str, partition: int, snapshot: Snapshot) -> Path:
        """Make a snapshot durable, and remove what it replaces. Raises StorageUnavailableError."""
        folder = self._folder(topic_id, partition)
        final = folder / f"{snapshot.position:019d}-{self._mark}"
        temporary = folder / f".{uuid.uuid4().hex}.tmp"
        with storage_errors(final):
            make_folders(folder)
            try:
                save_state(temporary, snapshot.tensors, snapshot.document)
                sync_folder(temporary)
                if final.exists():  # of the same rows, and so the same; perhaps damaged
                    shutil.rmtree(final)
                temporary.rename(final)
                sync_folder(folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        self._prune(folder, snapshot.position)
        return final

    def newest(self, topic_id: str, partition: int, *, not_after: int) -> Enricher | None:
        """The newest whole state at or before an offset; None where there is none. Damaged ones are said and passed
        over."""
        for entry in reversed(_entries(self._folder(topic_id, partition))):
            if entry.position > not_after or entry.recipe != self._mark:
                continue
            try:
                tensors, document = load_state(entry.path)
                enricher = Enricher.restore(self._recipe, tensors, document)
            except (ArtifactError, KeyError, TypeError, ValueError) as error:
                log.warning("a snapshot cannot be used: an older one, or the log, is", error=str(error))
                continue
            if enricher.position == entry.position:
                return enricher
        return None

    def clear_unfinished(self, topic_id: str, partition: int) -> None:
        """Remove what a dead owner had begun to write. A living one, should there be one, fails and says so."""
        for path in self._folder(topic_id, partition).glob(".*.tmp"):
            shutil.rmtree(path, ignore_errors=True)

    def _folder(self, topic_id: str, partition: int) -> Path:
        return self._root / (topic_id or "unknown") / f"p{partition}"

    def _prune(self, folder: Path, position: int) -> None:
        """Leave the newest `KEPT` of this recipe up to a position, and whatever stands after it."""
        behind = [entry for entry in _entries(folder) if entry.position <= position]
        kept = [entry.path for entry in behind if entry.recipe == self._mark][-KEPT:]
        for entry in behind:
            if entry.path not in kept:
                with contextlib.suppress(OSError):
                    shutil.rmtree(entry.path)


def _entries(folder: Path) -> list[_Entry]:
    """What lies there, in order of position."""
    found = []
    for path in folder.glob("*-*"):
        match = _NAME.match(path.name)
        if match is not None:
            found.append(_Entry(path, int(match[1]), match[2]))
    return sorted(found, key=lambda entry: (entry.position, entry.recipe))
