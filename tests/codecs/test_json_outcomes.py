"""What each kind of bad JSON comes to, and that good events keep every value."""

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from pipeline.codecs.base import RejectReason
from pipeline.codecs.json import JsonCodec
from pipeline.codecs.json_strict import MAX_DEPTH
from pipeline.errors import ConfigError
from tests.codecs.specs import column, mixed_spec, stream

CODEC = JsonCodec(mixed_spec())
ALLOWED = "allowed"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, RejectReason.TOMBSTONE),
        (b"", RejectReason.EMPTY),
        (b" \r\n", RejectReason.EMPTY),
        (b'{"id":"' + b"x" * 17_000_000 + b'"}', RejectReason.TOO_LARGE),
        (b'{"id":"\xff"}', RejectReason.NOT_UTF8),
        (b'{"id":', RejectReason.MALFORMED),
        (b"[]", RejectReason.MALFORMED),
        (b"null", RejectReason.MALFORMED),
        (b'{"id":"a"}{"id":"b"}', RejectReason.MALFORMED),
        (b'{"id":"a"}null', RejectReason.MALFORMED),
        (b'{"id":"a"}\x00', RejectReason.MALFORMED),
        (b'{"id":"\\ud800"}', RejectReason.MALFORMED),
        (b'{"pay":{"amount":NaN}}', RejectReason.MALFORMED),
        (b'{"pay":{"amount":Infinity}}', RejectReason.MALFORMED),
        (b'{"z":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", RejectReason.MALFORMED),
        (b'{"id":"a","\\u0069d":"b"}', RejectReason.DUPLICATE_FIELD),
        (b'{"pay":{"amount":1,"amount":2}}', RejectReason.DUPLICATE_FIELD),
        (b'{"pay":{"amount":"1"}}', RejectReason.WRONG_TYPE),
        (b'{"pay":{"amount":true}}', RejectReason.WRONG_TYPE),
        (b'{"pay":7}', RejectReason.WRONG_TYPE),
        (b'{"id":7}', RejectReason.WRONG_TYPE),
        (b'{"count":1.5}', RejectReason.WRONG_TYPE),
        (b'{"ok":0}', RejectReason.WRONG_TYPE),
        (b'{"meta":{"at":"noon"}}', RejectReason.WRONG_TYPE),
        (b'{"meta":{"at":1700000000}}', RejectReason.WRONG_TYPE),
        (b'{"count":9223372036854775808}', RejectReason.OUT_OF_RANGE),
        (b'{"pay":{"amount":1e999}}', RejectReason.OUT_OF_RANGE),
        (b'{"sent":1e15}', RejectReason.OUT_OF_RANGE),
        (b'{"meta":{"at":"1066-10-14"}}', RejectReason.OUT_OF_RANGE),
        (b'{"id":"a","z":1,"z":2}', ALLOWED),
        (b'{"z":NaN,"y":1e999}', ALLOWED),
        (b'{"z":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}", ALLOWED),
        (b'{\n  "id": "a",\r\n  "count": 1.0\n}\n', ALLOWED),
        (b'\xef\xbb\xbf{"id":"a"}', ALLOWED),
        (b'{"id":"' + b"x" * 10_000_000 + b'"}', ALLOWED),
        (b"{}", ALLOWED),
    ],
    ids=lambda v: repr(v[:40]) if isinstance(v, bytes) else str(v),
)
def test_outcome(value: bytes | None, reason: RejectReason | str) -> None:
    neighbour = b'{"id":"n"}'
    decoded = CODEC.decode([neighbour, value, neighbour])
    if reason == ALLOWED:
        assert decoded.rejects == ()
        assert decoded.record.tolist() == [0, 1, 2]
    else:
        assert [(r.record, r.reason) for r in decoded.rejects] == [(1, reason)]
        assert decoded.record.tolist() == [0, 2]
    assert decoded.batch.column("id").to_pylist()[:: decoded.batch.num_rows - 1] == ["n", "n"]


def test_details_name_the_field_and_never_the_value() -> None:
    secrets = [
        b'{"id":4111111111111111}',
        b'{"pay":{"amount":"4111111111111111"}}',
        b'{"meta":{"at":"4111111111111111"}}',
    ]
    details = [r.detail for r in CODEC.decode(list(secrets)).rejects]
    assert [d.split(":")[0] for d in details] == ["id", "pay.amount", "meta.at"]
    assert not any("4111" in d for d in details)


def test_a_full_event_keeps_every_value() -> None:
    event = (
        b'{"id":"\\u00e9\\n","meta":{"at":"2026-01-31T13:00:00.123456789+01:00"},"sent":1700000000123,'
        b'"clock":1700000000123456,"pay":{"amount":-1e-3,"card":{"country":"DE"}},"count":-7,"code":5,"ok":false}'
    )
    at = dt.datetime(2026, 1, 31, 12, 0, 0, 123456, dt.UTC)
    clock = dt.datetime(2023, 11, 14, 22, 13, 20, 123456, dt.UTC)
    for copies in (1, 50):
        rows = CODEC.decode([event] * copies).batch.to_pylist()
        assert rows == copies * [
            {
                "id": "é\n",
                "at": at,
                "sent": clock.replace(microsecond=123000),
                "clock": clock,
                "amount": -0.001,
                "count": -7,
                "country": "DE",
                "code": 5,
                "ok": False,
            }
        ]


def test_unknown_fields_are_named_with_their_place() -> None:
    decoded = CODEC.decode([b'{"id":"a","new":1,"pay":{"tax":2}}'] * 30)
    assert decoded.unknown_fields == {"new", "pay.tax"}


def test_what_is_written_for_replay_reads_back_the_same() -> None:
    events = [
        b'{"id":"\\"q\\\\","meta":{"at":"2026-01-31T12:00:00Z"},"sent":1700000000123.5,"pay":{"amount":0.1}}',
        b"{}",
    ]
    batch = CODEC.decode(list(events)).batch
    written = CODEC.encode(pa.Table.from_batches([batch]))
    assert CODEC.decode(list(written)).batch.equals(batch)


def test_rows_stay_with_their_records_when_many_are_bad() -> None:
    values = [b'{"id":"%d"}' % i if i % 3 else b'{"id":%d}' % i for i in range(300)]
    decoded = CODEC.decode(list(values))
    assert decoded.batch.column("id").to_pylist() == [str(i) for i in decoded.record.tolist()]
    assert [r.record for r in decoded.rejects] == list(range(0, 300, 3))


@pytest.mark.parametrize("paths", [("a", "a"), ("a", "a.b"), ("a.b", "a"), ("a..b", "c")])
def test_contradicting_paths_are_a_config_error_that_says_what_to_change(paths: tuple[str, str]) -> None:
    more: dict[str, Any] = {"roles": ["feature"]}
    columns = tuple(column(f"c{i}", "numeric", path=path, **more) for i, path in enumerate(paths))
    with pytest.raises(ConfigError, match="path"):
        JsonCodec(stream(columns))
