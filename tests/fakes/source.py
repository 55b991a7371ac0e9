"""Members of groups: assignments, positions, fenced commits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import DataGapError, FencedError, Gap
from pipeline.kafka.port import Block, Committed, Polled, RebalanceListener, TopicPartition
from tests.fakes.log import block_of

if TYPE_CHECKING:
    from tests.fakes.broker import MemoryBroker


@dataclass
class MemoryGroup:
    members: list["MemorySource"] = field(default_factory=list)
    owners: dict[TopicPartition, "MemorySource"] = field(default_factory=dict)
    offsets: dict[TopicPartition, Committed] = field(default_factory=dict)


@dataclass(frozen=True)
class MemoryGroupMetadata:
    member: "MemorySource"


class MemorySource:
    """A group member."""

    def __init__(self, broker: "MemoryBroker", group: MemoryGroup, instance_id: str | None) -> None:
        self._broker, self._group, self.instance_id = broker, group, instance_id
        self._topics: list[str] = []
        self._listener: RebalanceListener | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._ids: dict[TopicPartition, str] = {}
        self._paused: set[TopicPartition] = set()
        self._revoking = False

    def subscribe(self, topics: Sequence[str], listener: RebalanceListener) -> None:
        self._topics, self._listener = list(topics), listener
        if self.instance_id is not None:
            for older in [m for m in self._group.members if m.instance_id == self.instance_id]:
                self.expire(older)
        self._group.members.append(self)

    def expire(self, member: "MemorySource") -> None:
        """Throw a member out of the group, as a lost session or a newer member of its instance id does."""
        self._group.members.remove(member)
        self._group.owners = {tp: m for tp, m in self._group.owners.items() if m is not member}

    def poll(self, *, timeout_seconds: float, max_records: int) -> Polled:
        self._check()
        self._rebalance()
        blocks: list[Block] = []
        for tp in sorted(self._positions):
            if tp in self._paused or max_records <= 0 or tp.topic not in self._broker.topics:
                continue
            log = self._broker.log(*tp)
            if self._positions[tp] < log.beginning:
                gap = Gap(tp.topic, tp.partition, self._positions[tp], log.beginning)
                self._positions[tp] = log.beginning
                raise DataGapError([gap])
            records = [r for r in log.records if r.offset >= self._positions[tp]][:max_records]
            if records:
                blocks.append(block_of(tp, records))
                self._positions[tp] = blocks[-1].next_offset
                max_records -= len(records)
        return Polled(blocks=tuple(blocks), group=MemoryGroupMetadata(self))

    def _rebalance(self) -> None:
        members = self._group.members
        wanted = {
            TopicPartition(t, p): members[p % len(members)]
            for t in self._topics
            if t in self._broker.topics
            for p in range(len(self._broker.topics[t].logs))
        }
        mine = {tp for tp, member in wanted.items() if member is self}
        renewed = {
            tp for tp in self._positions if tp in mine and self._ids[tp] != self._broker.topics[tp.topic].topic_id
        }
        self._give_up(frozenset((self._positions.keys() - mine) | renewed))
        free = {tp for tp in mine if self._group.owners.get(tp, self) is self and tp not in self._positions}
        if free and self._listener is not None:
            self._take(frozenset(free), self._listener)

    def _give_up(self, gone: frozenset[TopicPartition]) -> None:
        if not gone or self._listener is None:
            return
        self._revoking = True
        self._listener.on_revoked(gone)
        self._revoking = False
        for tp in gone:
            del self._positions[tp]
            self._group.owners.pop(tp, None)
            self._paused.discard(tp)

    def _take(self, free: frozenset[TopicPartition], listener: RebalanceListener) -> None:
        for tp in free:
            committed = self._group.offsets.get(tp)
            self._group.owners[tp] = self
            self._positions[tp] = self._broker.log(*tp).beginning if committed is None else committed.offset
            self._ids[tp] = self._broker.topics[tp.topic].topic_id
        listener.on_assigned(free)

    def topic_id(self, topic: str) -> str:
        self._check()
        return next(i for tp, i in self._ids.items() if tp.topic == topic and tp in self._positions)

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._positions)

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self._paused.update(partitions)

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        self._paused.difference_update(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._check()
        assert partition in self._positions, f"{partition} is not assigned"
        self._positions[partition] = offset

    def position(self, partition: TopicPartition) -> int:
        return self._positions[partition]

    def committed(self, partition: TopicPartition) -> Committed | None:
        self._check()
        return self._group.offsets.get(partition)

    def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        self._broker.on_commit("before")
        self._check()
        if any(self._group.owners.get(tp) is not self for tp in offsets):
            raise FencedError("another member owns the partition: stop")
        self._group.offsets.update(offsets)
        self._broker.on_commit("after")

    def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        self._check()
        return {tp: self._broker.log(*tp).next_offset for tp in partitions}

    def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        self._check()
        return {tp: self._broker.log(*tp).beginning for tp in partitions}

    def close(self) -> None:
        """A static member keeps its place; another leaves."""
        if self.instance_id is None and self in self._group.members:
            self.expire(self)

    def _check(self) -> None:
        assert not self._revoking, "the source was called from on_revoked"
        self._broker.check_available()
        if self._listener is not None and self not in self._group.members:
            raise FencedError("another member uses this instance id: stop")
