"""The vectorised and the strict reader agree: what a record becomes never depends on its neighbours."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codecs.json import JsonCodec
from tests.codecs.specs import mixed_spec

CODEC = JsonCodec(mixed_spec())
GOOD = (
    b'{"id":"a","meta":{"at":"2026-01-31T12:00:00Z"},"pay":{"amount":1.5,"card":{"country":"DE"}},"count":3,"ok":true}'
)
ODD = [
    b"{}",
    b"{",
    b"}",
    b"",
    b"  ",
    b"null",
    b"NaN",
    b"[]",
    b"[{}]",
    b"1",
    b'"x"',
    b"{}{}",
    b"{}null{}",
    b"{} {}",
    b"{},{}",
    b'{"id":"a"}\n{"id":"b"}',
    b'{"id":{"x":1}',
    b'{"id":[{}',
    b"{}]}",
    b'{"z":{"x":{}',
    b'{"id":"}',
    b'{"}',
    b'{\n  "id": "pretty",\n  "count": 3\n}',
    b' {"id":"edge"}\r\n',
    b'{"id":"cr"}\r',
    b'\xef\xbb\xbf{"id":"bom"}',
    b'{"id":"bom behind"}\xef\xbb\xbf',
    b'{"id":"\xff"}',
    b'{"z":"\xed\xa0\x80"}',
    b'{"id":"nul \x00"}',
    b'{"id":"a"}\x00}',
    b'{"id":"\\u0000"}',
    b'{"id":"\\ud800"}',
    b'{"z":"\\udc00\\ud800"}',
    b'{"id":"\\ud83d\\ude00"}',
    b'{"id":"\\\\ud800"}',
    b'{"id":"tab\there"}',
    b'{"id":"line\nbreak"}',
    b'{"id":"a","id":"b"}',
    b'{"id":null,"\\u0069d":"b"}',
    b'{"z":1,"z":2}',
    b'{"pay":{"amount":1,"amount":1}}',
    b'{"pay":{"amount":1},"pay":null}',
    b'{"pay":{"z":1,"z":1}}',
    b'{"pay":null}',
    b'{"pay":5}',
    b'{"pay":NaN}',
    b'{"pay":[]}',
    b'{"count":1.0}',
    b'{"count":1e3}',
    b'{"count":1.5}',
    b'{"count":-0}',
    b'{"count":9223372036854775807}',
    b'{"count":9223372036854775808}',
    b'{"count":-9223372036854775809}',
    b'{"count":1e400}',
    b'{"count":9007199254740994.0}',
    b'{"count":"1"}',
    b'{"count":true}',
    b'{"code":01}',
    b'{"ok":1}',
    b'{"ok":"true"}',
    b'{"pay":{"amount":1e999}}',
    b'{"pay":{"amount":-1e999}}',
    b'{"pay":{"amount":1e-999}}',
    b'{"pay":{"amount":NaN}}',
    b'{"pay":{"amount":-NaN}}',
    b'{"pay":{"amount":Inf}}',
    b'{"pay":{"amount":-Infinity}}',
    b'{"z":NaN}',
    b'{"z":-NaN}',
    b'{"z":[Inf,-Infinity]}',
    b'{"z":1e999}',
    b'{"z":' + b"9" * 5000 + b"}",
    b'{"pay":{"amount":' + b"9" * 400 + b"}}",
    b'{"pay":{"amount":' + b"9" * 300 + b"}}",
    b'{"count":' + b"9" * 400 + b"}",
    b'{"z":' + b"[" * 150 + b"]" * 150 + b"}",
    b'{"z":' + b"[" * 300 + b"]" * 300 + b"}",
    b'{"z":' + b"[{}," * 300 + b"1" + b"]" * 300 + b"}",
    b'{"z":[' + b"{}," * 300 + b"{}]}",
    b'{"z":"' + b"[" * 300 + b'"}',
    b'{"z":' + b"[" * 100_000,
    b'{"meta":{"at":"yesterday"}}',
    b'{"meta":{"at":"2026-01-31"}}',
    b'{"meta":{"at":"2026-01-31T12:00:00.123456789Z"}}',
    b'{"meta":{"at":"2026-01-31 12:00:00+02:00"}}',
    b'{"meta":{"at":"2500-01-31T12:00:00Z"}}',
    b'{"meta":{"at":1700000000}}',
    b'{"sent":1700000000123.5}',
    b'{"sent":1e300}',
    b'{"sent":"2026-01-31"}',
    b'{"clock":1700000000123456}',
    b'{"clock":9223372036854775807}',
    b"{'id':1}",
    b'{"id":"a",}',
    b'{"id":"a"}//x',
    b'{"count":.5}',
    b'{"count":+1}',
]


def outcome(values: Sequence[bytes | None]) -> list[Any]:
    """What became of each record: its row, or the reason it was rejected."""
    decoded = CODEC.decode(values)
    decoded.batch.validate(full=True)
    found: list[Any] = [None] * len(values)
    for record, row in zip(decoded.record.tolist(), decoded.batch.to_pylist(), strict=True):
        assert found[record] is None
        found[record] = row
    for reject in decoded.rejects:
        assert found[reject.record] is None
        found[reject.record] = (reject.reason, reject.detail)
    assert decoded.record.tolist() == sorted(decoded.record.tolist())
    return found


def alone(value: bytes | None) -> Any:
    return outcome([value])[0]


@pytest.mark.parametrize("odd", ODD, ids=lambda v: repr(v[:40]))
def test_an_odd_record_is_read_the_same_alone_and_among_many(odd: bytes) -> None:
    good = alone(GOOD)
    among = outcome([GOOD] * 40 + [odd] + [GOOD] * 40)
    assert among[:40] == [good] * 40
    assert among[41:] == [good] * 40
    assert among[40] == alone(odd)


@pytest.mark.parametrize("odd", ODD, ids=lambda v: repr(v[:40]))
def test_twenty_of_the_same_odd_record_are_each_read_as_one_alone(odd: bytes) -> None:
    assert outcome([odd] * 20) == [alone(odd)] * 20


numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.sampled_from([0, -0.0, 1e308, 2**53 + 1]))
leaves = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8), st.sampled_from(["2026-01-31T12:00Z"]))
values = st.one_of(leaves, st.lists(leaves, max_size=2), st.dictionaries(st.text(max_size=3), leaves, max_size=2))
pay = st.dictionaries(st.sampled_from(["amount", "card", "z"]), values, max_size=3)
events = st.dictionaries(
    st.sampled_from(["id", "meta", "sent", "clock", "pay", "count", "code", "ok", "z"]),
    st.one_of(values, pay, st.fixed_dictionaries({"at": values})),
    max_size=5,
)


@st.composite
def records(draw: st.DrawFn) -> bytes | None:
    """Whole events, odd ones, and events with a few bytes cut, changed or put in."""
    choice = draw(st.integers(0, 9))
    if choice < 3:
        return GOOD
    if choice < 5:
        return draw(st.sampled_from([*ODD, None]))
    raw = json.dumps(draw(events), ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if choice < 8:
        return raw
    at = draw(st.integers(0, len(raw)))
    put_in = draw(
        st.sampled_from([b"", b"{", b"}", b"[", b'"', b"\\", b",", b"\n", b"\x00", b"\xff", b" ", b"null", b"}{"])
    )
    return raw[:at] + put_in + raw[at + draw(st.integers(0, 2)) :]


@settings(max_examples=80, derandomize=True, deadline=None)
@given(st.lists(records(), min_size=1, max_size=40))
def test_a_block_decodes_to_what_its_records_decode_to_alone(block: list[bytes | None]) -> None:
    assert outcome(block) == [alone(value) for value in block]


@settings(max_examples=25, derandomize=True, deadline=None)
@given(st.lists(events, min_size=17, max_size=24))
def test_events_as_json_writers_make_them_decode_as_they_do_alone(block: list[dict[str, Any]]) -> None:
    raw: list[bytes | None] = [json.dumps(event).encode() for event in block]
    assert outcome(raw) == [alone(value) for value in raw]
