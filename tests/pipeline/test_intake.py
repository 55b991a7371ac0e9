"""A block becomes rows that know where they came from, and rejects that lose nothing."""

import pyarrow as pa
import pytest

from pipeline.codecs.arrow import ArrowCodec
from pipeline.codecs.base import RejectReason
from pipeline.config import CodecFormat, ScoringSpec
from pipeline.deadletters import MAX_VALUE_BYTES, dead_letter_records, parse_dead_letter
from pipeline.intake import Intake
from tests.pipeline.blocks import APPEND_MS, block, payments


def event(seconds: float = 0.0, amount: str = "1.5", more: str = "") -> bytes:
    return b'{"at":%d,"card":"c","amount":%s%s}' % (APPEND_MS + seconds * 1000, amount.encode(), more.encode())


def test_rows_know_offset_append_time_and_event_time() -> None:
    taken = Intake(payments()).take(block([event(-5), b'{"amount":2}', None, event(1, "3")]))
    assert taken.batch.column("amount").to_pylist() == [1.5, 2.0, 3.0]
    assert taken.offsets.tolist() == [100, 102, 106]
    assert (taken.append_ms - APPEND_MS).tolist() == [0, 1000, 3000]
    assert (taken.time_ms - APPEND_MS).tolist() == [-5000, 1000, 1000]
    assert taken.absent_columns == {"country"}


def test_a_missing_value_rejects_only_where_the_spec_says_so() -> None:
    taken = Intake(payments()).take(block([event(), event(amount="null"), b"{}", event()]))
    assert [(r.record, r.reason) for r in taken.rejects] == [
        (1, RejectReason.MISSING_VALUE),
        (2, RejectReason.MISSING_VALUE),
    ]
    assert taken.offsets.tolist() == [100, 106]
    assert taken.batch.column("country").null_count == 2


def test_an_event_from_the_future_is_rejected_beyond_the_tolerance() -> None:
    spec = payments(scoring=ScoringSpec(future_tolerance_seconds=10))
    taken = Intake(spec).take(block([event(9), event(100), event(12)]))
    assert [(r.record, r.reason) for r in taken.rejects] == [(1, RejectReason.FUTURE_TIME)]
    assert (taken.time_ms - APPEND_MS).tolist() == [9000, 12000]


def test_records_without_a_timestamp_do_not_all_come_from_the_future() -> None:
    assert Intake(payments()).take(block([event()], append_ms=-1)).rejects == ()


def test_rejects_of_codec_and_contract_come_in_order() -> None:
    taken = Intake(payments()).take(block([event(amount="null"), b"{", event(), event(9999), None]))
    assert [r.record for r in taken.rejects] == [0, 1, 3, 4]
    assert taken.offsets.tolist() == [104]


def test_unknown_fields_are_reported() -> None:
    assert Intake(payments()).take(block([event(more=',"tax":1')])).unknown_fields == {"tax"}


def test_poison_is_refused_without_being_decoded() -> None:
    taken = Intake(payments()).refuse(block([event(), None]))
    assert [r.reason for r in taken.rejects] == [RejectReason.POISON] * 2
    assert taken.batch.num_rows == 0
    assert taken.batch.schema == payments().schema()


def test_an_empty_block_is_no_rows() -> None:
    taken = Intake(payments()).take(block([]))
    assert (taken.batch.num_rows, taken.rejects, taken.absent_columns) == (0, (), frozenset())


def test_a_dead_letter_holds_the_raw_bytes_and_says_where_from_and_why() -> None:
    source = block([event(), b'{"amount":\xff}', None])
    records = dead_letter_records(payments(), source, Intake(payments()).take(source).rejects)
    assert [r.topic for r in records] == ["eddyline.payments.deadletters"] * 2
    letter = parse_dead_letter(records[0].key, records[0].value, records[0].headers)
    assert (letter.value, letter.key) == (b'{"amount":\xff}', b"k1")
    assert (letter.topic, letter.partition, letter.offset, letter.row) == ("pay", 3, 102, None)
    assert (letter.reason, letter.append_ms) == (RejectReason.NOT_UTF8, APPEND_MS + 1000)
    assert (letter.cut, letter.length) == (False, 12)
    assert records[1].value is None


def test_a_dead_letter_too_large_for_a_record_is_cut_and_says_so() -> None:
    source = block([b'{"card":"' + b"x" * 2_000_000 + b'","amount":"no"}'])
    (record,) = dead_letter_records(payments(), source, Intake(payments()).take(source).rejects)
    letter = parse_dead_letter(record.key, record.value, record.headers)
    assert letter.cut
    assert letter.value == (source.values[0] or b"")[:MAX_VALUE_BYTES]
    assert letter.length == len(source.values[0] or b"")


def test_of_an_arrow_record_only_the_rejected_row_is_a_dead_letter() -> None:
    spec = payments(CodecFormat.ARROW)
    table = pa.table({"card": ["a", "b", "c"], "amount": [1.0, None, float("inf")]})
    source = block([None, *ArrowCodec(spec).encode(table)])
    taken = Intake(spec).take(source)
    assert [(r.record, r.row) for r in taken.rejects] == [(0, None), (1, 1), (1, 2)]
    assert taken.rows.tolist() == [0]
    letters = [parse_dead_letter(r.key, r.value, r.headers) for r in dead_letter_records(spec, source, taken.rejects)]
    assert [letter.row for letter in letters] == [None, 1, 2]
    with pa.ipc.open_stream(letters[2].value) as reader:
        assert reader.read_all().to_pylist() == [{"card": "c", "amount": float("inf")}]


def test_a_foreign_record_on_the_dead_letter_topic_is_told_apart() -> None:
    with pytest.raises(ValueError, match="no dead letter"):
        parse_dead_letter(None, b"{}", (("other", b"1"),))
