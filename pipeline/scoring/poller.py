"""The polling thread: owns the consumer, keeps a bounded queue full, and answers for who owns what.

Polling runs beside scoring; neither waits for the other until the queue is full, and then only the fetching pauses.
What the scoring thread takes is in order: an assignment comes before its partitions' first events, a revocation
removes their queued events. `committing` is the only door to a transaction: a batch whose partitions were revoked
does not pass it, and a revocation waits (for a bounded time) for the one inside.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import structlog

from pipeline.errors import BrokerUnavailableError, DataGapError, FencedError, Gap
from pipeline.kafka.port import Block, Committed, GroupMetadata, Source, TopicPartition

log = structlog.get_logger()

MAX_BATCH_BYTES = 16 * 1024 * 1024
FIRST_POLL_RECORDS = 100
"""Before anything is known of the records' size."""
POLL_SECONDS = 0.1
DRAIN_SECONDS = 2.0
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Events to be scored together, all owned when they were polled."""

    blocks: tuple[Block, ...]
    group: GroupMetadata
    epoch: int
    """Assignments and rewinds so far: a batch of an earlier epoch is void."""
    bytes: int = 0
    """Of all values."""

    @property
    def records(self) -> int:
        """Records in all blocks; each holds one event or, in Arrow, many."""
        return sum(map(len, self.blocks))

    def positions(self) -> dict[TopicPartition, int]:
        """The next offset of every partition in the batch."""
        return {block.source: block.next_offset for block in self.blocks}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """Partitions that are now ours (or ours again after an abort), where they start, and the topic's incarnation."""

    starts: dict[TopicPartition, int]
    topic_id: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """Partitions that are no longer ours."""

    partitions: frozenset[TopicPartition]


Item = Batch | Assigned | Revoked


