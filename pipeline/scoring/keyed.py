"""What a scoring loop does about keyed state; nothing at all for a stream without."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from pipeline.kafka.port import Block, GroupMetadata, TopicPartition
from pipeline.scoring.forward import Enrich
from pipeline.scoring.ledger import CrashLedger
from pipeline.scoring.poison import Caution
from pipeline.scoring.poller import Assigned, Batch
from pipeline.state.keeper import StateKeeper

RECOVERING = "the keyed state of its partitions is being recovered"


class StateStatus(Protocol):
    """The part of a loop's status that is told of its state."""

    waiting: str | None
    warming_up: int | None
    incomplete: int


class StateMetrics(Protocol):
    """The part of a loop's metrics that shows its state."""

    def state(self, keeper: StateKeeper) -> None:
        """Show how it fares."""


class KeyedState:
    """Stands between one scoring loop, or one hop of a repartition step, and its keeper, if it has one."""

    def __init__(
        self,
        keeper: StateKeeper | None,
        *,
        status: StateStatus,
        metrics: StateMetrics,
        caution: Caution,
        ledger: CrashLedger,
    ) -> None:
        self._keeper, self._status, self._metrics = keeper, status, metrics
        self._caution, self._ledger = caution, ledger

    @property
    def enrich(self) -> Enrich | None:
        """What scoring derives columns with."""
        return None if self._keeper is None else self._keeper.enrich

    def recovered(self, item: Assigned, go_on: Callable[[], bool]) -> bool:
        """Have the state at the offsets assigned; False where `go_on` ended it early."""
        if self._keeper is None:
            return True
        waiting = None if self._status.waiting == RECOVERING else self._status.waiting
        self._status.waiting = RECOVERING
        done = self._keeper.recover(item.starts, item.topic_id, parts=self._parts, go_on=go_on)
        self._status.waiting = waiting
        return done

    def _parts(self, block: Block) -> Iterator[tuple[Block, bool]]:
        """A block to be replayed, with the same care as one to be scored: what killed the process would again."""
        nobody: GroupMetadata = object()  # a replay commits nothing
        for part in self._caution.parts(Batch(blocks=(block,), group=nobody, epoch=0)):
            self._ledger.begin(part.ranges())
            for piece in part.batch.blocks:
                yield piece, part.poison
            self._ledger.done(part.batch.positions())
            self._caution.passed(part.batch.positions())

    def released(self, partitions: frozenset[TopicPartition]) -> None:
        """These are no longer ours."""
        if self._keeper is not None:
            self._keeper.release(partitions)

    def committed(self, positions: Mapping[TopicPartition, int], *, poison: bool) -> None:
        """These offsets are committed. Right after a record that kills the process was passed over comes a snapshot,
        so that no replay meets it."""
        if self._keeper is not None:
            self._keeper.committed(positions, at_once=poison)

    def look(self) -> None:
        """Begin snapshots that are due, and show how the state fares."""
        if self._keeper is None:
            return
        self._keeper.tick()
        self._status.warming_up, self._status.incomplete = self._keeper.warming_up, self._keeper.incomplete
        self._metrics.state(self._keeper)

    def close(self) -> None:
        """Snapshot what moved, and end."""
        if self._keeper is not None:
            self._keeper.close()
