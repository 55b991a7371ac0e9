"""Joins small archive files of a partition into larger ones. No reader sees a row twice, or misses one, at any moment.

Order: joined file durable under a temporary name → rename (from then on readers leave out the files whose ranges lie
within its own) → an hour later, when whoever had opened them is done, the covered files are deleted. Killed at any
line, the next compaction finishes: a temporary file that nobody locks is removed, covered files are still ignored.

The archiver is not disturbed: the newest file of a partition, which its last commit may name, is never touched; only
files that follow each other without a hole are joined, since a hole may yet be filled by a range that is read again.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.archive.open_file import OpenParquet, remove_abandoned, temporary_name
from pipeline.archive.policy import ROW_GROUP_ROWS
from pipeline.lake.durable import storage_errors, sync_folder
from pipeline.lake.layout import OPEN_FOLDER, ArchiveFile, outermost
from pipeline.lake.reader import footer_of, unreadable, version_of

COMPACTED = "eddyline.compacted"
"""Says in a joined file's footer of how many it was made."""
KEPT_FACTS = ("eddyline.schema_version", "eddyline.topic", "eddyline.topic_id")
REJECTS = "eddyline.rejects"

Step = Callable[[str], None]
"""Called before each step that changes the lake, with what it is; raises to stop there."""


@dataclass(frozen=True, slots=True)
class Joining:
    """Files of one partition and day that follow each other, under one schema."""

    files: tuple[ArchiveFile, ...]

    @property
    def path(self) -> Path:
        """What the joined file will be called."""
        first, last = self.files[0], self.files[-1]
        return first.path.with_name(f"p{first.partition}-{first.first}-{last.next_offset}.parquet")


def planned(files: Sequence[ArchiveFile], *, below_bytes: int, least_files: int) -> list[Joining]:
    """What to join of a stream's files (`Lake.files`). Raises StorageUnavailableError for a file that is unreadable."""
    newest: dict[tuple[str, int], int] = {}
    for file in files:
        newest[file.source] = max(file.next_offset, newest.get(file.source, 0))
    found: list[Joining] = []
    for _, of_day in groupby(files, key=lambda file: (file.source, file.path.parent)):
        small = [f for f in of_day if f.next_offset < newest[f.source] and _size(f.path) < below_bytes]
        for run in _runs(small, most_bytes=2 * below_bytes):
            if len(run) >= least_files:
                found.append(Joining(tuple(run)))
    return found


def _runs(files: Iterable[ArchiveFile], *, most_bytes: int) -> Iterator[list[ArchiveFile]]:
    """Files side by side, without a hole, under one schema version, of limited size together."""
    run: list[ArchiveFile] = []
    size = version = 0
    for file in files:
        if file.read_from:  # some of its rows are another file's
            yield run
            run, size = [], 0
            continue
        this, this_version = _size(file.path), version_of(footer_of(file.path))
        follows = bool(run) and run[-1].next_offset == file.first and version == this_version
        if not follows or size + this > most_bytes:
            yield run
            run, size = [], 0
        run.append(file)
        size, version = size + this, this_version
    yield run


def join(joining: Joining, before: Step) -> int:
    """Write the joined file and publish it. Returns its rows.

    Raises StorageUnavailableError, and what `before` does; nothing is visible then.
    """
    first = joining.files[0]
    footers = [footer_of(file.path) for file in joining.files]
    schema = footers[0].schema.to_arrow_schema()
    before("write")
    name = temporary_name(first.partition, first.first)
    written = OpenParquet(first.path.parent.parent / OPEN_FOLDER / name, schema)
    try:
        rows = _copy(joining.files, written, schema, expected=sum(footer.num_rows for footer in footers))
        written.finish(_facts(footers))
        before("publish")
    except BaseException:
        written.discard()
        raise
    try:  # from here on it may be visible: it is never discarded
        with storage_errors(joining.path):
            os.rename(written.path, joining.path)
            sync_folder(joining.path.parent)
    finally:
        written.release()
    return rows


def _copy(files: Sequence[ArchiveFile], written: OpenParquet, schema: pa.Schema, *, expected: int) -> int:
    """Every row, counted: a file that gives other rows than its footer says is left as it is."""
    rows = 0
    for table in _row_groups(files, schema):
        written.write(table)
        rows += table.num_rows
    if rows != expected:
        raise unreadable(files[0].path, ValueError(f"{rows} rows were read where {expected} are said to be"))
    return rows


def _row_groups(files: Iterable[ArchiveFile], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in order, in row groups of a good size; one or two of them in memory."""
    held: list[pa.Table] = []
    rows = 0
    for file in files:
        try:
            with pq.ParquetFile(file.path) as parquet:
                for index in range(parquet.num_row_groups):
                    held.append(parquet.read_row_group(index).cast(schema))
                    rows += held[-1].num_rows
                    if rows >= ROW_GROUP_ROWS:
                        yield pa.concat_tables(held).combine_chunks()
                        held, rows = [], 0
        except (OSError, pa.ArrowException) as error:
            raise unreadable(file.path, error) from error
    if rows:
        yield pa.concat_tables(held).combine_chunks()


def _facts(footers: Sequence[pq.FileMetaData]) -> dict[str, str]:
    said = [footer.metadata or {} for footer in footers]
    facts = {name: said[0][name.encode()].decode() for name in KEPT_FACTS if name.encode() in said[0]}
    facts[REJECTS] = str(sum(int(one.get(REJECTS.encode(), b"0")) for one in said))
    facts[COMPACTED] = str(len(footers))
    return facts


def covered(root: Path, *, joined_before_ms: int) -> list[Path]:
    """Files below a stream's folder that readers leave out because a joined file, at least so old, has their rows."""
    parsed = [f for path in root.glob("*/date=*/p*.parquet") if (f := ArchiveFile.parse(path)) is not None]
    kept = outermost(parsed)
    shown, of_source = {file.path for file in kept}, _by_source(kept)
    found = []
    for file in parsed:
        if file.path not in shown:
            mine = of_source[file.source]
            over = mine[bisect_right(mine, file.first, key=lambda wide: wide.first) - 1]
            if file.next_offset <= over.next_offset and _joined_ms(over.path) <= joined_before_ms:
                found.append(file.path)
    return sorted(found)


def _by_source(files: Iterable[ArchiveFile]) -> dict[tuple[str, int], list[ArchiveFile]]:
    """Files of each partition, in their order."""
    found: dict[tuple[str, int], list[ArchiveFile]] = {}
    for file in files:
        found.setdefault(file.source, []).append(file)
    return found


def _joined_ms(path: Path) -> float:
    """When a joined file was written; never, for one that was not joined."""
    is_joined = COMPACTED.encode() in (footer_of(path).metadata or {})
    return path.stat().st_mtime * 1000 if is_joined else float("inf")


def delete(paths: Iterable[Path], before: Step) -> int:
    """Delete files that readers leave out. Returns how many."""
    count = 0
    for path in paths:
        before("delete")
        with storage_errors(path):
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
        count += 1
    return count


def remove_dead(root: Path) -> int:
    """Remove temporary files of writers that died. Returns how many. Those of living ones are locked, and stay."""
    count = 0
    for folder in root.glob(f"*/{OPEN_FOLDER}"):
        partitions = {int(name) for p in folder.glob("p*-*.tmp") if (name := p.name[1:].split("-")[0]).isdecimal()}
        count += sum(len(remove_abandoned(folder, partition, keep=None)) for partition in sorted(partitions))
    return count


def _size(path: Path) -> int:
    with storage_errors(path):
        return path.stat().st_size
