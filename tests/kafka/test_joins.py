"""Joining a group whatever is in the way."""

import threading
import time
from collections.abc import Callable

from pipeline.config import KafkaSettings
from pipeline.kafka.kafka_python import KafkaPythonBroker
from pipeline.kafka.port import OutRecord, TopicPartition, TopicRequest

TOPICS = 6
PATIENCE_SECONDS = 30.0


class Ignoring:
    """A listener that does nothing."""

    def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Nothing is held."""

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Nothing to prepare."""


def test_polls_that_time_out_in_the_middle_of_a_join_do_not_lose_it(
    kafka_bootstrap: str, unique: Callable[[str], str]
) -> None:
    """A topic that the client does not know yet is joined twice, the second time because its metadata came."""
    broker = KafkaPythonBroker(KafkaSettings(bootstrap=(kafka_bootstrap,)))
    admin, producer = broker.admin(), broker.producer()
    for number in range(TOPICS):
        topic = unique("fresh")
        admin.create([TopicRequest(name=topic, partitions=3)])
        producer.send(OutRecord(topic, b"x", partition=2))
        producer.flush()
        source = broker.source(group=unique("group"), instance_id="one")
        source.subscribe([topic], Ignoring())
        deadline, found = time.monotonic() + PATIENCE_SECONDS, 0
        while not found and time.monotonic() < deadline:
            polled = source.poll(timeout_seconds=0.002 * number, max_records=10)
            found += sum(len(block) for block in polled.blocks)
            threading.Event().wait(0.001)
        assert found == 1, f"no partition after {PATIENCE_SECONDS:g} s of polls of {2 * number} ms"
        source.close()
    producer.close()
    admin.close()
