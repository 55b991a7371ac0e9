"""Archived rows as the scorer saw them: under the spec's schema, partition by partition in order of offset, with the
columns that each derives from those before it in its partition. One state per partition and incarnation of the topic,
by the class that the scorer uses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from pipeline.config import StreamSpec
from pipeline.event_files import conform
from pipeline.kafka.port import Int64Array
from pipeline.lake.in_order import PartitionRows
from pipeline.state.enricher import Enricher
from pipeline.state.recipe import Recipe

MOST_BATCH_BYTES = 32 * 1024 * 1024
OFFSET, RECORD_ROW = "_offset", "_row"
TEXT_BYTES = 24
"""What a text is taken to be long."""


class OrderedArchive(Protocol):
    """The part of the lake that is read in order of offset."""

    def iterate_in_order(
        self,
        stream: str,
        *,
        start_ms: int | None,
        end_ms: int | None,
        columns: Sequence[str] | None,
        history: bool,
    ) -> Iterator[PartitionRows]:
        """Archived rows partition by partition in order of offset; see `Lake.iterate_in_order`."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows of one partition. B rows."""

    partition: str
    """Unique to the partition of one incarnation of the topic."""
    batch: pa.RecordBatch
    """Under the enriched schema."""
    times_ms: Int64Array
    """Shape (B,)."""
    offsets: Int64Array | None = None
    """Shape (B,); where the column `_offset` was asked for."""
    record_rows: Int64Array | None = None
    """Shape (B,): which of its record's rows each is; where the column `_row` was asked for."""

    def take(self, places: Int64Array) -> "Rows":
        """Some of the rows, by their places."""
        if len(places) == self.batch.num_rows:
            return self
        offsets, record_rows = (
            None if values is None else values[places] for values in (self.offsets, self.record_rows)
        )
        batch = self.batch.take(pa.array(places))
        return Rows(self.partition, batch, self.times_ms[places], offsets, record_rows)


def enriched_rows(
    spec: StreamSpec,
    recipe: Recipe | None,
    archive: OrderedArchive,
    *,
    columns: Sequence[str],
    start_ms: int | None,
    end_ms: int | None,
) -> Iterator[Rows]:
    """Every row of the window. States are warmed by all rows before it that the archive has. Batches are cut so that
    wide derived columns stay within `MOST_BATCH_BYTES`."""
    found = archive.iterate_in_order(
        spec.stream, start_ms=start_ms, end_ms=end_ms, columns=columns, history=recipe is not None
    )
    if recipe is None:
        for rows in found:
            name = f"{rows.topic_id}/{rows.partition}"
            yield Rows(name, conform(rows.batch, spec), rows.times_ms, *_places(rows.batch))
        return
    most = max(1_024, MOST_BATCH_BYTES // row_bytes(recipe.schema))
    current, enricher = "", Enricher(recipe)
    for rows in found:
        partition = f"{rows.topic_id}/{rows.partition}"
        if partition != current:
            current, enricher = partition, Enricher(recipe)
        for start in range(0, rows.batch.num_rows, most):
            times = rows.times_ms[start : start + most]
            archived = rows.batch.slice(start, most)
            batch = enricher.advance(conform(archived, spec), times, next_offset=0)
            yield from _inside(Rows(partition, batch, times, *_places(archived)), start_ms, end_ms)


def _places(archived: pa.RecordBatch) -> tuple[Int64Array | None, Int64Array | None]:
    """Offsets and rows of records, where they were read."""
    present = archived.schema.names
    offsets, record_rows = (
        np.asarray(archived[name].to_numpy(zero_copy_only=False), dtype=np.int64) if name in present else None
        for name in (OFFSET, RECORD_ROW)
    )
    return offsets, record_rows


def _inside(rows: Rows, start_ms: int | None, end_ms: int | None) -> Iterator[Rows]:
    """The rows of a window; nothing where there are none."""
    inside = rows.times_ms >= (start_ms if start_ms is not None else rows.times_ms.min())
    if end_ms is not None:
        inside &= rows.times_ms < end_ms
    if inside.all():
        yield rows
    elif inside.any():
        yield rows.take(np.flatnonzero(inside))


def row_bytes(schema: pa.Schema) -> int:
    """About how many bytes a row takes in memory."""
    return sum(_width(field.type) for field in schema)


def _width(kind: pa.DataType) -> int:
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) * _width(kind.value_type)
    try:
        return max(1, int(kind.bit_width) // 8)
    except ValueError:
        return TEXT_BYTES