class Poller(threading.Thread):
    """Polls `source` until stopped. Everything public but `run` may be called from the scoring thread."""

    def __init__(
        self,
        source: Source,
        topic: str,
        *,
        max_batch_records: int,
        max_batch_bytes: int = MAX_BATCH_BYTES,
        queue_batches: int = 4,
    ) -> None:
        super().__init__(name="eddyline-poller", daemon=True)
        self._source = source
        self._topic = topic
        self._max_batch_records = max_batch_records
        self._max_batch_bytes = max_batch_bytes
        self._queue_batches = queue_batches
        self._poll_records = min(FIRST_POLL_RECORDS, max_batch_records)
        self._changed = threading.Condition()
        self._queue: deque[Item] = deque()
        self._queued_records = 0
        self._queued_bytes = 0
        self._epoch = 0
        self._committing = False
        self._stopping = False
        self._paused = False
        self._draining = False
        self._held = False
        self._rewinds_asked = 0
        self._rewinds_served = 0
        self._offsets_to_commit: dict[TopicPartition, Committed] = {}
        self._owned: frozenset[TopicPartition] = frozenset()
        self._group: GroupMetadata | None = None
        self.idle_since: float | None = None
        """When polls began to come back empty (monotonic seconds): the partitions were read to their ends. None while
        events come, fetching is paused, or the broker is away."""
        self.failure: Exception | None = None
        self.trouble: str | None = None
        self.gaps: list[Gap] = []

    # -- the scoring thread's side -------------------------------------------------------------------------------

    def take(self, *, timeout_seconds: float, linger_seconds: float = 0.0) -> Item | None:
        """The next item, batches joined up to the greatest size; None when nothing came in time.

        Raises the polling thread's failure once everything before it was taken.
        """
        with self._changed:
            if not self._queue and self.failure is None:
                self._changed.wait(timeout_seconds)
            if not self._queue:
                if self.failure is not None:
                    raise self.failure
                return None
            if linger_seconds > 0.0 and isinstance(self._queue[0], Batch) and len(self._queue) == 1:
                self._changed.wait(linger_seconds)
            return self._next()

    def _next(self) -> Item | None:
        if not self._queue:
            return None
        first = self._queue.popleft()
        if not isinstance(first, Batch):
            return first
        joined = [first]
        records, size = first.records, first.bytes
        while self._queue and isinstance(more := self._queue[0], Batch):
            records, size = records + more.records, size + more.bytes
            if records > self._max_batch_records or size > self._max_batch_bytes:
                break
            joined.append(more)
            self._queue.popleft()
        self._queued_records -= sum(b.records for b in joined)
        self._queued_bytes -= sum(b.bytes for b in joined)
        self._changed.notify_all()
        blocks = _merged([block for b in joined for block in b.blocks])
        return Batch(blocks=blocks, group=joined[-1].group, epoch=first.epoch, bytes=size)

    @contextmanager
    def committing(self, epoch: int) -> Iterator[bool]:
        """Enter a transaction for what was polled in `epoch`; gives False when that is void by now."""
        with self._changed:
            valid = epoch == self._epoch
            self._committing = valid
        try:
            yield valid
        finally:
            with self._changed:
                self._committing = False
                self._changed.notify_all()

    def rewind(self, *, hold: bool = False) -> None:
        """Drop what is queued, go back to the committed offsets, and announce them as assigned.

        After an abort; and with `hold`, to fetch nothing more until the next rewind without it.
        """
        with self._changed:
            self._void()
            self._held = hold
            self._rewinds_asked += 1
            self._changed.notify_all()

    def drain(self) -> None:
        """Fetch nothing more; what is queued can still be taken and committed."""
        with self._changed:
            self._draining = True

    def commit_offsets(self, offsets: dict[TopicPartition, Committed]) -> None:
        """Have the polling thread commit these (for delivery without transactions)."""
        with self._changed:
            self._offsets_to_commit |= offsets

    @property
    def group(self) -> GroupMetadata | None:
        """The generation of the latest poll, for a transaction that commits no new events."""
        return self._group

    @property
    def epoch(self) -> int:
        """The current epoch."""
        return self._epoch

    def stop(self) -> None:
        """Stop polling. What is queued and not yet scored will be read again by the next owner."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _void(self) -> None:
        """Start a new epoch and drop queued batches. Only while holding the lock."""
        self._epoch += 1
        self._queue = deque(item for item in self._queue if isinstance(item, Revoked))
        self._queued_records = self._queued_bytes = 0

    # -- the polling thread's side -------------------------------------------------------------------------------

    def run(self) -> None:
        """Poll until stopped or failed."""
        try:
            self._source.subscribe([self._topic], self)
            while not self._stopping:
                self._step()
            self._commit_pending()
        except Exception as error:  # noqa: BLE001 - the thread's edge: the scoring thread raises it from `take`
            with self._changed:
                self.failure = error
                self._changed.notify_all()
        finally:
            self._source.close()

    def _step(self) -> None:
        try:
            self._commit_pending()
            self._go_back()
            self._balance()
            polled = self._source.poll(timeout_seconds=POLL_SECONDS, max_records=self._poll_records)
            self.trouble = None
            self._group = polled.group
            if polled.blocks or self._paused:
                self.idle_since = None
            elif self.idle_since is None:
                self.idle_since = time.monotonic()
            if polled.blocks:
                self._enqueue(polled.blocks, polled.group)
        except DataGapError as gap:
            self.gaps.extend(gap.gaps)
            log.error("events lost before they were read", gaps=str(gap))
        except BrokerUnavailableError as error:
            self.trouble, self.idle_since = str(error), None
            log.warning("broker unavailable, retrying", error=str(error), retry_seconds=RETRY_SECONDS)
            with self._changed:
                self._changed.wait(RETRY_SECONDS)

    def _enqueue(self, blocks: Sequence[Block], group: GroupMetadata) -> None:
        with self._changed:
            wanted = tuple(b for b in blocks if b.source in self._owned)
            if not wanted or self._rewinds_asked != self._rewinds_served or self._held or self._draining:
                return  # they will be read again, from the committed offset
            size = sum(len(v) for b in wanted for v in b.values if v is not None)
            batch = Batch(blocks=wanted, group=group, epoch=self._epoch, bytes=size)
            self._queue.append(batch)
            self._queued_records += batch.records
            self._queued_bytes += size
            mean_bytes = max(1, size // batch.records)
            self._poll_records = max(1, min(self._max_batch_records, self._max_batch_bytes // mean_bytes))
            self._changed.notify_all()

    def _full(self) -> bool:
        return (
            self._queued_records >= self._max_batch_records * self._queue_batches
            or self._queued_bytes >= self._max_batch_bytes * self._queue_batches
        )

    def _balance(self) -> None:
        """Pause fetching while the queue is full (having first given the scorer a moment), held or draining."""
        with self._changed:
            if self._full():
                self._changed.wait_for(lambda: not self._full() or self._stopping, POLL_SECONDS)
            quiet = self._full() or self._held or self._draining
            owned = sorted(self._owned)
        if quiet and not self._paused:
            self._source.pause(owned)
        elif self._paused and not quiet:
            self._source.resume(owned)
        self._paused = quiet

    def _go_back(self) -> None:
        """Serve rewinds: seek every partition to its committed offset and announce it anew."""
        with self._changed:
            asked, owned = self._rewinds_asked, sorted(self._owned)
        if asked == self._rewinds_served:
            return
        starts = {p: self._start(p) for p in owned}
        for partition, offset in starts.items():
            self._source.seek(partition, offset)
        with self._changed:
            if asked != self._rewinds_asked:
                return  # asked once more meanwhile: the next step serves both
            self._rewinds_served = asked
            topic_id = self._source.topic_id(self._topic)
            self._queue.append(Assigned(starts=starts, topic_id=topic_id, epoch=self._epoch))
            self._changed.notify_all()

    def _start(self, partition: TopicPartition) -> int:
        """The committed offset, or the beginning where none is committed for this incarnation of the topic."""
        committed = self._source.committed(partition)
        if committed is not None and committed.metadata in ("", self._source.topic_id(partition.topic)):
            return committed.offset
        return self._source.beginning_offsets([partition])[partition]

    def _commit_pending(self) -> None:
        with self._changed:
            offsets, self._offsets_to_commit = self._offsets_to_commit, {}
        owned = {p: c for p, c in offsets.items() if p in self._owned}
        if not owned:
            return
        try:
            self._source.commit(owned)
        except FencedError:
            log.info("offsets not committed: the partitions have moved on", partitions=len(owned))

    # -- RebalanceListener ---------------------------------------------------------------------------------------

    def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Void what is queued, and wait for a transaction under way."""
        with self._changed:
            self._owned -= partitions
            self._void()
            self._queue.append(Revoked(partitions=partitions))
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._committing, DRAIN_SECONDS)

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Have every partition now owned announced: those kept lost their queued events when the epoch changed."""
        with self._changed:
            self._owned |= partitions
            self._void()
            self._rewinds_asked += 1
            self._paused = False  # a new assignment comes unpaused; the next step pauses it again if need be
        log.info("partitions assigned", topic=self._topic, partitions=sorted(p.partition for p in self._owned))


def _merged(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """One block a partition: many small ones would each be decoded by themselves."""
    by_source: dict[TopicPartition, list[Block]] = {}
    for block in blocks:
        by_source.setdefault(block.source, []).append(block)
    return tuple(parts[0] if len(parts) == 1 else _joined(parts) for parts in by_source.values())


def _joined(parts: Sequence[Block]) -> Block:
    return Block(
        source=parts[0].source,
        offsets=np.concatenate([p.offsets for p in parts]),
        timestamps_ms=np.concatenate([p.timestamps_ms for p in parts]),
        keys=[key for p in parts for key in p.keys],
        values=[value for p in parts for value in p.values],
    )
