"""The rows that expectations are asked on: a window of the archive, a synthetic dataset, or any table.

Rows stand in the order they arrived. Where a window is too large for memory, whole moments are left out (all rows of
one millisecond, or none), evenly and always the same ones, so that copies of a row stay beside each other; what is
counted by hour is counted over all rows.

Shape legend: N rows looked at, H hours.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, Role, kind_of, roles_of
from pipeline.kafka.port import Int64Array
from pipeline.lake.contents import PartitionContents
from pipeline.lake.in_order import PartitionRows

FloatArray = npt.NDArray[np.float64]
MOST_CELLS = 40_000_000
"""Rows times columns held in memory; more are thinned out."""
HOUR_MS = 3_600_000
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class WindowArchive(Protocol):
    """The part of the lake that is read."""

    def contents(
        self, stream: str, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> Sequence[PartitionContents]:
        """What lies in a window, by partition."""

    def iterate_in_order(
        self,
        stream: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        columns: Sequence[str] | None = None,
        history: bool = False,
    ) -> Iterator[PartitionRows]:
        """Rows partition by partition in order of offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Rows, with what is known of when and where they came from. Read-only."""

    schema: pa.Schema
    """As the stream states it: kinds and roles. The table's own types may differ; that is what is checked."""
    table: pa.Table
    times_ms: Int64Array | None = None
    """(N,) when events happened; None where rows have no time."""
    arrivals_ms: Int64Array | None = None
    """(N,) when the broker took them."""
    sources: Int64Array | None = None
    """(N,) the partition each came from, as a number; None where rows have no order."""
    start_ms: int | None = None
    end_ms: int | None = None
    rows: int = 0
    """All rows of the window, those left out included."""
    hourly: dict[int, int] = field(default_factory=dict)
    """Hours since the epoch → all rows."""

    @property
    def looked_at(self) -> int:
        """Rows in the table."""
        return int(self.table.num_rows)

    @property
    def whole(self) -> bool:
        """Whether no row was left out."""
        return self.looked_at == self.rows

    @property
    def hours(self) -> float | None:
        """Its length; None where it has none."""
        if self.start_ms is None or self.end_ms is None:
            return None
        return max(self.end_ms - self.start_ms, 1) / HOUR_MS

    def field(self, column: str) -> pa.Field:
        """A column as the stream states it; as the table has it where the stream does not know it."""
        return self.schema.field(column) if column in self.schema.names else self.table.schema.field(column)

    def kind(self, column: str) -> Kind | None:
        """How its values behave."""
        return kind_of(self.field(column))

    def is_personal(self, column: str) -> bool:
        """Whether its values must not be shown."""
        return Role.PERSONAL in roles_of(self.field(column))

    def numbers(self, column: str) -> FloatArray:
        """A column's values as doubles, (N,), NaN where missing or no number."""
        values = self.table[column]
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.timestamp("us", values.type.tz), safe=False).cast(pa.int64())
        elif pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            return np.full(len(values), np.nan)
        return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)

    def names(self, column: str) -> pa.DictionaryArray:
        """A column's values as names: codes and their texts, one chunk."""
        values = self.table[column].combine_chunks()
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        encoded = (values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values).dictionary_encode()
        if pa.types.is_string(encoded.dictionary.type):
            return encoded
        return pa.DictionaryArray.from_arrays(encoded.indices, encoded.dictionary.cast(pa.string()))

    def missing(self, column: str) -> npt.NDArray[np.bool_]:
        """Which rows have no value, (N,): null, or not a number."""
        values = self.table[column]
        return np.asarray(pc.is_null(values, nan_is_null=True).to_numpy(zero_copy_only=False), np.bool_)

    def part(self, rows: npt.NDArray[np.bool_], *, start_ms: int | None = None, end_ms: int | None = None) -> "Window":
        """Some of the rows as a window of its own; what was counted over all rows is counted over these."""
        times = None if self.times_ms is None else self.times_ms[rows]
        return replace(
            self,
            table=self.table.filter(pa.array(rows)),
            times_ms=times,
            arrivals_ms=None if self.arrivals_ms is None else self.arrivals_ms[rows],
            sources=None if self.sources is None else self.sources[rows],
            start_ms=start_ms,
            end_ms=end_ms,
            rows=int(np.count_nonzero(rows)),
            hourly={} if times is None else _by_hour(times),
        )


