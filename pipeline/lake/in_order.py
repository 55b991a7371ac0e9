"""Reads archive files partition by partition in order of offset, as a consumer saw them, with bounded memory.

Incarnations of the topic come in order of their first day, within one partitions by number. What needs every row
before a window (state that rows derive columns from) asks for `history`; else row groups outside it are not read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.kafka.port import Int64Array
from pipeline.lake.layout import ArchiveFile
from pipeline.lake.reader import footer_of, row_groups, unreadable, version_of
from pipeline.lake.unify import conformed, projected, unified_schema
from pipeline.lake.windows import RowGroup

BATCH_ROWS = 65_536
_SYSTEM = ("_offset", "_time")


@dataclass(frozen=True, slots=True)
class PartitionRows:
    """Consecutive rows of one partition of one incarnation of a topic. B rows."""

    topic_id: str
    partition: int
    batch: pa.RecordBatch
    """The columns asked for."""
    times_ms: Int64Array
    """Shape (B,): what `_time` holds."""


class OffsetReader:
    """The files of one stream's archive, opened by their footers. `columns` None reads all of them."""

    def __init__(self, files: Sequence[ArchiveFile], stream: str, columns: Sequence[str] | None) -> None:
        self._files = list(files)
        self._footers = {file.path: footer_of(file.path) for file in self._files}
        versions = {version_of(f): f.schema.to_arrow_schema() for f in self._footers.values()}
        unified = unified_schema([versions[version] for version in sorted(versions)])
        self.schema: pa.Schema = projected(unified, columns, stream)
        extra = [unified.field(name) for name in _SYSTEM if name in unified.names and name not in self.schema.names]
        self._read_schema = pa.schema([*self.schema, *extra])

    def rows(self, *, start_ms: int | None, end_ms: int | None, history: bool = False) -> Iterator[PartitionRows]:
        """Every row with `start_ms` ≤ time < `end_ms`, and with `history` every row of its partition before the last
        of those, whatever its time."""
        for (topic_id, partition), files in self._sources():
            pairs = [(file, group) for file in files for group in row_groups(file.path, self._footers[file.path])]
            while pairs and end_ms is not None and pairs[-1][1].min_ms >= end_ms:
                pairs.pop()
            for file, group in pairs:
                if history or _meet(group, start_ms, end_ms):
                    for table, times in self._group(file, group):
                        yield from _cut(
                            topic_id, partition, table, times, (None, None) if history else (start_ms, end_ms)
                        )

    def _sources(self) -> list[tuple[tuple[str, int], list[ArchiveFile]]]:
        """The files of each partition in order of offset; incarnations in order of their first day."""
        by_source: dict[tuple[str, int], list[ArchiveFile]] = {}
        first_day: dict[str, str] = {}
        for file in self._files:
            by_source.setdefault(file.source, []).append(file)
            day = file.path.parent.name
            first_day[file.topic_id] = min(day, first_day.get(file.topic_id, day))
        order = sorted(by_source, key=lambda source: (first_day[source[0]], source))
        return [(source, sorted(by_source[source], key=lambda file: file.first)) for source in order]

    def _group(self, file: ArchiveFile, group: RowGroup) -> Iterator[tuple[pa.Table, Int64Array]]:
        """A row group in batches: the columns asked for, and the rows' times."""
        footer = self._footers[file.path]
        names = [name for name in self._read_schema.names if name in footer.schema.to_arrow_schema().names]
        try:
            with pq.ParquetFile(file.path, metadata=footer) as parquet:
                for batch in parquet.iter_batches(BATCH_ROWS, row_groups=[group.index], columns=names):
                    table = pa.Table.from_batches([batch])
                    if file.read_from:
                        table = table.filter(pc.field("_offset") >= file.read_from)
                    times = np.asarray(table["_time"].cast(pa.int64()).to_numpy(), np.int64)
                    yield conformed(table, self.schema), times
        except (OSError, pa.ArrowException) as error:
            raise unreadable(file.path, error) from error


def _meet(group: RowGroup, start_ms: int | None, end_ms: int | None) -> bool:
    return (start_ms is None or group.max_ms >= start_ms) and (end_ms is None or group.min_ms < end_ms)


def _cut(
    topic_id: str, partition: int, table: pa.Table, times: Int64Array, window: tuple[int | None, int | None]
) -> Iterator[PartitionRows]:
    """The rows inside a window, as one batch; nothing where there are none."""
    start_ms, end_ms = window
    inside = np.ones(len(times), np.bool_)
    if start_ms is not None:
        inside &= times >= start_ms
    if end_ms is not None:
        inside &= times < end_ms
    if not inside.all():
        table, times = table.filter(pa.array(inside)), times[inside]
    if len(times):
        [batch] = table.combine_chunks().to_batches()
        yield PartitionRows(topic_id, partition, batch, times)
