"""Deleting what is kept no longer: each kind of thing by itself, safe to be killed at any line and done again.

`before` is called right before anything goes; it raises where it must not.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

from pipeline.bundles import MANIFEST
from pipeline.errors import ConfigError
from pipeline.jobs.in_service import InService
from pipeline.lake.durable import storage_errors, sync_folder
from pipeline.lake.lake import Lake
from pipeline.lake.layout import ArchiveFile, outermost
from pipeline.lake.reader import footer_of, row_groups
from pipeline.lake.synthetic_layout import MAKING
from pipeline.synthesis.parts import PartFolder

DAY_MS = 86_400_000
UNFINISHED_DAYS = 7.0
"""A dataset that nobody went on with for this long is given up, and what a dead writer left behind is not resumed."""
Before = Callable[[], None]


def delete_archive(lake: Lake, stream: str, *, before_ms: int, keep: InService, before: Before) -> int:
    """Delete archive files whose rows were all appended before a moment, but for the newest of each partition and those
    that something in service came from. Returns how many went."""
    parsed = [f for path in lake.real(stream).glob("*/date=*/p*.parquet") if (f := ArchiveFile.parse(path)) is not None]
    newest: dict[tuple[str, int], int] = {}
    for file in parsed:
        newest[file.source] = max(file.next_offset, newest.get(file.source, 0))
    shown = {file.path for file in outermost(parsed)}
    # Files that readers leave out go first: without the file that covers them their rows would come back.
    old = sorted(parsed, key=lambda file: (file.path in shown, file.path))
    gone = 0
    for file in old:
        may_go = file.next_offset < newest[file.source] and _is_old(file, before_ms)
        if may_go and not _is_kept(file, keep):
            before()
            with storage_errors(file.path):
                file.path.unlink(missing_ok=True)
                sync_folder(file.path.parent)
            gone += 1
    _drop_empty(lake.real(stream).glob("*/date=*"))
    return gone


def _is_old(file: ArchiveFile, before_ms: int) -> bool:
    """Whether all of a file's rows were appended before a moment. Its folder says only when the first was: an archiver
    that catches up puts weeks into one file."""
    day = date.fromisoformat(file.path.parent.name.removeprefix("date="))
    if (day - date(1970, 1, 1)).days * DAY_MS >= before_ms:
        return False
    footer = footer_of(file.path)
    column = footer.schema.names.index("_append_time")
    found = [footer.row_group(index).column(column).statistics for index in range(footer.num_row_groups)]
    return all(one is not None and one.has_min_max and int(one.max_raw) < before_ms for one in found)


def _is_kept(file: ArchiveFile, keep: InService) -> bool:
    if not keep.windows:
        return False
    groups = list(row_groups(file.path, footer_of(file.path)))
    return any(keep.came_from(group.min_ms, group.max_ms + 1) for group in groups)


def delete_bundles(root: Path, ids: Sequence[str], before: Before) -> int:
    """Delete bundles, so that each is whole or gone for whoever loads it. Returns how many there were."""
    gone = 0
    for bundle_id in ids:
        folder = root / bundle_id
        if (folder / MANIFEST).exists():
            before()
            leaving = root / f".{bundle_id}.tmp"
            with storage_errors(folder):
                shutil.rmtree(leaving, ignore_errors=True)
                os.rename(folder, leaving)
                sync_folder(root)
            shutil.rmtree(leaving, ignore_errors=True)
            gone += 1
    return gone


def delete_dead_bundles(root: Path, *, before_ms: int) -> int:
    """Delete what writers of bundles left behind when they died. Returns how many."""
    return sum(_remove(path) for path in root.glob(".*.tmp") if _changed_ms(path) < before_ms)


def delete_logs(folder: Path, *, before_ms: int) -> int:
    """Delete logs of runs. Returns how many."""
    gone = 0
    for path in folder.glob("*"):
        if path.is_file() and _changed_ms(path) < before_ms:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def delete_unfinished(lake: Lake, stream: str, *, before_ms: int, before: Before) -> int:
    """Delete datasets that were begun, not finished, and not gone on with since. Returns how many."""
    gone = 0
    for folder in sorted((lake.synthetic / stream / MAKING).glob("*")):
        with contextlib.suppress(ConfigError):  # a strange name, or being made right now
            places = lake.places(stream, folder.name)
            if _changed_ms(folder) < before_ms:
                with PartFolder(places).locked():
                    before()
                    gone += _remove(folder)
                    places.progress.unlink(missing_ok=True)
    return gone


def _remove(folder: Path) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    return int(not folder.exists())


def _changed_ms(path: Path) -> float:
    """When a file, or the newest of a folder's, was last changed; never, where it is gone already."""
    return max((1000 * found for found in _times(path)), default=float("inf"))


def _times(path: Path) -> Iterator[float]:
    with contextlib.suppress(FileNotFoundError):
        yield path.stat().st_mtime
        if path.is_dir():
            for inner in path.iterdir():
                yield inner.stat().st_mtime


def _drop_empty(folders: Iterator[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()
