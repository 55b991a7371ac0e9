"""What happens to a dataset once its files are complete: published, refused, withdrawn. Each is one rename."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError
from pipeline.lake.durable import make_folders, read_json, storage_errors, sync_folder, to_json, write_atomic
from pipeline.lake.synthetic_layout import WITHDRAWAL, DatasetPlaces

BeforePublishing = Callable[[], None]
"""Called right before a dataset becomes visible; raises where it must not (a lease that was lost)."""


def publish(places: DatasetPlaces, before: BeforePublishing | None = None) -> None:
    """Show a finished dataset to readers. Its manifest must lie there already. Raises StorageUnavailableError."""
    if before is not None:
        before()
    _move(places.making, places.published)
    places.progress.unlink(missing_ok=True)


def refuse(places: DatasetPlaces) -> None:
    """Put a dataset that failed its gates aside, in place of an earlier attempt at it."""
    with storage_errors(places.failed):
        if places.failed.exists():
            shutil.rmtree(places.failed)
    _move(places.making, places.failed)
    places.progress.unlink(missing_ok=True)


def withdraw(places: DatasetPlaces, *, reason: str, now_ms: int) -> None:
    """Take a published dataset out of readers' sight, for good: the same request does not bring it back.

    The note is written first, so a process that dies in between leaves a dataset that says it is withdrawn; doing it
    again finishes. Raises ConfigError where it is not published.
    """
    if not places.published.is_dir() and not places.withdrawn.is_dir():
        raise ConfigError(
            f"dataset {places.dataset_id} of {places.stream} is not published, so there is nothing to withdraw: "
            f"`eddyline synth list {places.stream}` says where each stands"
        )
    if withdrawal(places) is None:
        write_atomic(places.about / WITHDRAWAL, to_json({"reason": reason, "withdrawn_ms": now_ms}))
    if places.published.is_dir():
        _move(places.published, places.withdrawn)


def withdrawal(places: DatasetPlaces) -> dict[str, Any] | None:
    """When and why a dataset was withdrawn; None where it was not."""
    return read_json(places.about / WITHDRAWAL)


def _move(source: Path, target: Path) -> None:
    """Rename a folder, durably."""
    with storage_errors(target):
        make_folders(target.parent)
        os.rename(source, target)
        sync_folder(target.parent)
        sync_folder(source.parent)
