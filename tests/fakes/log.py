"""Records, partitions and topics in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pipeline.kafka.port import Block, OutRecord, TopicPartition


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


def block_of(partition: TopicPartition, records: Sequence[MemoryRecord]) -> Block:
    """Records as one block."""
    return Block(
        source=partition,
        offsets=np.array([r.offset for r in records], np.int64),
        timestamps_ms=np.array([r.timestamp_ms for r in records], np.int64),
        keys=[r.key for r in records],
        values=[r.value for r in records],
    )
