"""What lies in a window of an archive: how many rows of which offsets, by partition. Mostly told by the footers.

Times and offsets of row groups that lie across the window's edges are read; nothing else is. How the rows are cut into
files and row groups does not show, so what compaction merges stays what it was.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.kafka.port import Int64Array
from pipeline.lake.layout import ArchiveFile
from pipeline.lake.reader import footer_of, row_groups, unreadable
from pipeline.lake.windows import RowGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionContents:
    """The rows of one partition of one incarnation of a topic, inside a window. Both ends are inside it."""

    topic_id: str
    partition: int
    rows: int
    first_offset: int
    last_offset: int
    first_ms: int
    last_ms: int

    def with_more(self, more: "PartitionContents") -> "PartitionContents":
        """Both together."""
        return PartitionContents(
            topic_id=self.topic_id,
            partition=self.partition,
            rows=self.rows + more.rows,
            first_offset=min(self.first_offset, more.first_offset),
            last_offset=max(self.last_offset, more.last_offset),
            first_ms=min(self.first_ms, more.first_ms),
            last_ms=max(self.last_ms, more.last_ms),
        )


def contents(
    files: Iterable[ArchiveFile], *, start_ms: int | None = None, end_ms: int | None = None
) -> list[PartitionContents]:
    """What the files hold with `start_ms` ≤ time < `end_ms`, by topic id and partition; partitions without rows there
    are left out. Raises StorageUnavailableError for a file that cannot be read."""
    found: dict[tuple[str, int], PartitionContents] = {}
    for file in files:
        footer = footer_of(file.path)
        for group in row_groups(file.path, footer):
            if (start_ms is not None and group.max_ms < start_ms) or (end_ms is not None and group.min_ms >= end_ms):
                continue
            part = _whole(file, footer, group, start_ms, end_ms) or _counted(file, footer, group, start_ms, end_ms)
            if part is not None:
                before = found.get(file.source)
                found[file.source] = part if before is None else before.with_more(part)
    return [found[source] for source in sorted(found)]


def _whole(
    file: ArchiveFile, footer: pq.FileMetaData, group: RowGroup, start_ms: int | None, end_ms: int | None
) -> PartitionContents | None:
    """By its footer, a row group whose rows are all wanted; None for any other."""
    inside = (start_ms is None or group.min_ms >= start_ms) and (end_ms is None or group.max_ms < end_ms)
    column = footer.schema.names.index("_offset")
    statistics = footer.row_group(group.index).column(column).statistics
    if not inside or statistics is None or not statistics.has_min_max or int(statistics.min) < file.read_from:
        return None
    return PartitionContents(
        topic_id=file.topic_id,
        partition=file.partition,
        rows=group.rows,
        first_offset=int(statistics.min),
        last_offset=int(statistics.max),
        first_ms=group.min_ms,
        last_ms=group.max_ms,
    )


def _counted(
    file: ArchiveFile, footer: pq.FileMetaData, group: RowGroup, start_ms: int | None, end_ms: int | None
) -> PartitionContents | None:
    """By its rows, one of which only some may be wanted; None where none is."""
    offsets, times = _columns(file, footer, group)
    wanted = offsets >= file.read_from
    if start_ms is not None:
        wanted &= times >= start_ms
    if end_ms is not None:
        wanted &= times < end_ms
    offsets, times = offsets[wanted], times[wanted]
    if not len(offsets):
        return None
    return PartitionContents(
        topic_id=file.topic_id,
        partition=file.partition,
        rows=len(offsets),
        first_offset=int(offsets.min()),
        last_offset=int(offsets.max()),
        first_ms=int(times.min()),
        last_ms=int(times.max()),
    )


def _columns(file: ArchiveFile, footer: pq.FileMetaData, group: RowGroup) -> tuple[Int64Array, Int64Array]:
    try:
        with pq.ParquetFile(file.path, metadata=footer) as parquet:
            table = parquet.read_row_group(group.index, columns=["_offset", "_time"])
    except (OSError, pa.ArrowException) as error:
        raise unreadable(file.path, error) from error
    return tuple(np.asarray(table[name].cast(pa.int64()).to_numpy(), np.int64) for name in ("_offset", "_time"))  # type: ignore[return-value]