def table_window(table: pa.Table, schema: pa.Schema | None = None, *, time: str | None = None) -> Window:
    """A table as a window. With `time`, the rows' order is that of arrival, and the window spans their whole hours."""
    times = None
    if time is not None:
        moments = table[time].cast(pa.timestamp("ms", table[time].type.tz), safe=False)
        times = np.asarray(pc.fill_null(moments.cast(pa.int64()), 0).to_numpy(), np.int64)
    spanned = times is not None and len(times) > 0
    return Window(
        schema=table.schema if schema is None else schema,
        table=table.replace_schema_metadata(None),
        times_ms=times,
        sources=None if times is None else np.zeros(len(times), np.int64),
        start_ms=int(times.min()) // HOUR_MS * HOUR_MS if times is not None and spanned else None,
        end_ms=(int(times.max()) // HOUR_MS + 1) * HOUR_MS if times is not None and spanned else None,
        rows=table.num_rows,
        hourly={} if times is None else _by_hour(times),
    )


def archive_rows(
    archive: WindowArchive,
    stream: str,
    schema: pa.Schema,
    *,
    start_ms: int,
    end_ms: int,
    most_cells: int = MOST_CELLS,
) -> Window:
    """The archived rows with `start_ms` ≤ time < `end_ms`, in order of arrival by partition.

    A column that no file of the archive has is absent from the table. Raises StorageUnavailableError.
    """
    rows = sum(part.rows for part in archive.contents(stream, start_ms=start_ms, end_ms=end_ms))
    keep_one_in = max(1, -(-rows * max(1, len(schema)) // most_cells))
    batches, sources = [], []
    hourly: Counter[int] = Counter()
    seen = 0
    for number, rows_of in enumerate(archive.iterate_in_order(stream, start_ms=start_ms, end_ms=end_ms)):
        hourly.update(_by_hour(rows_of.times_ms))
        seen += len(rows_of.times_ms)
        kept = moments_kept(rows_of.times_ms, keep_one_in)
        batches.append(rows_of.batch if kept.all() else rows_of.batch.filter(pa.array(kept)))
        name = rows_of.topic_id, rows_of.partition
        sources.append((name, int(np.count_nonzero(kept)), number))
    table = pa.Table.from_batches(batches) if batches else _empty(schema)
    own = [name for name in table.column_names if not name.startswith("_")]
    return Window(
        schema=schema,
        table=table.select(own).replace_schema_metadata(None),
        times_ms=_moments(table["_time"]),
        arrivals_ms=_moments(table["_append_time"]) if "_append_time" in table.column_names else None,
        sources=_numbered(sources),
        start_ms=start_ms,
        end_ms=end_ms,
        rows=seen,
        hourly=dict(sorted(hourly.items())),
    )


def _empty(schema: pa.Schema) -> pa.Table:
    moments = pa.timestamp("ms", "UTC")
    return pa.schema([*schema, pa.field("_append_time", moments), pa.field("_time", moments)]).empty_table()


def _numbered(sources: Sequence[tuple[tuple[str, int], int, int]]) -> Int64Array:
    numbers = {name: at for at, name in enumerate(dict.fromkeys(name for name, _, _ in sources))}
    return np.repeat(
        np.array([numbers[name] for name, _, _ in sources], np.int64), np.array([n for _, n, _ in sources], np.int64)
    )


def moments_kept(times_ms: Int64Array, one_in: int) -> npt.NDArray[np.bool_]:
    """Which rows are looked at: all rows of about one moment in so many, (N,)."""
    if one_in == 1:
        return np.ones(len(times_ms), np.bool_)
    mixed = times_ms.astype(np.uint64) * _SPREAD
    return np.asarray((mixed ^ (mixed >> np.uint64(32))) % np.uint64(one_in) == 0)


def _by_hour(times_ms: Int64Array) -> dict[int, int]:
    hours, counts = np.unique(times_ms // HOUR_MS, return_counts=True)
    return {int(hour): int(count) for hour, count in zip(hours, counts, strict=True)}


def _moments(column: pa.ChunkedArray) -> Int64Array:
    return np.asarray(column.cast(pa.int64()).to_numpy(), np.int64)
