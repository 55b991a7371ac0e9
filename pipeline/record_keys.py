"""Whether a topic's records are keyed by a column: looked up in the newest records of each partition.

Kafka sends equal keys to one partition, and what is kept of a key (context, windows, open alerts) is kept per
partition. Where records are keyed otherwise, each partition sees a share of a key's events and knows nothing of the
rest.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.config import StreamSpec
from pipeline.intake import Intake
from pipeline.kafka.port import Block, Broker, TopicPartition

SAMPLED_RECORDS = 200
"""Of each partition, the newest."""
READ_SECONDS = 10.0
LEAST_EVENTS = 20
"""Fewer sampled events than this say nothing."""
LEAST_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class KeySample:
    """How many sampled events had, as their record's key, their own value of some columns."""

    keyed: int
    events: int

    @property
    def says_otherwise(self) -> bool:
        """Whether the topic is clearly keyed by something else."""
        return self.events >= LEAST_EVENTS and self.keyed < LEAST_SHARE * self.events


def sample_keys(spec: StreamSpec, broker: Broker, keys: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], KeySample]:
    """A sample for each of these keys. Raises BrokerUnavailableError, or EddylineError when a read takes too long."""
    intake = Intake(spec)
    counts = {key: [0, 0] for key in keys}

    def take(block: Block) -> None:
        taken = intake.take(block)
        at = dict(zip(block.offsets.tolist(), block.keys, strict=True))
        for key, count in counts.items():
            columns = [taken.batch[name].to_pylist() for name in key]
            for offset, values in zip(taken.offsets.tolist(), zip(*columns, strict=True), strict=True):
                count[0] += _is_key(at[offset], values)
                count[1] += 1

    broker.read_ranges(_newest(spec.topic, broker), take, timeout_seconds=READ_SECONDS)
    return {key: KeySample(keyed, events) for key, (keyed, events) in counts.items()}


def _newest(topic: str, broker: Broker) -> dict[TopicPartition, tuple[int, int]]:
    """The newest records of every partition, nothing of a topic that does not exist."""
    admin = broker.admin()
    try:
        info = admin.describe([topic]).get(topic)
        partitions = [TopicPartition(topic, number) for number in range(info.partitions if info else 0)]
        first, last = admin.earliest_offsets(partitions), admin.latest_offsets(partitions)
    finally:
        admin.close()
    return {p: (max(first[p], last[p] - SAMPLED_RECORDS), last[p]) for p in partitions}


def _is_key(raw: bytes | None, values: tuple[object, ...]) -> bool:
    """Whether a record's key holds these values: as text, with or without quotes; several values in any notation."""
    if raw is None:
        return False
    text = raw.decode("utf-8", "replace")
    if len(values) == 1:
        return text.strip('"') == str(values[0])
    return all(str(value) in text for value in values)
