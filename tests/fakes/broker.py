"""The cluster: its topics and groups, and the ways to it."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pipeline.errors import BrokerUnavailableError
from pipeline.kafka.port import Block, Broker, OutRecord, TopicPartition
from tests.fakes.admin import MemoryAdmin
from tests.fakes.log import MemoryLog, MemoryTopic, block_of
from tests.fakes.source import MemoryGroup, MemorySource
from tests.fakes.writers import MemoryProducer, MemorySink


class MemoryBroker:
    """One cluster. `available = False` makes every call fail; `on_commit` is called around each group commit."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.topics: dict[str, MemoryTopic] = {}
        self.groups: dict[str, MemoryGroup] = {}
        self.available = True
        self.now_ms = now_ms
        self.on_commit: Callable[[str], None] = lambda stage: None
        self._ids = itertools.count()
        self._epochs: dict[str, int] = {}

    def add_topic(self, name: str, partitions: int = 1) -> str:
        topic_id = f"topic-{next(self._ids)}"
        self.topics[name] = MemoryTopic(topic_id, [MemoryLog() for _ in range(partitions)])
        return topic_id

    def delete_topic(self, name: str, *, keep_group_offsets: bool = False) -> None:
        del self.topics[name]
        for group in self.groups.values():
            if not keep_group_offsets:
                group.offsets = {tp: c for tp, c in group.offsets.items() if tp.topic != name}

    def log(self, topic: str, partition: int = 0) -> MemoryLog:
        return self.topics[topic].logs[partition]

    def append(self, record: OutRecord) -> None:
        topic = self.topics[record.topic]
        partition = record.partition
        if partition is None:
            partition = sum(record.key or b"") % len(topic.logs)
        topic.logs[partition].append(record, self.now_ms)

    def check_available(self) -> None:
        if not self.available:
            raise BrokerUnavailableError("the broker in memory is switched off: switch it on")

    def next_epoch(self, transactional_id: str) -> int:
        self._epochs[transactional_id] = self._epochs.get(transactional_id, 0) + 1
        return self._epochs[transactional_id]

    def epoch(self, transactional_id: str) -> int:
        return self._epochs[transactional_id]

    def source(self, *, group: str, instance_id: str | None = None) -> MemorySource:
        return MemorySource(self, self.groups.setdefault(group, MemoryGroup()), instance_id)

    def transactional_sink(self, *, transactional_id: str) -> MemorySink:
        return MemorySink(self, transactional_id)

    def producer(self) -> MemoryProducer:
        return MemoryProducer(self)

    def admin(self) -> MemoryAdmin:
        return MemoryAdmin(self)

    def read_all(
        self,
        partitions: Sequence[TopicPartition],
        on_block: Callable[[Block], None],
        *,
        timeout_seconds: float,
        headers: bool = False,
    ) -> dict[TopicPartition, int]:
        for partition in partitions:
            if self.log(*partition).records:
                records = self.log(*partition).records
                block = block_of(partition, records)
                on_block(replace(block, headers=[r.headers for r in records]) if headers else block)
        return {partition: self.log(*partition).next_offset for partition in partitions}

    def read_ranges(
        self,
        ranges: Mapping[TopicPartition, tuple[int, int]],
        on_block: Callable[[Block], None],
        *,
        timeout_seconds: float,
        go_on: Callable[[], bool] = lambda: True,
    ) -> bool:
        self.check_available()
        for partition, (start, end) in ranges.items():
            if not go_on():
                return False
            if records := [r for r in self.log(*partition).records if start <= r.offset < end]:
                on_block(block_of(partition, records))
        return True


def _conforms(broker: MemoryBroker) -> Broker:
    """Type-checked, never called: the fake is a `Broker`."""
    return broker
