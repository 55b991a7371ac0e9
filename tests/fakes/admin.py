"""Administration of topics and groups."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.kafka.port import Committed, TopicInfo, TopicPartition, TopicRequest
from tests.fakes.log import MemoryLog

if TYPE_CHECKING:
    from tests.fakes.broker import MemoryBroker


class MemoryAdmin:
    """Administration."""

    def __init__(self, broker: "MemoryBroker") -> None:
        self._broker = broker

    def describe(self, topics: Sequence[str]) -> dict[str, TopicInfo]:
        self._broker.check_available()
        return {
            name: TopicInfo(name=name, topic_id=topic.topic_id, partitions=len(topic.logs))
            for name, topic in self._broker.topics.items()
            if name in topics
        }

    def create(self, topics: Sequence[TopicRequest]) -> list[str]:
        self._broker.check_available()
        new = [t for t in topics if t.name not in self._broker.topics]
        for topic in new:
            self._broker.add_topic(topic.name, topic.partitions)
        return [t.name for t in new]

    def grow(self, topic: str, partitions: int) -> None:
        self._broker.check_available()
        logs = self._broker.topics[topic].logs
        logs.extend(MemoryLog() for _ in range(partitions - len(logs)))

    def delete(self, topics: Sequence[str]) -> None:
        self._broker.check_available()
        for name in [t for t in topics if t in self._broker.topics]:
            self._broker.delete_topic(name)

    def latest_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        self._broker.check_available()
        return {tp: self._broker.log(*tp).next_offset for tp in partitions}

    def earliest_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        self._broker.check_available()
        return {tp: self._broker.log(*tp).beginning for tp in partitions}

    def group_offsets(self, group: str) -> dict[TopicPartition, Committed]:
        self._broker.check_available()
        return dict(self._broker.groups[group].offsets) if group in self._broker.groups else {}

    def static_members(self, group: str) -> list[str]:
        members = self._broker.groups[group].members if group in self._broker.groups else []
        return [m.instance_id for m in members if m.instance_id is not None]

    def remove_static_members(self, group: str, instance_ids: Sequence[str]) -> None:
        for member in [m for m in self._broker.groups[group].members if m.instance_id in instance_ids]:
            member.expire(member)

    def close(self) -> None:
        return
