"""Alerts fetched and not yet delivered, and how far each partition is done.

Partitions may be taken away from the client's own thread, hence the lock.
"""

import threading
from collections import deque
from typing import NamedTuple

from pipeline.kafka.port import Block, TopicPartition


class Waiting(NamedTuple):
    """One record of the alerts topic."""

    source: TopicPartition
    offset: int
    value: bytes | None


class Inbox:
    """A queue in fetch order, which keeps each partition's order."""

    def __init__(self) -> None:
        self._queue: deque[Waiting] = deque()
        self._done: dict[TopicPartition, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, block: Block) -> None:
        """Queue a block's records."""
        with self._lock:
            for offset, value in zip(block.offsets, block.values, strict=True):
                self._queue.append(Waiting(block.source, int(offset), value))

    def head(self) -> Waiting | None:
        """The oldest record, which stays."""
        with self._lock:
            return self._queue[0] if self._queue else None

    def finish(self, record: Waiting) -> None:
        """The record is delivered, or needs no delivery. One whose partition has gone away is passed over."""
        with self._lock:
            if self._queue and self._queue[0] == record:
                self._queue.popleft()
                self._done[record.source] = record.offset + 1

    def done(self) -> dict[TopicPartition, int]:
        """Next offsets to commit."""
        with self._lock:
            return dict(self._done)

    def committed(self, offsets: dict[TopicPartition, int]) -> None:
        """These were committed."""
        with self._lock:
            self._done = {tp: offset for tp, offset in self._done.items() if offsets.get(tp) != offset}

    def drop(self, partitions: frozenset[TopicPartition]) -> None:
        """The partitions belong to another now, who reads them again from the committed offset."""
        with self._lock:
            self._queue = deque(w for w in self._queue if w.source not in partitions)
            self._done = {tp: offset for tp, offset in self._done.items() if tp not in partitions}
