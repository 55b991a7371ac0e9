"""Reads single stretches of a topic as a member of the canaries' consumer group; between them everything is paused.

What is about to be looked at is committed first: a stretch is looked at once at most, whatever dies in between. The
group's offsets say nothing of progress: a reader skips to the newest events.
"""

import threading
from collections.abc import Sequence

from pipeline.clock import Clock
from pipeline.config import CodecFormat, StreamSpec
from pipeline.errors import DataGapError, FencedError
from pipeline.kafka.port import Block, Committed, Source, TopicPartition

POLL_SECONDS = 0.5
READ_SECONDS = 10.0
MOST_POLLED = 500


class StretchReader:
    """For one thread. Every method raises BrokerUnavailableError; `keep_alive` also FencedError."""

    def __init__(self, spec: StreamSpec, source: Source, clock: Clock) -> None:
        self._spec, self._source, self._clock = spec, source, clock
        self.owned: frozenset[TopicPartition] = frozenset()
        self._lock = threading.Lock()

    def subscribe(self) -> None:
        """Join the group."""
        self._source.subscribe([self._spec.topic], self)

    def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """These go to another member."""
        with self._lock:
            self.owned -= partitions

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Nothing is read before a stretch is asked for."""
        self._source.pause(sorted(partitions))
        with self._lock:
            self.owned |= partitions

    def keep_alive(self, timeout_seconds: float) -> None:
        """Stay in the group for so long, and take what it gives or takes away. A poll without time never joins."""
        self._source.pause(sorted(self.owned))
        try:
            self._source.poll(timeout_seconds=timeout_seconds, max_records=1)
        except DataGapError:
            return  # the next stretch is sought anyway

    def bounds(self, partition: TopicPartition) -> tuple[int, int]:
        """The first offset that no stretch has had and that is still held, and the end."""
        claimed = self._source.committed(partition)
        same = claimed is not None and claimed.metadata in ("", self._source.topic_id(partition.topic))
        first = self._source.beginning_offsets([partition])[partition]
        end = self._source.end_offsets([partition])[partition]
        return max(first, claimed.offset if claimed is not None and same else 0), end

    def topic_id(self) -> str:
        """The incarnation of the topic."""
        return self._source.topic_id(self._spec.topic)

    def read(self, partition: TopicPartition, start: int, *, rows: int) -> list[Block]:
        """Records from an offset on, about `rows` of them (of a format with many rows a record: one), claimed when
        this returns. Nothing where the partition went away meanwhile, or nothing came."""
        blocks = self._fetched(partition, start, rows if self._spec.format is CodecFormat.JSON else 1)
        if not blocks or partition not in self.owned:
            return []
        try:
            self._source.commit({partition: Committed(blocks[-1].next_offset, self.topic_id())})
        except FencedError:
            return []  # it has moved on to another member
        return blocks

    def _fetched(self, partition: TopicPartition, start: int, records: int) -> list[Block]:
        self._source.seek(partition, start)
        self._source.resume([partition])
        blocks, left = list[Block](), records
        deadline = self._clock.monotonic() + READ_SECONDS
        try:
            while left > 0 and partition in self.owned and self._clock.monotonic() < deadline:
                polled = self._source.poll(timeout_seconds=POLL_SECONDS, max_records=min(left, MOST_POLLED))
                found = [block for block in polled.blocks if block.source == partition and len(block)]
                if not found and blocks:
                    break  # the end
                blocks += found
                left -= sum(map(len, found))
        except DataGapError:
            return []
        finally:
            self._source.pause(sorted(self.owned))
        return blocks

    def close(self) -> None:
        """Leave the group."""
        self._source.close()


def joined(blocks: Sequence[Block]) -> Block:
    """Blocks of one partition as one."""
    import numpy as np

    return Block(
        source=blocks[0].source,
        offsets=np.concatenate([block.offsets for block in blocks]),
        timestamps_ms=np.concatenate([block.timestamps_ms for block in blocks]),
        keys=[key for block in blocks for key in block.keys],
        values=[value for block in blocks for value in block.values],
    )
