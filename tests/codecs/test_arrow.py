"""Arrow records: what fits, what is cast, what is rejected, and that no bytes can hurt the process."""

import datetime as dt
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.codecs.arrow import ArrowCodec, row_of
from pipeline.codecs.base import RejectReason
from pipeline.config import CodecFormat
from tests.codecs.specs import column, mixed_spec, stream

FEATURE = {"roles": ["feature"]}
NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)


def record(columns: dict[str, Any], *, compression: str | None = None, copies: int = 1) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        for _ in range(copies):
            writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def small_codec(**options: Any) -> ArrowCodec:
    columns = (
        column("at", "time"),
        column("amount", "numeric", **FEATURE),
        column("count", "numeric", integer=True),
        column("country", "categorical"),
    )
    return ArrowCodec(stream(columns, CodecFormat.ARROW), **options)


def test_records_of_the_streams_own_schema_come_back_whole_and_in_order() -> None:
    codec = ArrowCodec(mixed_spec(CodecFormat.ARROW))
    rows = {"id": [str(i) for i in range(10)], "count": list(range(10)), "ok": [True, None] * 5}
    table = pa.table({**rows, "at": pa.array([NOON] * 10, pa.timestamp("us", tz="UTC"))})
    records = ArrowCodec(stream((column("id", "text"), column("count", "numeric", integer=True, **FEATURE))))
    decoded = records.decode(records.encode(table, rows_per_record=4))
    assert decoded.batch.to_pydict() == {"id": rows["id"], "count": rows["count"]}
    assert decoded.record.tolist() == [0] * 4 + [1] * 4 + [2] * 2
    assert decoded.row.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert codec.decode([]).batch.schema == mixed_spec(CodecFormat.ARROW).schema()


def test_castable_types_are_cast_beside_records_that_need_none() -> None:
    exact = record(
        {"at": pa.array([NOON], pa.timestamp("us", tz="UTC")), "amount": [1.5], "count": [1], "country": ["DE"]}
    )
    other = record(
        {
            "at": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ns")),
            "amount": pa.array([2], pa.int32()),
            "count": pa.array([2.0], pa.float32()),
            "country": pa.array(["FR"]).dictionary_encode(),
        }
    )
    text = record({"at": ["2026-01-31T13:00:00+01:00"], "country": pa.array(["PL"], pa.large_string()), "more": [1]})
    decoded = small_codec().decode([exact, other, text])
    assert decoded.rejects == ()
    assert decoded.unknown_fields == {"more"}
    assert [r["at"] for r in decoded.batch.to_pylist()] == [NOON] * 3
    assert decoded.batch.column("amount").to_pylist() == [1.5, 2.0, None]
    assert decoded.batch.column("count").to_pylist() == [1, 2, None]
    assert decoded.batch.column("country").to_pylist() == ["DE", "FR", "PL"]


def test_a_nested_path_is_read_from_structs() -> None:
    codec = ArrowCodec(mixed_spec(CodecFormat.ARROW))
    pay = [{"amount": 3.5, "card": {"country": "DE"}}, None, {"amount": None, "card": None}]
    decoded = codec.decode([record({"pay": pay, "id": ["a", "b", "c"]})])
    assert decoded.batch.column("amount").to_pylist() == [3.5, None, None]
    assert decoded.batch.column("country").to_pylist() == ["DE", None, None]


