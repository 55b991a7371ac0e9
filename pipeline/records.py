"""Batches into Kafka records: values, keys, partitions and timestamps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ConfigError
from pipeline.kafka.port import OutRecord
from pipeline.pacing import Floats
from pipeline.stamp import Stamp as Stamp  # part of what makes a record

Encode = Callable[[pa.Table, int], list[bytes]]
"""A table's rows as record values, in order, so many rows a record."""
Wait = Callable[[float], bool]
"""Waits so many seconds; true when the replay is to stop (`threading.Event.wait`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMaker:
    """Turns batches into records for one topic."""

    topic: str
    encode: Encode
    key: str | None = None
    """Column whose values decide the partition; events of one value stay in order."""
    time: str | None = None
    """Time column: of `Stamp.EVENT`, and what a speed follows."""
    stamp: Stamp = Stamp.SENT
    rows_per_record: int = 1
    partitions: int = 1
    """Of the topic: needed where several keyed rows share a record."""
    headers: tuple[tuple[str, bytes], ...] = ()
    """Of every record."""

    def with_encode(self, encode: Encode) -> "RecordMaker":
        """The same, writing values another way."""
        return replace(self, encode=encode)

    def records(self, batch: pa.RecordBatch) -> Iterator[OutRecord]:
        """The batch's records, in order within each key."""
        if self.key is not None and self.rows_per_record > 1:
            yield from self._grouped(batch, self.key)
            return
        keys = keys_of(batch, self.key)
        stamps = self._stamps(batch)
        values = self.encode(pa.Table.from_batches([batch]), self.rows_per_record)
        for index, value in enumerate(values):
            last = min((index + 1) * self.rows_per_record, batch.num_rows) - 1
            yield OutRecord(self.topic, value, key=keys[last], headers=self.headers, timestamp_ms=stamps[last])

    def _grouped(self, batch: pa.RecordBatch, key: str) -> Iterator[OutRecord]:
        """Rows of one record share a partition, so that a key's rows stay in one."""
        partition = np.array([partition_of(k or b"", self.partitions) for k in keys_of(batch, key)])
        for number in np.unique(partition):
            rows = batch.take(pa.array(np.flatnonzero(partition == number)))
            stamps = self._stamps(rows)
            for index, value in enumerate(self.encode(pa.Table.from_batches([rows]), self.rows_per_record)):
                last = min((index + 1) * self.rows_per_record, rows.num_rows) - 1
                stamp = stamps[last]
                yield OutRecord(self.topic, value, partition=int(number), headers=self.headers, timestamp_ms=stamp)

    def _stamps(self, batch: pa.RecordBatch) -> list[int | None]:
        if self.time is None or self.stamp is Stamp.SENT:
            return [None] * batch.num_rows
        times = times_ms(batch, self.time)
        return [None if np.isnan(t) else int(t) for t in times]


def keys_of(batch: pa.RecordBatch, column: str | None) -> list[bytes | None]:
    """Each row's record key: the column's value as UTF-8 text; None where there is none."""
    if column is None:
        return [None] * batch.num_rows
    if column not in batch.schema.names:
        raise ConfigError(f"there is no column {column!r} to key by: the file has {', '.join(batch.schema.names[:12])}")
    values = batch.column(column)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    keys: list[bytes | None] = values.cast(pa.string()).cast(pa.binary()).to_pylist()
    return keys


def times_ms(batch: pa.RecordBatch, column: str) -> Floats:
    """A time column as milliseconds since the epoch, NaN where missing, shape (B,). Numbers are taken as seconds."""
    if column not in batch.schema.names:
        raise ConfigError(f"there is no time column {column!r}: the file has {', '.join(batch.schema.names[:12])}")
    values = batch.column(column)
    if pa.types.is_timestamp(values.type):
        unit = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}[values.type.unit]
        raw = pc.cast(values.cast(pa.int64()), pa.float64(), safe=False)
        return np.asarray(raw.fill_null(float("nan")).to_numpy(zero_copy_only=False) * unit, dtype=np.float64)
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        raw = values.cast(pa.float64(), safe=False).fill_null(float("nan"))
        return np.asarray(raw.to_numpy(zero_copy_only=False) * 1e3, dtype=np.float64)
    raise ConfigError(
        f"column {column!r} ({values.type}) holds no times: write a stream spec with `eddyline init --from`"
    )


def plain_json(table: pa.Table, rows_per_record: int) -> list[bytes]:
    """One JSON object per row, for files without a stream spec; not-finite numbers become null."""
    if rows_per_record != 1:
        raise ConfigError("JSON holds one event per record: drop --rows-per-record, or use --format arrow")
    encoder = msgspec.json.Encoder()
    return [encoder.encode(row) for row in table.to_pylist()]


def plain_arrow(table: pa.Table, rows_per_record: int) -> list[bytes]:
    """One Arrow IPC stream per `rows_per_record` rows, for files without a stream spec."""
    values = []
    for start in range(0, table.num_rows, rows_per_record):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.slice(start, rows_per_record))
        values.append(sink.getvalue().to_pybytes())
    return values


@lru_cache(maxsize=262_144)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives a key (murmur2, sign bit dropped)."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """32-bit MurmurHash2 with Kafka's seed (Austin Appleby's public-domain algorithm)."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    digest = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * multiplier & mask
        word = (word ^ (word >> 24)) * multiplier & mask
        digest = (digest * multiplier & mask) ^ word
    if whole < len(data):
        digest = (digest ^ int.from_bytes(data[whole:], "little")) * multiplier & mask
    digest = (digest ^ (digest >> 13)) * multiplier & mask
    return digest ^ (digest >> 15)
