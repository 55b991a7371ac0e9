"""What the scoring thread takes is owned, in order and complete; what is void never reaches a transaction."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.errors import DataGapError, Gap
from pipeline.kafka.port import Committed, OutRecord, TopicPartition, TopicRequest
from pipeline.scoring.poller import Assigned, Batch, Item, Poller, Revoked
from tests.fakes import MemoryBroker

TOPIC = "events"
DEADLINE_SECONDS = 10.0


def filled(partitions: int, events: int) -> MemoryBroker:
    broker = MemoryBroker()
    broker.admin().create([TopicRequest(name=TOPIC, partitions=partitions)])
    produce(broker, partitions, events)
    return broker


def produce(broker: MemoryBroker, partitions: int, events: int) -> None:
    producer = broker.producer()
    for number in range(events):
        producer.send(OutRecord(TOPIC, str(number).encode(), partition=number % partitions))
    producer.flush()


@contextmanager
def polling(broker: MemoryBroker, **options: int) -> Iterator[Poller]:
    poller = Poller(broker.source(group="g", instance_id="slot-0"), TOPIC, **{"max_batch_records": 10, **options})
    poller.start()
    try:
        yield poller
    finally:
        poller.stop()
        poller.join(DEADLINE_SECONDS)
        assert not poller.is_alive()


def take(poller: Poller) -> Item:
    item = poller.take(timeout_seconds=DEADLINE_SECONDS)
    assert item is not None
    return item


def taken_events(poller: Poller, count: int) -> dict[TopicPartition, list[int]]:
    offsets: dict[TopicPartition, list[int]] = {}
    total = 0
    while total < count:
        item = take(poller)
        if isinstance(item, Batch):
            for block in item.blocks:
                offsets.setdefault(block.source, []).extend(int(o) for o in block.offsets)
                total += len(block)
    return offsets


def test_an_assignment_comes_before_its_events() -> None:
    with polling(filled(2, 50)) as poller:
        first = take(poller)
        while isinstance(first, Revoked):
            first = take(poller)
        assert isinstance(first, Assigned)
        offsets = taken_events(poller, 50)
    assert offsets == {TopicPartition(TOPIC, p): list(range(25)) for p in range(2)}


def test_batches_are_joined_up_to_their_size() -> None:
    with polling(filled(1, 95), max_batch_records=10) as poller:
        sizes: list[int] = []
        while sum(sizes) < 95:
            item = take(poller)
            if isinstance(item, Batch):
                sizes.append(item.records)
    assert max(sizes) <= 10


def test_a_full_queue_stops_the_fetching_and_loses_nothing() -> None:
    broker = filled(1, 400)
    with polling(broker, max_batch_records=10, queue_batches=2) as poller:
        assert taken_events(poller, 400)[TopicPartition(TOPIC, 0)] == list(range(400))


def test_after_an_abort_events_come_again_from_the_committed_offset() -> None:
    broker = filled(1, 30)
    with polling(broker) as poller:
        taken_events(poller, 20)
        poller.commit_offsets({TopicPartition(TOPIC, 0): Committed(5, "")})
        poller.rewind()
        item = take(poller)
        while not isinstance(item, Assigned):
            item = take(poller)
        start = item.starts[TopicPartition(TOPIC, 0)]
        assert start in (0, 5)  # the commit may or may not have been first
        assert taken_events(poller, 30 - start)[TopicPartition(TOPIC, 0)] == list(range(start, 30))


def test_a_batch_of_an_earlier_epoch_does_not_pass_the_door() -> None:
    with polling(filled(1, 10)) as poller:
        item = take(poller)
        while not isinstance(item, Batch):
            item = take(poller)
        with poller.committing(item.epoch) as valid:
            assert valid
        poller.rewind()
        with poller.committing(item.epoch) as valid:
            assert not valid


def test_a_revocation_waits_for_the_transaction_under_way() -> None:
    with polling(filled(1, 10)) as poller:
        item = take(poller)
        while not isinstance(item, Batch):
            item = take(poller)
        partitions = frozenset({TopicPartition(TOPIC, 0)})
        revoked = threading.Event()

        def revoke() -> None:
            poller.on_revoked(partitions)
            revoked.set()

        with poller.committing(item.epoch) as valid:
            assert valid
            thread = threading.Thread(target=revoke)
            thread.start()
            assert not revoked.wait(0.1)
        thread.join(DEADLINE_SECONDS)
        assert revoked.is_set()


def test_held_events_come_again_once_released() -> None:
    broker = filled(1, 10)
    with polling(broker) as poller:
        taken_events(poller, 10)
        poller.rewind(hold=True)
        while not isinstance(take(poller), Assigned):
            pass
        assert poller.take(timeout_seconds=0.3) is None
        poller.rewind()
        assert taken_events(poller, 10)[TopicPartition(TOPIC, 0)] == list(range(10))


def test_a_gap_is_recorded_and_reading_goes_on() -> None:
    broker = filled(1, 10)
    source = broker.source(group="g", instance_id="slot-0")
    real_poll, raised = source.poll, list[bool]()

    def poll(*, timeout_seconds: float, max_records: int) -> object:
        if not raised:
            raised.append(True)
            raise DataGapError([Gap(TOPIC, 0, 0, 3)])
        return real_poll(timeout_seconds=timeout_seconds, max_records=max_records)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "poll", poll)
        poller = Poller(source, TOPIC, max_batch_records=10)
        poller.start()
        taken_events(poller, 10)
        poller.stop()
        poller.join(DEADLINE_SECONDS)
    assert poller.gaps == [Gap(TOPIC, 0, 0, 3)]


def test_a_failure_of_the_polling_thread_reaches_the_scoring_thread() -> None:
    broker = filled(1, 0)
    source = broker.source(group="g", instance_id="slot-0")

    def poll(*, timeout_seconds: float, max_records: int) -> object:
        raise ValueError("a fault nobody foresaw")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "poll", poll)
        poller = Poller(source, TOPIC, max_batch_records=10)
        poller.start()
        poller.join(DEADLINE_SECONDS)
        with pytest.raises(ValueError, match="nobody foresaw"):
            poller.take(timeout_seconds=DEADLINE_SECONDS)
