"""A broker in memory behind `pipeline.kafka.port`: topics, groups, fenced commits, transactions visible at commit.

Eager where Kafka is eager in what a user can see: a member that was replaced or expired is fenced, a topic made anew
has another id and starts at 0, deleted offsets are gaps. Rebalances happen in `poll`, one partition at a time, as
with the cooperative protocol. Listeners must not call the source from `on_revoked`; doing so fails the test.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from pipeline.errors import BrokerUnavailableError, DataGapError, FencedError, Gap, TransactionAbortedError
from pipeline.kafka.port import (
    Block,
    Broker,
    Committed,
    GroupMetadata,
    OutRecord,
    Polled,
    RebalanceListener,
    TopicInfo,
    TopicPartition,
    TopicRequest,
)


class MemoryRecord(NamedTuple):
    """One record of a partition."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class MemoryLog:
    """One partition."""

    records: list[MemoryRecord] = field(default_factory=list)
    beginning: int = 0
    next_offset: int = 0

    def append(self, record: OutRecord, now_ms: int) -> None:
        stamp = now_ms if record.timestamp_ms is None else record.timestamp_ms
        self.records.append(MemoryRecord(self.next_offset, stamp, record.key, record.value, record.headers))
        self.next_offset += 1

    def skip(self, offsets: int) -> None:
        """Leave a hole, as transaction markers and compaction do."""
        self.next_offset += offsets

    def trim(self, beginning: int) -> None:
        """Delete everything before an offset, as retention does."""
        self.records = [r for r in self.records if r.offset >= beginning]
        self.beginning = max(self.beginning, beginning)
        self.next_offset = max(self.next_offset, beginning)


@dataclass
class MemoryTopic:
    topic_id: str
    logs: list[MemoryLog]


@dataclass
class MemoryGroup:
    members: list["MemorySource"] = field(default_factory=list)
    owners: dict[TopicPartition, "MemorySource"] = field(default_factory=dict)
    offsets: dict[TopicPartition, Committed] = field(default_factory=dict)


@dataclass(frozen=True)
class MemoryGroupMetadata:
    member: "MemorySource"


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

    def source(self, *, group: str, instance_id: str | None = None) -> "MemorySource":
        return MemorySource(self, self.groups.setdefault(group, MemoryGroup()), instance_id)

    def transactional_sink(self, *, transactional_id: str) -> "MemorySink":
        return MemorySink(self, transactional_id)

    def producer(self) -> "MemoryProducer":
        return MemoryProducer(self)

    def admin(self) -> "MemoryAdmin":
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


def block_of(partition: TopicPartition, records: Sequence[MemoryRecord]) -> Block:
    """Records as one block."""
    return Block(
        source=partition,
        offsets=np.array([r.offset for r in records], np.int64),
        timestamps_ms=np.array([r.timestamp_ms for r in records], np.int64),
        keys=[r.key for r in records],
        values=[r.value for r in records],
    )


class MemorySource:
    """A group member."""

    def __init__(self, broker: MemoryBroker, group: MemoryGroup, instance_id: str | None) -> None:
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


class MemorySink:
    """A transactional producer: all of a commit, or nothing."""

    def __init__(self, broker: MemoryBroker, transactional_id: str) -> None:
        self._broker, self._id = broker, transactional_id
        self._epoch = broker.next_epoch(transactional_id)
        self.abort_next = False

    def commit(
        self,
        records: Sequence[OutRecord],
        offsets: Mapping[TopicPartition, Committed],
        group: GroupMetadata | None,
    ) -> None:
        self._broker.check_available()
        if self._broker.epoch(self._id) != self._epoch:
            raise FencedError("another producer uses this transactional id: stop")
        if self.abort_next:
            self.abort_next = False
            raise TransactionAbortedError("aborted by the test: do it again")
        if offsets:
            assert isinstance(group, MemoryGroupMetadata)
            group.member.commit(offsets)
        for record in records:
            self._broker.append(record)

    def close(self) -> None:
        return


class MemoryProducer:
    """A plain producer."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def send(self, record: OutRecord) -> None:
        self._broker.check_available()
        self._broker.append(record)

    def flush(self) -> None:
        self._broker.check_available()

    def close(self) -> None:
        return


class MemoryAdmin:
    """Administration."""

    def __init__(self, broker: MemoryBroker) -> None:
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


def _conforms(broker: MemoryBroker) -> Broker:
    """Type-checked, never called: the fake is a `Broker`."""
    return broker
