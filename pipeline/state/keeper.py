"""The states of the partitions that one worker has of one stream: recovered, moved on, snapshotted.

States move past a batch's rows before its transaction and are not moved back when that aborts: after every rewind or
change of assignment the position of each is held against the committed offset, and one that differs is recovered.
Snapshots are taken only where the position is the committed offset.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import structlog

from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.intake import Intake, Taken
from pipeline.kafka.port import Block, Broker, TopicPartition
from pipeline.lake import Lake
from pipeline.state.enricher import Enricher
from pipeline.state.recipe import Recipe, recipe_of
from pipeline.state.recovery import Parts, is_usable, replay, whole
from pipeline.state.snapshots import SnapshotStore
from pipeline.state.writer import SnapshotWriter

log = structlog.get_logger(__name__)

RELEASE_SECONDS = 60.0
"""How long the state of a partition that was taken away stays in memory: most come back at once."""


@dataclass(slots=True)
class _Held:
    """One partition's state and what is known of it."""

    topic_id: str
    enricher: Enricher
    committed: int
    snapshot_at: int
    """The position of the last snapshot."""
    snapshot_due: float
    """Monotonic seconds."""
    released: float | None = None
    """Since when the partition is not ours, monotonic seconds."""


class StateKeeper:
    """For one scoring thread; `enrich` may be called from its decoding thread."""

    def __init__(self, spec: StreamSpec, recipe: Recipe, store: SnapshotStore, *, broker: Broker, clock: Clock) -> None:
        self._spec, self._recipe, self._store = spec, recipe, store
        self._broker, self._clock = broker, clock
        self._writer = SnapshotWriter(store)
        self._held: dict[TopicPartition, _Held] = {}
        self._replayed = 0

    @classmethod
    def of(cls, spec: StreamSpec, lake: Lake, *, broker: Broker, clock: Clock) -> "StateKeeper | None":
        """None for a stream without context and windows."""
        recipe = recipe_of(spec)
        if recipe is None:
            return None
        return cls(spec, recipe, SnapshotStore(lake.state(spec.stream), recipe), broker=broker, clock=clock)

    # -- assignments ---------------------------------------------------------------------------------------------

    def recover(
        self,
        starts: Mapping[TopicPartition, int],
        topic_id: str,
        *,
        parts: Parts = whole,
        go_on: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Have the state of every partition at its committed offset. States in memory that are there stay.

        False where `go_on` ended it early. Raises BrokerUnavailableError, or EddylineError when the log cannot be read.
        """
        began = self._clock.monotonic()
        wanted = {source: at for source, at in starts.items() if not self._stands_at(source, topic_id, at)}
        found, on_disk = dict[TopicPartition, Enricher](), dict[TopicPartition, int]()
        for source, at in wanted.items():
            found[source], on_disk[source] = self._nearest(source, topic_id, at)
        intake = Intake(self._spec)
        rows = replay(found, wanted, broker=self._broker, intake=intake, parts=parts, go_on=go_on)
        if rows is None:
            return False
        self._replayed += rows
        for source, enricher in found.items():
            self._hold(source, topic_id, enricher, snapshot_at=on_disk[source])
        for source, held in self._held.items():
            held.released = None if source in starts else held.released or began
        if found:
            seconds = self._clock.monotonic() - began
            log.info("state recovered", stream=self._spec.stream, partitions=len(found), rows=rows, seconds=seconds)
        return True

    def _stands_at(self, source: TopicPartition, topic_id: str, offset: int) -> bool:
        held = self._held.get(source)
        if held is None or held.topic_id != topic_id or held.enricher.position != offset:
            return False
        held.committed = offset
        return True

    def _nearest(self, source: TopicPartition, topic_id: str, offset: int) -> tuple[Enricher, int]:
        """The state to replay from (in memory, on disk, or empty), and where the one on disk stands."""
        self._store.clear_unfinished(topic_id, source.partition)
        stored = self._store.newest(topic_id, source.partition, not_after=offset)
        held = self._held.pop(source, None)
        on_disk = stored.position if stored is not None else 0
        if held is None or held.topic_id != topic_id or not is_usable(held.enricher, offset):
            return stored or Enricher(self._recipe), on_disk
        return (held.enricher if stored is None or held.enricher.position >= on_disk else stored), on_disk

    def _hold(self, source: TopicPartition, topic_id: str, enricher: Enricher, *, snapshot_at: int) -> None:
        self._held[source] = _Held(
            topic_id=topic_id,
            enricher=enricher,
            committed=enricher.position,
            snapshot_at=snapshot_at,
            snapshot_due=self._clock.monotonic() + self._spec.state.snapshot_seconds,
        )

    def release(self, partitions: Sequence[TopicPartition] | frozenset[TopicPartition]) -> None:
        """These are no longer ours. Their states stay for a while, should they come back unmoved."""
        for source in partitions:
            if source in self._held:
                self._held[source].released = self._clock.monotonic()

    # -- batches -------------------------------------------------------------------------------------------------

    def enrich(self, block: Block, taken: Taken) -> pa.RecordBatch:
        """A piece's rows with their derived columns. Pieces of a partition must come in order."""
        enricher = self._held[block.source].enricher
        return enricher.advance(taken.batch, taken.time_ms, next_offset=block.next_offset)

    def committed(self, positions: Mapping[TopicPartition, int], *, at_once: bool = False) -> None:
        """These offsets are committed. Begins a snapshot where one is due, or `at_once`."""
        for source, position in positions.items():
            self._held[source].committed = position
        if at_once:
            for source in positions:
                self._snapshot(self._held[source], source)
        self.tick()

    def tick(self) -> None:
        """Begin a snapshot where one is due and none is being written; forget states released long ago."""
        now = self._clock.monotonic()
        for source in [
            s for s, h in self._held.items() if h.released is not None and h.released < now - RELEASE_SECONDS
        ]:
            del self._held[source]
        if self._writer.busy:
            return
        due = [(held.snapshot_due, source) for source, held in self._held.items() if self._is_due(held, now)]
        if due:
            _, source = min(due)
            self._snapshot(self._held[source], source)

    def _is_due(self, held: _Held, now: float) -> bool:
        moved = held.committed - held.snapshot_at
        clean = held.released is None and held.enricher.position == held.committed
        return clean and moved > 0 and (now >= held.snapshot_due or moved >= self._spec.state.snapshot_events)

    def _snapshot(self, held: _Held, source: TopicPartition) -> None:
        if held.enricher.position != held.committed:
            return
        self._writer.write(held.topic_id, source.partition, held.enricher.snapshot())
        held.snapshot_at = held.committed
        held.snapshot_due = self._clock.monotonic() + self._spec.state.snapshot_seconds

    # -- what is said of it --------------------------------------------------------------------------------------

    @property
    def warming_up(self) -> int:
        """Partitions of ours whose state has seen less event time than it remembers."""
        return sum(held.enricher.warming_up for held in self._mine())

    @property
    def incomplete(self) -> int:
        """Partitions of ours whose state lacks events that the log no longer held."""
        return sum(held.enricher.lost for held in self._mine())

    def snapshot_counts(self) -> tuple[int, int]:
        """Snapshots written and failed since this was last asked."""
        return self._writer.counts()

    def replayed_since(self) -> int:
        """Rows replayed since this was last asked."""
        rows, self._replayed = self._replayed, 0
        return rows

    def _mine(self) -> list[_Held]:
        return [held for held in self._held.values() if held.released is None]

    def close(self) -> None:
        """Snapshot what moved since its last one, so that the next start replays nothing, and end the thread."""
        for source, held in self._held.items():
            if held.released is None and held.committed > held.snapshot_at:
                self._snapshot(held, source)
        self._writer.close()
