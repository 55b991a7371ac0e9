"""Reads archive files in order of time with bounded memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import StorageUnavailableError
from pipeline.kafka.port import Int64Array
from pipeline.lake.layout import ArchiveFile
from pipeline.lake.synthetic_layout import is_synthetic, refused_as_real
from pipeline.lake.unify import conformed, projected, unified_schema
from pipeline.lake.windows import RowGroup, Window, plan

DEFAULT_WINDOW_ROWS = 1_000_000
_BATCH_ROWS = 65_536
_ORDER = ("_time", "_partition", "_offset", "_row")


class ArchiveReader:
    """The files of one stream's archive, opened by their footers."""

    def __init__(self, files: Sequence[ArchiveFile], stream: str, columns: Sequence[str] | None) -> None:
        self._read_from = {file.path: file.read_from for file in files if file.read_from}
        self._footers: dict[Path, pq.FileMetaData] = {file.path: footer_of(file.path) for file in files}
        schemas = {path: footer.schema.to_arrow_schema() for path, footer in self._footers.items()}
        versions = {version_of(self._footers[path]): schema for path, schema in schemas.items()}
        unified = unified_schema([versions[version] for version in sorted(versions)])
        self.schema: pa.Schema = projected(unified, columns, stream)
        self._order = tuple(name for name in _ORDER if name in unified.names)
        extra = [unified.field(name) for name in self._order if name not in self.schema.names]
        self._read_schema = pa.schema([*self.schema, *extra])

    def batches(self, *, start_ms: int | None, end_ms: int | None, window_rows: int) -> Iterator[pa.RecordBatch]:
        """Rows of the window asked for, ordered by time, partition, offset and row."""
        groups = [group for path, footer in self._footers.items() for group in row_groups(path, footer)]
        for window in plan(groups, self._times, start_ms=start_ms, end_ms=end_ms, window_rows=window_rows):
            table = self._window(window)
            yield from table.to_batches(max_chunksize=_BATCH_ROWS)

    def _window(self, window: Window) -> pa.Table:
        parts = [self._inside(group, window) for group in window.groups]
        table = pa.concat_tables(parts) if parts else self._read_schema.empty_table()
        order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in self._order])
        return table.select(self.schema.names).take(order)

    def _inside(self, group: RowGroup, window: Window) -> pa.Table:
        wanted = [name for name in self._read_schema.names if name in self._names(group.path)]
        table = self._read(group, wanted)
        if group.min_ms < window.start_ms or group.max_ms >= window.end_ms:
            times = _milliseconds(table["_time"])
            table = table.filter(pa.array((times >= window.start_ms) & (times < window.end_ms)))
        if group.path in self._read_from:
            table = table.filter(pc.field("_offset") >= self._read_from[group.path])
        return conformed(table, self._read_schema)

    def _times(self, group: RowGroup) -> Int64Array:
        return _milliseconds(self._read(group, ["_time"])["_time"])

    def _names(self, path: Path) -> set[str]:
        return set(self._footers[path].schema.names)

    def _read(self, group: RowGroup, columns: list[str]) -> pa.Table:
        try:
            with pq.ParquetFile(group.path, metadata=self._footers[group.path]) as file:
                return file.read_row_group(group.index, columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise unreadable(group.path, error) from error


def version_of(footer: pq.FileMetaData) -> int:
    """The schema version a file says it was written under; 0 where it says none."""
    return int((footer.metadata or {}).get(b"eddyline.schema_version", b"0"))


def footer_of(path: Path) -> pq.FileMetaData:
    """An archive file's footer. Raises StorageUnavailableError, ConfigError for a file of synthetic rows."""
    try:
        footer = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    if is_synthetic(footer.metadata):
        raise refused_as_real(path)
    return footer


def unreadable(path: Path, error: Exception) -> StorageUnavailableError:
    """A file that cannot be read, and what to do about it."""
    return StorageUnavailableError(
        f"{path} cannot be read ({str(error).splitlines()[0]}): restore it from a backup, or move it out of the lake"
    )


def row_groups(path: Path, footer: pq.FileMetaData) -> Iterator[RowGroup]:
    """The row groups of a file that hold rows, in their order."""
    column = footer.schema.names.index("_time")
    for index in range(footer.num_row_groups):
        group = footer.row_group(index)
        statistics = group.column(column).statistics
        if group.num_rows and statistics is not None and statistics.has_min_max:
            low, high = int(statistics.min_raw), int(statistics.max_raw)
            yield RowGroup(path, index, group.num_rows, low, high)


def _milliseconds(column: pa.ChunkedArray) -> Int64Array:
    return np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)