def test_nan_is_missing_and_infinity_rejects_its_row_only() -> None:
    decoded = small_codec().decode([record({"amount": [1.0, math.nan, math.inf, -math.inf, None, 2.0]})])
    assert decoded.batch.column("amount").to_pylist() == [1.0, None, None, 2.0]
    assert decoded.row.tolist() == [0, 1, 4, 5]
    assert [(r.row, r.reason) for r in decoded.rejects] == [
        (2, RejectReason.OUT_OF_RANGE),
        (3, RejectReason.OUT_OF_RANGE),
    ]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"amount": ["1.5"]}, RejectReason.WRONG_TYPE),
        ({"amount": [True]}, RejectReason.WRONG_TYPE),
        ({"count": [1.5]}, RejectReason.WRONG_TYPE),
        ({"count": [1e300]}, RejectReason.OUT_OF_RANGE),
        ({"count": pa.array([2**63], pa.uint64())}, RejectReason.OUT_OF_RANGE),
        ({"country": [1]}, RejectReason.WRONG_TYPE),
        ({"country": [b"DE"]}, RejectReason.WRONG_TYPE),
        ({"country": [["DE"]]}, RejectReason.WRONG_TYPE),
        ({"at": [1_700_000_000]}, RejectReason.WRONG_TYPE),
    ],
)
def test_a_record_of_a_type_that_does_not_fit_is_rejected_alone(columns: dict[str, Any], reason: RejectReason) -> None:
    good = record({"amount": [1.0]})
    decoded = small_codec().decode([good, record(columns), good])
    assert decoded.record.tolist() == [0, 2]
    assert [(r.record, r.row, r.reason) for r in decoded.rejects] == [(1, None, reason)]


def test_what_is_no_stream_is_rejected_with_its_reason() -> None:
    good = record({"amount": [1.0]})
    values = [None, b"", b"{}", good[:-20], good[:100], b"\xff" * 64, good]
    decoded = small_codec().decode(values)
    reasons = [RejectReason.TOMBSTONE, RejectReason.EMPTY, *[RejectReason.MALFORMED] * 4]
    assert [r.reason for r in decoded.rejects] == reasons
    assert decoded.record.tolist() == [6]


def test_a_record_larger_than_the_limit_is_not_opened() -> None:
    value = record({"amount": [1.0] * 1000})
    decoded = small_codec(max_record_bytes=1000).decode([value])
    assert decoded.rejects[0].reason is RejectReason.TOO_LARGE


def test_a_bomb_is_refused_before_anything_is_allocated_for_it() -> None:
    zeros = record({"country": ["x" * 1000] * 200_000}, compression="zstd")
    nulls = record({"amount": pa.Array.from_buffers(pa.null(), 2**31 - 1, [None])})
    words = pa.DictionaryArray.from_arrays(np.zeros(900_000, np.int8), ["y" * 1_000_000])
    unfolds = record({"country": words}, compression="zstd")
    before = pa.total_allocated_bytes()
    decoded = small_codec().decode([zeros, nulls, unfolds])
    assert [r.reason for r in decoded.rejects] == [RejectReason.TOO_LARGE] * 3
    assert decoded.batch.num_rows == 0
    assert pa.total_allocated_bytes() - before < 50_000_000


def test_a_compressed_length_that_lies_is_refused() -> None:
    value = bytearray(record({"amount": np.zeros(1000)}, compression="lz4"))
    at = bytes(value).index((8000).to_bytes(8, "little"))
    value[at : at + 8] = (2**50).to_bytes(8, "little")
    assert small_codec().decode([bytes(value)]).rejects[0].reason is RejectReason.TOO_LARGE


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_flipped_bytes_never_crash_and_never_reach_the_neighbours(compression: str | None) -> None:
    rng = np.random.default_rng(7)
    good = record({"amount": [1.0, 2.0], "country": ["DE", "FR"], "at": ["2026-01-31", None]}, compression=compression)
    codec = small_codec()
    for _ in range(400):
        bad = bytearray(good)
        for at in rng.integers(0, len(bad), 3):
            bad[at] = rng.integers(0, 256)
        decoded = codec.decode([good, bytes(bad), good])
        decoded.batch.validate(full=True)
        assert decoded.record.tolist()[:2] == [0, 0]
        assert decoded.record.tolist()[-2:] == [2, 2]


def test_one_row_of_a_record_can_be_handed_on_as_it_was_sent() -> None:
    value = record({"amount": pa.array([1, 2, 3], pa.int16()), "more": ["a", "b", "c"]})
    with pa.ipc.open_stream(row_of(value, 1)) as reader:
        table = reader.read_all()
    assert table.to_pylist() == [{"amount": 2, "more": "b"}]
    assert table.schema.field("amount").type == pa.int16()
