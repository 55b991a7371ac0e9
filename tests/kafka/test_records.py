"""The fast reader returns exactly what the client's own reader returns, for any batch a broker can hold."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError
from kafka.record import MemoryRecords, MemoryRecordsBuilder

from pipeline.kafka.kafka_python.records import FastPartitionRecords, read_records

TARGET = TopicPartition("t", 0)
NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)

values = st.one_of(st.none(), st.binary(max_size=40), st.binary(min_size=120, max_size=140), st.just(b"x" * 20_000))
keys = st.one_of(st.none(), st.binary(max_size=20))
headers = st.lists(st.tuples(st.text(max_size=5), st.one_of(st.none(), st.binary(max_size=5))), max_size=3)
timestamps = st.integers(min_value=1_600_000_000_000, max_value=1_900_000_000_000)
records = st.lists(st.tuples(timestamps, keys, values, headers), min_size=1, max_size=30)


def written(batch: list[Any], compression: int) -> bytes:
    builder = MemoryRecordsBuilder(magic=2, compression_type=compression, batch_size=10_000_000)
    for timestamp, key, value, more in batch:
        builder.append(timestamp=timestamp, key=key, value=value, headers=more)
    builder.close()
    return bytes(builder.buffer())


def read(reader: Any, data: bytes, *, start: int = 0, take: int = 7) -> tuple[list[Any], int]:
    partition = reader(start, TARGET, MemoryRecords(data))
    found = []
    while partition:
        found += partition.take(take)
    return found, partition.next_fetch_offset


@settings(max_examples=60, derandomize=True, deadline=None)
@given(batch=records, compression=st.sampled_from([NONE, GZIP, SNAPPY, LZ4, ZSTD]), data=st.data())
def test_same_records_as_the_client(batch: list[Any], compression: int, data: st.DataObject) -> None:
    raw = written(batch, compression)
    start = data.draw(st.integers(min_value=0, max_value=len(batch) - 1))
    theirs, their_next = read(Fetcher.PartitionRecords, raw, start=start)
    ours, our_next = read(FastPartitionRecords, raw, start=start)
    assert [tuple(r) for r in ours] == [(r.offset, r.timestamp, r.key, r.value) for r in theirs]
    assert our_next == their_next


def test_a_damaged_batch_is_refused_by_its_crc() -> None:
    raw = bytearray(written([(1_700_000_000_000, None, b"value", [])], NONE))
    raw[-3] ^= 0xFF
    with pytest.raises(CorruptRecordError):
        read(FastPartitionRecords, bytes(raw))


def one_record(body: bytes) -> list[Any]:
    return list(read_records(body, 0, 1, base_offset=0, base_timestamp=0, append_timestamp=None))


@pytest.mark.parametrize("cut", range(1, 12))
def test_records_that_end_early_are_refused(cut: int) -> None:
    body = bytes([18, 0, 0, 0, 1, 6]) + b"abc" + bytes([0])  # one record: no key, value "abc", no headers
    body = bytes([len(body[1:]) * 2]) + body[1:]
    assert one_record(body) == [(0, 0, None, b"abc")]
    if cut < len(body):
        with pytest.raises(CorruptRecordError):
            one_record(body[:-cut])
    with pytest.raises(CorruptRecordError):
        one_record(body + b"x" * cut)
