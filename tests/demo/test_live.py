"""The demo knows each live event's place in the topic, and reads back what became of it."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.clock import ManualClock
from pipeline.demo.live import LiveReader, Outcome, Places
from pipeline.demo.payments import stream_spec
from pipeline.kafka.port import OutRecord
from pipeline.records import partition_of
from tests.fakes import MemoryBroker

KEYS = [b"a", b"b", b"a", None, b"c", b"b", b"a"]
SPEC = stream_spec()


@pytest.mark.parametrize("partitions", [1, 2, 3])
def test_places_are_where_a_keyed_producer_puts_events(partitions: int) -> None:
    places = Places.of_keys(KEYS, partitions)
    counts = [0] * partitions
    for row, key in enumerate(KEYS):
        wanted = 0 if partitions == 1 else partition_of(key or b"", partitions)
        assert (places.partition[row], places.offset[row]) == (wanted, counts[wanted])
        assert places.rows[wanted][counts[wanted]] == row
        counts[wanted] += 1


def scores_of(offsets: list[int], scores: list[float], flagged: list[bool]) -> bytes:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"offset": offsets, "score_nats": pa.array(scores, pa.float32()), "flagged": flagged})
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    value: bytes = sink.getvalue().to_pybytes()
    return value


def test_scores_find_their_events_across_partitions() -> None:
    broker, clock = MemoryBroker(), ManualClock()
    broker.add_topic(SPEC.alerts_topic)
    broker.add_topic(SPEC.scores_topic, 2)
    places, outcome = Places.of_keys(KEYS, 2), Outcome.empty(len(KEYS))
    for number, rows in enumerate(places.rows):
        value = scores_of(list(range(len(rows))), [float(r) for r in rows], [bool(r == 4) for r in rows])
        broker.append(OutRecord(SPEC.scores_topic, value, partition=number))
    reader = LiveReader(SPEC, broker.source(group="g"), places, outcome, clock, lambda alert, row: None)
    reader.start()
    assert reader.joined.wait(30.0)
    for _ in range(3000):
        if outcome.scored == len(KEYS):
            break
        reader.join(0.01)
    reader.stop()
    reader.join(30.0)
    assert outcome.scores.tolist() == [float(i) for i in range(len(KEYS))]
    assert np.flatnonzero(outcome.flagged).tolist() == [4]
    assert (outcome.scored_ms == clock.now_ms()).all()
    assert reader.failure is None
    assert outcome.first(3).scored == 3
