"""Reads records out of fetched batches several times as fast as the client's own loop does.

kafka-python makes three objects and a dozen calls of every record; all that is wanted here are four fields. This
reader takes a batch's place after the client has checked its CRC and its transaction, and walks the bytes once.
Format: Apache Kafka protocol guide, "Record Batch", magic 2. Older formats are left to the client.
"""

from collections.abc import Iterator
from typing import Any

from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError

Fields = tuple[int, int, bytes | None, bytes | None]
"""Offset, timestamp in milliseconds, key, value."""


def _long_varint(data: bytes, position: int, first: int) -> tuple[int, int]:
    """The rest of an unsigned varint whose first byte (high bit set) was read; and where it ends."""
    value, shift = first & 0x7F, 7
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise CorruptRecordError(f"a varint of more than 10 bytes at {position}")


def read_records(  # noqa: C901 - one walk over the bytes, repeated on purpose: a call costs as much as a field
    data: bytes, position: int, count: int, *, base_offset: int, base_timestamp: int, append_timestamp: int | None
) -> Iterator[Fields]:
    """The (offset, timestamp, key, value) of a batch's `count` records, from `position` on.

    Numbers are zigzag varints; nearly all are one or two bytes long, which is what the repetition below is for.
    Raises CorruptRecordError where the bytes end early or a length does not add up.
    """
    try:
        for _ in range(count):
            n = data[position]
            position += 1
            if n > 0x7F:
                n, position = _long_varint(data, position, n)
            end = position + (n >> 1)  # lengths of whole records are never negative
            position += 1  # attributes, unused
            n = data[position]
            position += 1
            if n > 0x7F:
                n, position = _long_varint(data, position, n)
            timestamp = base_timestamp + ((n >> 1) ^ -(n & 1)) if append_timestamp is None else append_timestamp
            n = data[position]
            position += 1
            if n > 0x7F:
                n, position = _long_varint(data, position, n)
            offset = base_offset + (n >> 1)
            n = data[position]
            position += 1
            if n > 0x7F:
                n, position = _long_varint(data, position, n)
            if n & 1:
                key = None
            else:
                start = position
                position += n >> 1
                key = data[start:position]
            n = data[position]
            position += 1
            if n > 0x7F:
                n, position = _long_varint(data, position, n)
            if n & 1:
                value = None
            else:
                start = position
                position += n >> 1
                value = data[start:position]
            if position >= end or end > len(data):
                raise CorruptRecordError(f"a record's fields do not fit its length, at byte {position} of {len(data)}")
            position = end  # headers are skipped
            yield offset, timestamp, key, value
    except IndexError as error:
        raise CorruptRecordError(f"a record batch ends early, at byte {position} of {len(data)}") from error
    if position != len(data):
        raise CorruptRecordError(f"{len(data) - position} bytes left after all {count} records of a batch")


class FastPartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The client's reader of one fetched partition, yielding `Fields`."""

    def _maybe_skip_record(self, record: Fields) -> bool:
        return record[0] < self.fetch_offset  # type: ignore[no-any-return]

    def _unpack_records(
        self, tp: Any, records: Any, key_deserializer: Any, value_deserializer: Any
    ) -> Iterator[Fields]:
        while (batch := records.next_batch()) is not None:
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(f"CRC of the batch at {tp.topic}[{tp.partition}] {batch.base_offset} is wrong")
            for fields in self._visible(batch):
                self.next_fetch_offset = fields[0] + 1
                yield fields
            if batch.magic == 2:
                self.next_fetch_offset = batch.next_offset  # the batch may end in records compacted away
        self.drain()

    def _visible(self, batch: Any) -> Iterator[Fields]:
        """The batch's records, none for markers and aborted transactions."""
        if batch.magic != 2:
            return ((r.offset, r.timestamp, r.key, r.value) for r in batch)
        self.leader_epoch = batch.leader_epoch
        if batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if batch.is_control_batch:
                if self._contains_abort_marker(batch):
                    self.aborted_producer_ids.discard(batch.producer_id)
                return iter(())
            if self._is_batch_aborted(batch):
                return iter(())
        iter(batch)  # decompresses
        return read_records(
            bytes(batch._buffer),
            batch._pos,
            batch.records_count,
            base_offset=batch.base_offset,
            base_timestamp=batch.first_timestamp,
            append_timestamp=batch.max_timestamp if batch.timestamp_type == batch.LOG_APPEND_TIME else None,
        )


def use_fast_records(consumer: Any) -> None:
    """Have a consumer read with this reader; its `poll` then returns lists of `Fields`."""
    consumer._fetcher.PartitionRecords = FastPartitionRecords
