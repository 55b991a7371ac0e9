"""Reads published synthetic datasets: in the order their rows were made, or in order of time, with bounded memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import ConfigError
from pipeline.kafka.port import Int64Array
from pipeline.lake.reader import unreadable
from pipeline.lake.synthetic_layout import is_synthetic
from pipeline.lake.windows import RowGroup, plan

BATCH_ROWS = 65_536
_FIRST, _LAST = -(2**63), 2**63 - 1


class SyntheticReader:
    """The files of one dataset, opened by their footers. `columns` None reads all of them."""

    def __init__(self, files: Sequence[Path], columns: Sequence[str] | None) -> None:
        """Raises ConfigError for a column that is not there or a file that is not synthetic, StorageUnavailableError
        for one that cannot be read."""
        self._footers = {path: _footer(path) for path in files}
        schema = next(iter(self._footers.values())).schema.to_arrow_schema()
        unknown = [name for name in columns or () if name not in schema.names]
        if unknown:
            raise ConfigError(f"the dataset has no column {unknown[0]!r}: it has {', '.join(schema.names)}")
        self._whole: pa.Schema = schema
        wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        self.schema: pa.Schema = wanted.with_metadata(None)
        self.rows = sum(footer.num_rows for footer in self._footers.values())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Every row, as it was made."""
        for path, footer in self._footers.items():
            try:
                with pq.ParquetFile(path, metadata=footer) as parquet:
                    for batch in parquet.iter_batches(BATCH_ROWS, columns=self.schema.names):
                        yield batch.replace_schema_metadata(None)
            except (OSError, pa.ArrowException) as error:
                raise unreadable(path, error) from error

    def batches_in_time(self, time: str, *, window_rows: int) -> Iterator[pa.RecordBatch]:
        """Every row in order of the column `time`, rows of one moment as they were made, those without a time last.

        Memory is bounded by about `window_rows` rows. Raises ConfigError where the column is none of times or numbers.
        """
        kind = self._whole.field(time).type if time in self._whole.names else None
        if kind is None or not (pa.types.is_temporal(kind) or pa.types.is_integer(kind)):
            raise ConfigError(
                f"the dataset has no times in {time!r}: name its time column, or leave the order as it is"
            )
        groups = list(self._row_groups())
        for window in plan(
            groups, lambda g: self._times(g, time), start_ms=_FIRST, end_ms=_LAST, window_rows=window_rows
        ):
            parts = [self._inside(group, time, window.start_ms, window.end_ms) for group in window.groups]
            yield from self._sorted(pa.concat_tables(parts), time)
        for group in groups:
            table = self._read(group, time)
            if table[time].null_count:
                yield from self._sorted(table.filter(table[time].is_null()), time)

    def _row_groups(self) -> Iterator[RowGroup]:
        """All row groups; their rows can be of any time, as rows are not made in order of it."""
        for path, footer in self._footers.items():
            for index in range(footer.num_row_groups):
                yield RowGroup(path, index, footer.row_group(index).num_rows, _FIRST, _LAST)

    def _times(self, group: RowGroup, time: str) -> Int64Array:
        return _whole_numbers(self._table(group, [time])[time].drop_null())

    def _inside(self, group: RowGroup, time: str, start: int, end: int) -> pa.Table:
        table = self._read(group, time)
        table = table.filter(table[time].is_valid())
        times = _whole_numbers(table[time])
        return table.filter(pa.array((times >= start) & (times < end)))

    def _sorted(self, table: pa.Table, time: str) -> Iterator[pa.RecordBatch]:
        order = pc.array_sort_indices(table[time], order="ascending")
        yield from table.take(order).select(self.schema.names).to_batches(max_chunksize=BATCH_ROWS)

    def _read(self, group: RowGroup, time: str) -> pa.Table:
        return self._table(group, list(dict.fromkeys([*self.schema.names, time])))

    def _table(self, group: RowGroup, columns: list[str]) -> pa.Table:
        try:
            with pq.ParquetFile(group.path, metadata=self._footers[group.path]) as parquet:
                return parquet.read_row_group(group.index, columns=columns).replace_schema_metadata(None)
        except (OSError, pa.ArrowException) as error:
            raise unreadable(group.path, error) from error


def _whole_numbers(column: pa.ChunkedArray) -> Int64Array:
    if pa.types.is_date32(column.type) or pa.types.is_time32(column.type):
        column = column.cast(pa.int32())
    return np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)


def _footer(path: Path) -> pq.FileMetaData:
    try:
        footer = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    if not is_synthetic(footer.metadata):
        raise ConfigError(
            f"{path} does not say that it is synthetic, and lies among synthetic data: `eddyline synth verify` says "
            "what was changed there"
        )
    return footer
