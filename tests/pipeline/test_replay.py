"""Replay: every event once, in order within its key, when it is due, to the partition Kafka would choose."""

import json
from collections import defaultdict

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.clock import ManualClock
from pipeline.errors import ConfigError
from pipeline.kafka.port import OutRecord
from pipeline.pacing import Pace, Pacer
from pipeline.records import RecordMaker, Stamp, murmur2, partition_of, plain_arrow, plain_json
from pipeline.replay import Replay, Replayed


class Recorder:
    """A producer that keeps what it is given, with the moment it was given."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.sent: list[tuple[float, OutRecord]] = []
        self.flushed = False

    def send(self, record: OutRecord) -> None:
        self.sent.append((self.clock.monotonic(), record))

    def flush(self) -> None:
        self.flushed = True

    def close(self) -> None:
        return

    @property
    def records(self) -> list[OutRecord]:
        return [record for _, record in self.sent]


def events(rows: int, *, step_ms: int = 1000, keys: int = 3) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "n": pa.array(range(rows), pa.int64()),
            "who": pa.array([None if i % 7 == 6 else f"k{i % keys}" for i in range(rows)], pa.string()),
            "at": pa.array([1_000_000 + i * step_ms for i in range(rows)], pa.timestamp("ms", tz="UTC")),
        }
    )


def run(
    batches: list[pa.RecordBatch], maker: RecordMaker, pace: Pace, *, stop_after_waits: int | None = None
) -> tuple[Recorder, Replayed, ManualClock]:
    clock = ManualClock()
    producer = Recorder(clock)
    waits = 0

    def wait(seconds: float) -> bool:
        nonlocal waits
        waits += seconds > 0
        clock.advance(seconds)
        return stop_after_waits is not None and waits > stop_after_waits

    done = Replay(maker=maker, producer=producer, pacer=Pacer(pace, clock), wait=wait).run(batches)
    return producer, done, clock


JSON = RecordMaker(topic="t", encode=plain_json, key="who", time="at")


def test_at_full_speed_everything_goes_at_once_and_is_flushed() -> None:
    producer, done, clock = run([events(10), events(5)], JSON, Pace())
    assert [json.loads(r.value or b"")["n"] for r in producer.records] == [*range(10), *range(5)]
    assert [r.key for r in producer.records[:7]] == [b"k0", b"k1", b"k2", b"k0", b"k1", b"k2", None]
    assert producer.flushed
    assert (done.rows, done.records, done.stopped, clock.monotonic()) == (15, 15, False, 0.0)


def test_a_rate_is_kept_across_batches() -> None:
    producer, done, _ = run([events(100), events(100)], JSON, Pace(rate_per_second=50.0))
    assert done.seconds == pytest.approx(199 / 50, abs=0.02)
    for index, (moment, _) in enumerate(producer.sent):
        assert index / 50 <= moment + 1e-9 <= index / 50 + 0.02


def test_a_speed_follows_the_files_own_times() -> None:
    producer, _, _ = run([events(20, step_ms=5000)], JSON, Pace(speed=10.0))
    assert [moment for moment, _ in producer.sent] == pytest.approx([i * 0.5 for i in range(20)], abs=0.02)


def test_times_that_go_back_or_are_missing_hold_nothing_up() -> None:
    at = pa.array([1000, 9000, None, 2000, 10_000], pa.timestamp("ms", tz="UTC"))
    batch = pa.record_batch({"at": at})
    producer, _, _ = run([batch], RecordMaker(topic="t", encode=plain_json, time="at"), Pace(speed=1.0))
    assert [moment for moment, _ in producer.sent] == pytest.approx([0.0, 8.0, 8.0, 8.0, 9.0], abs=0.02)


def test_a_stop_ends_the_replay_cleanly() -> None:
    producer, done, _ = run([events(100)], JSON, Pace(rate_per_second=10.0), stop_after_waits=3)
    assert done.stopped
    assert done.rows == len(producer.records) < 100
    assert producer.flushed


def test_stamps_are_the_moment_of_sending_unless_the_events_own_is_asked_for() -> None:
    producer, _, _ = run([events(3)], JSON, Pace())
    assert {r.timestamp_ms for r in producer.records} == {None}
    own = RecordMaker(topic="t", encode=plain_json, key="who", time="at", stamp=Stamp.EVENT)
    producer, _, _ = run([events(3)], own, Pace())
    assert [r.timestamp_ms for r in producer.records] == [1_000_000, 1_001_000, 1_002_000]


@settings(max_examples=30, derandomize=True, deadline=None)
@given(rows=st.integers(1, 60), per=st.integers(2, 9), partitions=st.integers(1, 5), split=st.integers(1, 60))
def test_many_rows_a_record_keep_each_key_in_its_partition_and_in_order(
    rows: int, per: int, partitions: int, split: int
) -> None:
    maker = RecordMaker(topic="t", encode=plain_arrow, key="who", rows_per_record=per, partitions=partitions)
    whole = events(rows)
    producer, done, _ = run([whole.slice(0, split), whole.slice(split)], maker, Pace())
    seen: dict[str | None, list[int]] = defaultdict(list)
    for record in producer.records:
        table = pa.ipc.open_stream(record.value).read_all()
        assert 1 <= table.num_rows <= per
        for row in table.to_pylist():
            seen[row["who"]].append(row["n"])
            assert record.partition == partition_of((row["who"] or "").encode(), partitions)
    assert sorted(n for ns in seen.values() for n in ns) == list(range(rows))
    assert all(ns == sorted(ns) for ns in seen.values())
    assert done.rows == rows


def test_partitions_are_those_of_kafkas_own_partitioner() -> None:
    known = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    assert {k: murmur2(k) for k in known} == {k: v & 0xFFFFFFFF for k, v in known.items()}


def test_numbers_json_cannot_hold_become_null() -> None:
    [value] = plain_json(pa.table({"x": [float("nan")]}), 1)
    assert json.loads(value) == {"x": None}


@pytest.mark.parametrize(
    ("maker", "pace", "says"),
    [
        (RecordMaker(topic="t", encode=plain_json, key="nobody"), Pace(), "no column 'nobody'"),
        (RecordMaker(topic="t", encode=plain_json, time="never"), Pace(), "no time column 'never'"),
        (RecordMaker(topic="t", encode=plain_json), Pace(speed=2.0), "--time"),
        (RecordMaker(topic="t", encode=plain_json, time="who"), Pace(), "holds no times"),
        (RecordMaker(topic="t", encode=plain_json, rows_per_record=4), Pace(), "--format arrow"),
    ],
)
def test_errors_say_what_to_do(maker: RecordMaker, pace: Pace, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        run([events(8)], maker, pace)


@pytest.mark.parametrize(("text", "factor"), [("10x", 10.0), ("0.5X", 0.5), ("3", 3.0), (None, None)])
def test_speeds_are_read_from_text(text: str | None, factor: float | None) -> None:
    assert Pace.of_text(rate=None, speed=text).speed == factor


@pytest.mark.parametrize(
    ("rate", "speed", "says"),
    [
        (1.0, "2x", "not both"),
        (0.0, None, "more than 0"),
        (None, "fast", "10x"),
        (None, "-1x", "more than 0"),
        (None, "nanx", "more than 0"),
    ],
)
def test_wrong_paces_are_refused(rate: float | None, speed: str | None, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Pace.of_text(rate=rate, speed=speed)
