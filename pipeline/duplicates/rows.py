"""Which rows of an archive training leaves out because they are there twice.

The archive's window is gone through once, before training; what is kept of it is the place of every row to leave out,
so that however training reads the window afterwards, in which batches and how often, the same rows are left out. Of
equal rows the earliest stays, by time and then as they lie in the archive.

Memory is 24 bytes a row of the window, of ten million rows at a time: of more, only those whose hash lies in one slice
of all hashes, slice after slice, each reading the window anew.

Shape legend: B rows of a batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from pipeline.config import DuplicatePolicy, StreamSpec
from pipeline.duplicates.content import ContentColumns, Mask, UInt64Array, content_hashes, id_hashes, place_hashes
from pipeline.duplicates.repeats import Int64Array, repeats
from pipeline.event_files import conform
from pipeline.jobs.enriched_rows import OFFSET, RECORD_ROW, OrderedArchive, Rows
from pipeline.lake.in_order import PartitionRows
from pipeline.lineage.windows import WindowedArchive

ROWS_AT_ONCE = 10_000_000
ID, CONTENT, NOTHING = "id", "content", "nothing"


class DuplicatesArchive(OrderedArchive, WindowedArchive, Protocol):
    """The part of the lake that is read."""

    def columns(self, stream: str) -> list[str]:
        """The columns that any file of a stream's archive has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateRows:
    """The rows to leave out."""

    policy: DuplicatePolicy
    told_by: str
    """What tells that an event was delivered again: `id`, `content`, or `nothing` where neither would be safe."""
    places: UInt64Array = field(default_factory=lambda: np.empty(0, np.uint64))
    """Ascending hashes of where they lie."""

    columns = (OFFSET, RECORD_ROW)
    """What is read of the archive beside the columns that training reads."""

    def leaves_out(self, rows: Rows) -> Mask:
        """Which of B rows of a partition to leave out, (B,). The columns above must have been asked for."""
        if not len(self.places):
            return np.zeros(rows.batch.num_rows, np.bool_)
        if rows.offsets is None or rows.record_rows is None:
            raise ValueError(f"rows come without {' and '.join(self.columns)}: ask the archive for them")
        partition = int(rows.partition.rpartition("/")[2])
        return self.mask(partition, rows.offsets, rows.record_rows, rows.times_ms)

    def mask(self, partition: Any, offsets: Any, record_rows: Any, times_ms: Any) -> Mask:
        """Which of the rows at these places to leave out, (B,): arrays of shape (B,), or a number for all."""
        found = place_hashes(partition, offsets, record_rows, times_ms)
        at = np.minimum(np.searchsorted(self.places, found), max(len(self.places) - 1, 0))
        return np.zeros(len(found), np.bool_) if not len(self.places) else self.places[at] == found

    def document(self) -> dict[str, Any]:
        """JSON-able: what was left out, and by what it was told."""
        return {"policy": self.policy.value, "told_by": self.told_by, "rows": len(self.places)}


def told_by(columns: ContentColumns) -> str:
    """What tells that an event was delivered again. Equal rows without id and time may well be different events: a
    sensor that reads the same twice."""
    if columns.id:
        return ID
    return CONTENT if columns.time is not None else NOTHING


def duplicate_rows(
    spec: StreamSpec,
    lake: DuplicatesArchive,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    policy: DuplicatePolicy | None = None,
) -> DuplicateRows:
    """The rows of a window that training leaves out by a policy, the stream's own where none is given."""
    policy = spec.retraining.duplicates if policy is None else policy
    columns = ContentColumns.of(spec.schema())
    told = told_by(columns)
    if policy is DuplicatePolicy.KEEP:
        return DuplicateRows(policy=policy, told_by=told)
    found = [] if told == NOTHING else _exact(spec, lake, columns, told, start_ms, end_ms)
    if policy is DuplicatePolicy.NEAR:
        from pipeline.duplicates.find import near_places

        found += near_places(spec, lake, start_ms=start_ms, end_ms=end_ms)
    places = np.unique(np.concatenate([*found, np.empty(0, np.uint64)]))
    return DuplicateRows(policy=policy, told_by=told, places=places)


def _exact(
    spec: StreamSpec,
    lake: DuplicatesArchive,
    columns: ContentColumns,
    told: str,
    start_ms: int | None,
    end_ms: int | None,
) -> list[UInt64Array]:
    rows = sum(part.rows for part in lake.contents(spec.stream, start_ms=start_ms, end_ms=end_ms))
    slices = max(1, -(-rows // ROWS_AT_ONCE))
    needed = columns.id if told == ID else columns.content
    archived = set(lake.columns(spec.stream))
    if not archived & set(needed):
        return []
    read = [name for name in needed if name in archived] + [OFFSET, RECORD_ROW]
    found = []
    for number in range(slices):
        window = lake.iterate_in_order(spec.stream, start_ms=start_ms, end_ms=end_ms, columns=read, history=False)
        found.append(_repeated(_hashed(spec, columns, told, window), number, slices))
    return found


def _hashed(
    spec: StreamSpec, columns: ContentColumns, told: str, window: Iterator[PartitionRows]
) -> Iterator[tuple[UInt64Array, UInt64Array, Int64Array]]:
    """Hashes of what must not be there twice, of places, and times, batch by batch; rows without an id are left out."""
    for rows in window:
        conformed = conform(rows.batch, spec)
        if told == ID:
            hashes, known = id_hashes(conformed, columns)
        else:
            hashes, known = content_hashes(conformed, columns), np.ones(conformed.num_rows, np.bool_)
        offsets, record_rows = (rows.batch[name].to_numpy(zero_copy_only=False) for name in (OFFSET, RECORD_ROW))
        places = place_hashes(rows.partition, offsets, record_rows, rows.times_ms)
        yield hashes[known], places[known], rows.times_ms[known]


def _repeated(batches: Iterator[tuple[UInt64Array, UInt64Array, Int64Array]], number: int, slices: int) -> UInt64Array:
    """Places of the rows that repeat an earlier one, among those whose hash lies in one slice."""
    kept = []
    for hashes, places, times in batches:
        mine = slice(None) if slices == 1 else (hashes >> np.uint64(32)) % np.uint64(slices) == number
        kept.append((hashes[mine], places[mine], times[mine]))
    if not kept:
        return np.empty(0, np.uint64)
    hashes, places, times = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    in_time = np.argsort(times, kind="stable")
    return np.asarray(places[in_time[repeats(hashes[in_time]).rows]], np.uint64)
