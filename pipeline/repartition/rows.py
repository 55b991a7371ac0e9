"""Rows on their way: the place they came from beside them, merged by time, cut into records of one partition each.

Shape legend: B rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Role
from pipeline.config import StreamSpec
from pipeline.intake import Taken
from pipeline.kafka.port import Block, Int64Array, OutRecord
from pipeline.repartition.plan import SOURCE_OFFSET, SOURCE_PARTITION, SOURCE_ROW, SOURCE_TIME
from pipeline.scoring.output import to_ipc

MAX_RECORD_BYTES = 900_000
"""Fits a record within Kafka's default limit of 1 MiB; what later hops append to a single row fits as well."""
_MICROS = pa.timestamp("us", tz="UTC")


def with_origin(spec: StreamSpec, block: Block, taken: Taken) -> pa.RecordBatch:
    """A source block's rows with their place in the source topic, in the order of columns that hops read.

    An event without a time is given the one it is dated by, when its record was appended, since the records it travels
    in have other times. Rows stay as they are otherwise.
    """
    rows, time = taken.batch.num_rows, spec.column_with(Role.TIME)
    columns = dict(zip(taken.batch.schema.names, taken.batch.columns, strict=True))
    if time is not None and columns[time].null_count:
        columns[time] = pc.coalesce(columns[time], _moments(taken.time_ms))
    return pa.RecordBatch.from_pydict(
        {
            SOURCE_PARTITION: pa.array(np.full(rows, block.source.partition, np.int64)),
            **columns,
            SOURCE_OFFSET: pa.array(taken.offsets),
            SOURCE_ROW: pa.array(taken.rows.astype(np.int64)),
            SOURCE_TIME: _moments(taken.append_ms),
        }
    )


def _moments(times_ms: Int64Array) -> pa.Array:
    return pa.array(times_ms * 1000).cast(_MICROS)


def merged_by_time(times_ms: Sequence[Int64Array]) -> npt.NDArray[np.intp]:
    """The order, shape (B,), in which rows of several partitions are handed on: by time, each partition's own order
    kept. Without it a key's clock would leap to the partition that happened to be read first."""
    clocks = [np.maximum.accumulate(times) for times in times_ms]
    return np.argsort(np.concatenate([np.empty(0, np.int64), *clocks]), kind="stable")


def order_home(batch: pa.RecordBatch) -> npt.NDArray[np.intp]:
    """The order, shape (B,), in which rows go home: by their place in the source topic."""
    partition, offset, row = (batch[name].to_numpy() for name in (SOURCE_PARTITION, SOURCE_OFFSET, SOURCE_ROW))
    return np.lexsort((row, offset, partition))


@dataclass(slots=True)
class Cut:
    """Records, and the rows that fit none even alone, by their place in the batch."""

    records: list[OutRecord] = field(default_factory=list)
    too_large: list[int] = field(default_factory=list)


def cut_into_records(batch: pa.RecordBatch, partitions_B: Int64Array, topic: str, *, most_bytes: int | None) -> Cut:
    """One record a partition, split where it would be too large, rows in the order given.

    A single row of more than `most_bytes` is named instead of sent; None sends it as it is.
    """
    cut, order = Cut(), np.argsort(partitions_B, kind="stable")
    bounds = np.flatnonzero(np.diff(partitions_B[order])) + 1
    plain = batch.schema.remove_metadata()
    bare = pa.RecordBatch.from_arrays(batch.columns, schema=pa.schema([f.remove_metadata() for f in plain]))
    for rows in np.split(order, bounds):
        if not len(rows):
            continue
        part = bare.take(pa.array(rows))
        for start, length, value in _values(part, 0):
            if length == 1 and most_bytes is not None and len(value) > most_bytes:
                cut.too_large.append(int(rows[start]))
            else:
                cut.records.append(OutRecord(topic, value, partition=int(partitions_B[rows[0]])))
    return cut


def _values(part: pa.RecordBatch, start: int) -> Iterator[tuple[int, int, bytes]]:
    """First row, number of rows and bytes of each record; halved until it fits or is a single row."""
    value = to_ipc(part)
    if len(value) <= MAX_RECORD_BYTES or part.num_rows == 1:
        yield start, part.num_rows, value
        return
    half = part.num_rows // 2
    yield from _values(part.slice(0, half), start)
    yield from _values(part.slice(half), start + half)
