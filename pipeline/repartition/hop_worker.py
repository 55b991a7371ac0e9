"""The loop of one hop in one worker slot: take, move, then write and commit as one.

A resume starts at the committed offsets with the keyed state of those offsets. Whatever goes wrong with a transaction,
the answer is the same: drop what is queued, go back to what is committed, recover the state.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from pipeline.clock import Clock
from pipeline.errors import BrokerUnavailableError, TransactionAbortedError
from pipeline.kafka.port import Broker, Committed, TopicPartition
from pipeline.repartition.mover import Moved, Mover
from pipeline.repartition.plan import Hop
from pipeline.repartition.progress import HopProgress
from pipeline.scoring.delivery import ExactlyOnce
from pipeline.scoring.keyed import KeyedState
from pipeline.scoring.ledger import CrashLedger
from pipeline.scoring.names import Identity
from pipeline.scoring.poison import Caution
from pipeline.scoring.poller import Assigned, Batch, Poller, Revoked
from pipeline.scoring.rejects import too_many
from pipeline.state.keeper import StateKeeper

log = structlog.get_logger()

TAKE_SECONDS = 0.2
IDLE_CHECK_SECONDS = 1.0
DRAIN_SECONDS = 15.0
RETRY_SECONDS = 1.0
MAX_BATCH_RECORDS = 16_384
"""Of JSON, an event each; Arrow batches end at their bytes."""


@dataclass(slots=True)
class _Owned:
    """One partition of ours."""

    topic_id: str
    position: int
    seen: int = 0
    rejected: dict[str, int] = field(default_factory=dict)


class HopWorker(threading.Thread):
    """Moves one hop's events until stopped. `failure` says why it ended by itself."""

    def __init__(
        self,
        hop: Hop,
        *,
        identity: Identity,
        broker: Broker,
        clock: Clock,
        ledger: CrashLedger,
        keeper: StateKeeper | None,
        ensure_topics: Callable[[], None],
        accept_rejects: bool = False,
    ) -> None:
        """`ensure_topics` makes the step's topics, and grows them with the source."""
        super().__init__(name=f"eddyline-{hop.name}-{hop.reads.stream}", daemon=True)
        self.hop = hop
        self.slot = hop.slot_name(identity.instance, identity.slot)
        self.progress = HopProgress(hop.reads.stream, hop.name, clock)
        self.failure: Exception | None = None
        self._broker, self._clock, self._ledger, self._ensure_topics = broker, clock, ledger, ensure_topics
        self._accept_rejects = accept_rejects
        self._caution = Caution(ledger.load())
        self._keyed = KeyedState(
            keeper, status=self.progress, metrics=self.progress, caution=self._caution, ledger=ledger
        )
        self._mover = Mover(hop, self._keyed.enrich)
        self._owned: dict[TopicPartition, _Owned] = {}
        self._stop_event = threading.Event()
        self._next_idle = 0.0

    def stop(self) -> None:
        """Move and commit what is queued, then end."""
        self._stop_event.set()

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Move events until stopped or failed."""
        try:
            self._prepare()
            self._loop()
        except Exception as error:  # noqa: BLE001 - the thread's edge: the process reports it and ends
            log.error("repartitioning ended", hop=self.hop.name, error=str(error), kind=type(error).__name__)
            self.failure = error
            self.progress.last_error = str(error)

    def _prepare(self) -> None:
        """Make the topics, fence the slot's earlier self, and join the group."""
        self._ensure_topics()
        source = self._broker.source(group=self.hop.group, instance_id=self.slot)
        self._poller = Poller(source, self.hop.reads.topic, max_batch_records=MAX_BATCH_RECORDS)
        self._output = ExactlyOnce(self._broker.transactional_sink(transactional_id=self.slot))
        self._admin = self._broker.admin()
        self._poller.start()

    def _loop(self) -> None:
        try:
            while not self._stop_event.is_set():
                self._step()
            self._poller.drain()
            deadline = self._clock.monotonic() + DRAIN_SECONDS
            while self._clock.monotonic() < deadline and self._step(timeout_seconds=0.0):
                pass
        finally:
            self._poller.stop()
            self._poller.join(DRAIN_SECONDS)
            self._output.close()
            self._admin.close()
            self._keyed.close()

    def _step(self, timeout_seconds: float = TAKE_SECONDS) -> bool:
        """Take and handle one item. False when there was none."""
        linger = self.hop.reads.scoring.max_batch_wait_ms / 1000
        item = self._poller.take(timeout_seconds=timeout_seconds, linger_seconds=linger)
        try:
            match item:
                case Batch():
                    self._handle(item)
                case Assigned():
                    self._assign(item)
                case Revoked():
                    for partition in item.partitions:
                        self._owned.pop(partition, None)
                    self._keyed.released(item.partitions)
            self._idle()
        except TransactionAbortedError as error:
            self._go_back(str(error))
        except BrokerUnavailableError as error:
            self._stop_event.wait(RETRY_SECONDS)
            self._go_back(str(error))
        return item is not None

    def _go_back(self, why: str) -> None:
        log.warning("going back to the committed offsets", hop=self.hop.name, why=why)
        self.progress.last_error = why
        self.progress.transactions["aborted"] += 1
        self._owned.clear()
        self._poller.rewind(hold=self.progress.paused is not None)

    def _assign(self, item: Assigned) -> None:
        self._owned.clear()
        if item.epoch != self._poller.epoch:
            return
        if item.starts:
            self._ensure_topics()
            self._mover.target_partitions = self._admin.describe([self.hop.target])[self.hop.target].partitions
            if not self._keyed.recovered(item, lambda: self._is_current(item)):
                return
            self._owned = {source: _Owned(item.topic_id, start) for source, start in item.starts.items()}
        self.progress.assigned, self.progress.joined = len(self._owned), True

    def _is_current(self, item: Assigned) -> bool:
        """Whether an assignment still holds, and is still wanted."""
        return item.epoch == self._poller.epoch and not self._stop_event.is_set()

    # -- batches -------------------------------------------------------------------------------------------------

    def _handle(self, batch: Batch) -> None:
        if any(source not in self._owned for source in batch.positions()):
            return  # voided while it was on its way
        for part in self._caution.parts(batch):
            self._ledger.begin(part.ranges())
            moved = self._mover.move(part.batch.blocks, poison=part.poison)
            if self._rejects_too_many(moved) or not self._committed(moved, batch):
                return
            self._keyed.committed(moved.positions, poison=part.poison)
            self._ledger.done(moved.positions)
            self._caution.passed(moved.positions)

    def _committed(self, moved: Moved, batch: Batch) -> bool:
        """Write the batch; False when its partitions were revoked before the transaction began."""
        offsets = {s: Committed(position, self._owned[s].topic_id) for s, position in moved.positions.items()}
        with self._poller.committing(batch.epoch) as valid:
            if valid:
                self._output.write(moved.records, offsets, batch.group)
        if not valid:
            self._owned.clear()  # an announcement of what is ours now is on its way
            return False
        for source, position in moved.positions.items():
            self._owned[source].position = position
        self.progress.moved(moved)
        return True

    def _rejects_too_many(self, moved: Moved) -> bool:
        """Pause the hop instead of dead-lettering a whole topic. Nothing of the batch is committed."""
        if self._accept_rejects:
            return False
        most_share = self.hop.reads.scoring.max_rejected_share
        for source, reasons in moved.rejects.items():
            verdict = too_many(self._owned[source], moved.seen[source], reasons, most_share)
            if verdict is not None:
                self.progress.paused = self.progress.last_error = verdict.message(self.hop.reads.stream)
                log.error("stream paused", hop=self.hop.name, why=self.progress.paused)
                self._poller.rewind(hold=True)
                return True
        return False

    # -- what happens without events -----------------------------------------------------------------------------

    def _idle(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_idle:
            return
        self._next_idle = now + IDLE_CHECK_SECONDS
        self.progress.gaps, self.progress.trouble = len(self._poller.gaps), self._poller.trouble
        self.progress.joined |= self._poller.group is not None  # a spare worker has joined too, without partitions
        self._keyed.look()
        ends = self._admin.latest_offsets(list(self._owned))
        self.progress.lag = sum(max(0, ends.get(s, 0) - owned.position) for s, owned in self._owned.items())
