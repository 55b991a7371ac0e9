"""The scoring loop of one stream in one worker slot: take, score, decide, then write and commit as one.

A resume restarts at the committed offsets with the episodes that were committed with them. Whatever goes wrong with a
transaction, the answer is the same: drop what is queued, go back to what is committed, read the state again.
"""

import threading

import structlog

from pipeline.alerts.staged import Staged
from pipeline.clock import Clock
from pipeline.config import Delivery, StreamSpec
from pipeline.errors import BrokerUnavailableError, TransactionAbortedError
from pipeline.feedback.rules import NO_RULES
from pipeline.feedback.watch import FeedbackWatch
from pipeline.kafka.port import Broker, TopicPartition
from pipeline.masking import Masker
from pipeline.metrics import StreamMetrics
from pipeline.model_store import Bundle
from pipeline.scoring.champion import ChampionWatch
from pipeline.scoring.delivery import Output, make_output
from pipeline.scoring.keyed import KeyedState
from pipeline.scoring.ledger import CrashLedger
from pipeline.scoring.names import Identity, group_name, slot_name
from pipeline.scoring.output import alert_records, changelog_records
from pipeline.scoring.partitions import PartitionState, ensure_output_topics, restore
from pipeline.scoring.poison import Caution
from pipeline.scoring.poller import Assigned, Batch, Poller, Revoked
from pipeline.scoring.rejects import too_many
from pipeline.scoring.status import StreamStatus
from pipeline.scoring.stream_scorer import Scored, StreamScorer
from pipeline.state.keeper import StateKeeper

log = structlog.get_logger()

TAKE_SECONDS = 0.2
IDLE_CHECK_SECONDS = 1.0
DRAIN_SECONDS = 15.0
RETRY_SECONDS = 1.0


class StreamWorker(threading.Thread):
    """Scores one stream until stopped. `failure` says why it ended by itself."""

    def __init__(
        self,
        spec: StreamSpec,
        *,
        identity: Identity,
        broker: Broker,
        champions: ChampionWatch,
        clock: Clock,
        metrics: StreamMetrics,
        masker: Masker,
        ledger: CrashLedger,
        keeper: StateKeeper | None = None,
        delivery: Delivery = Delivery.EXACTLY_ONCE,
        replication_factor: int = 1,
        accept_rejects: bool = False,
        feedback: FeedbackWatch | None = None,
    ) -> None:
        super().__init__(name=f"eddyline-score-{spec.stream}", daemon=True)
        self.spec = spec
        self.status = StreamStatus(spec, clock)
        self.failure: Exception | None = None
        self._broker = broker
        self._champions = champions
        self._clock = clock
        self._metrics = metrics
        self._masker = masker
        self._ledger = ledger
        self._caution = Caution(ledger.load())
        self._delivery = delivery
        self._replication_factor = replication_factor
        self._accept_rejects = accept_rejects
        self._feedback = feedback
        self._slot = slot_name(spec.stream, identity.instance, identity.slot)
        self._keyed = KeyedState(keeper, status=self.status, metrics=metrics, caution=self._caution, ledger=ledger)
        self._scorer = StreamScorer(spec, self._keyed.enrich)
        self._states: dict[TopicPartition, PartitionState] = {}
        self._stop_event = threading.Event()
        self._waiting_for_model = False
        self._next_idle = 0.0
        self._ends: dict[TopicPartition, int] = {}

    def stop(self) -> None:
        """Score and commit what is queued, then end."""
        self._stop_event.set()

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Score until stopped or failed."""
        try:
            self._prepare()
            self._loop()
        except Exception as error:  # noqa: BLE001 - the thread's edge: the process reports it and ends
            log.error("scoring ended", stream=self.spec.stream, error=str(error), kind=type(error).__name__)
            self.failure = error
            self.status.last_error = str(error)

    def _prepare(self) -> None:
        """Wait for the source topic, make the output topics, fence the slot's earlier self, and join the group."""
        self._ensure_topics()
        source = self._broker.source(group=group_name(self.spec.stream), instance_id=self._slot)
        self._poller = Poller(source, self.spec.topic, max_batch_records=self.spec.scoring.max_batch_events)
        self._output: Output = make_output(
            self._delivery,
            self._broker,
            transactional_id=self._slot,
            commit_offsets=self._poller.commit_offsets,
        )
        self._admin = self._broker.admin()
        self._poller.start()

    def _ensure_topics(self) -> None:
        ensure_output_topics(self.spec, self._broker, replication_factor=self._replication_factor)

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
            self._scorer.close()
            self._keyed.close()

    def _step(self, timeout_seconds: float = TAKE_SECONDS) -> bool:
        """Take and handle one item. False when there was none."""
        item = self._poller.take(
            timeout_seconds=timeout_seconds, linger_seconds=self.spec.scoring.max_batch_wait_ms / 1000
        )
        try:
            match item:
                case Batch():
                    self._handle(item)
                case Assigned():
                    self._assign(item)
                case Revoked():
                    for partition in item.partitions:
                        self._states.pop(partition, None)
                    self._keyed.released(item.partitions)
            self._idle()
        except TransactionAbortedError as error:
            self._go_back(str(error))
        except BrokerUnavailableError as error:
            self._stop_event.wait(RETRY_SECONDS)
            self._go_back(str(error))
        return item is not None

    def _go_back(self, why: str) -> None:
        log.warning("going back to the committed offsets", stream=self.spec.stream, why=why)
        self.status.last_error = why
        self._metrics.transactions.labels(result="aborted").inc()
        self._states.clear()
        self._poller.rewind(hold=self._waiting_for_model or self.status.paused is not None)

    # -- assignments ---------------------------------------------------------------------------------------------

    def _assign(self, item: Assigned) -> None:
        self._states.clear()
        if item.epoch != self._poller.epoch:
            return
        if item.starts:
            self._ensure_topics()
            if not self._keyed.recovered(item, lambda: self._is_current(item)):
                return
            self._states = restore(self.spec, self._broker, self._masker, item.starts, item.topic_id)
        self.status.assigned = len(self._states)
        self.status.joined = True
        if self._champions.current(self.spec.stream) is None and not self._waiting_for_model:
            log.warning("no model yet: run `eddyline train`", stream=self.spec.stream)
            self.status.waiting = f"no model yet: run `eddyline train {self.spec.stream}`"
            self._waiting_for_model = True
            self._poller.rewind(hold=True)

    def _is_current(self, item: Assigned) -> bool:
        """Whether an assignment still holds, and is still wanted."""
        return item.epoch == self._poller.epoch and not self._stop_event.is_set()

    # -- batches -------------------------------------------------------------------------------------------------

    def _handle(self, batch: Batch) -> None:
        bundle = self._champions.current(self.spec.stream)
        if bundle is None or any(source not in self._states for source in batch.positions()):
            return  # voided while it was on its way
        for part in self._caution.parts(batch):
            self._ledger.begin(part.ranges())
            scored = self._scored(part.batch, bundle, poison=part.poison)
            if self._rejects_too_many(scored, batch.epoch):
                return
            if not self._committed(scored, batch):
                return
            self._keyed.committed(scored.positions, poison=part.poison)
            self._ledger.done(scored.positions)
            self._caution.passed(scored.positions)

    def _scored(self, batch: Batch, bundle: Bundle, *, poison: bool) -> Scored:
        started = self._clock.monotonic()
        quiet = NO_RULES if self._feedback is None else self._feedback.current(self.spec.stream)
        now_ms = self._clock.now_ms()
        scored = self._scorer.score(batch.blocks, self._states, bundle, now_ms=now_ms, poison=poison, quiet=quiet)
        self._metrics.batch_events.observe(scored.events)
        self._metrics.score_seconds.observe(self._clock.monotonic() - started)
        return scored

    def _committed(self, scored: Scored, batch: Batch) -> bool:
        """Write the batch; False when its partitions were revoked before the transaction began."""
        offsets = {}
        for source, position in scored.positions.items():
            self._states[source].position = position
            offsets[source] = self._states[source].committed()
        with self._poller.committing(batch.epoch) as valid:
            if valid:
                self._output.write(scored.records, offsets, batch.group)
        if not valid:
            self._states.clear()  # an announcement of what is ours now is on its way
            return False
        for state, staged in scored.staged:
            state.engine.commit(staged)
        self.status.scored(scored)
        self._metrics.scored(scored, now_ms=self._clock.now_ms())
        for state, _ in scored.staged:
            self._say_it_fits_again(state, batch.epoch)
        return True

    def _say_it_fits_again(self, state: PartitionState, epoch: int) -> None:
        """Resolve the page of a partition whose events are committed again."""
        if state.rejects.is_open:
            staged = state.rejects.resumed(offset=state.position, now_ms=self._clock.now_ms())
            self._publish(state, staged, epoch)
            state.rejects.commit(staged)

    def _rejects_too_many(self, scored: Scored, epoch: int) -> bool:
        """Pause the stream instead of dead-lettering a whole topic. Nothing of the batch is committed."""
        if self._accept_rejects:
            return False
        for source, reasons in scored.rejects.items():
            state = self._states[source]
            verdict = too_many(state, scored.seen[source], reasons, self.spec.scoring.max_rejected_share)
            if verdict is None:
                continue
            staged = state.rejects.paused(
                offset=state.position,
                rejected=verdict.rejected,
                of=verdict.of,
                most_common=verdict.most_common,
                now_ms=self._clock.now_ms(),
            )
            self._publish(state, staged, epoch)
            state.rejects.commit(staged)
            self.status.paused = verdict.message(self.spec.stream)
            self.status.last_error = self.status.paused
            log.error("stream paused", stream=self.spec.stream, why=self.status.paused)
            self._poller.rewind(hold=True)
            return True
        return False

    # -- what happens without events -----------------------------------------------------------------------------

    def _idle(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_idle:
            return
        self._next_idle = now + IDLE_CHECK_SECONDS
        self.status.gaps = len(self._poller.gaps)
        self.status.trouble = self._poller.trouble
        self.status.joined |= self._poller.group is not None  # a spare worker has joined too, without partitions
        if self._waiting_for_model and self._champions.current(self.spec.stream) is not None:
            self._waiting_for_model = False
            self.status.waiting = None
            self._poller.rewind()
        epoch = self._poller.epoch
        self._keyed.look()
        self._look_at_ends()
        for state in list(self._states.values()):
            self._tick(state, now, epoch)

    def _look_at_ends(self) -> None:
        """The lag of the partitions owned, and the ends of all, for the silence watch."""
        info = self._admin.describe([self.spec.topic]).get(self.spec.topic)
        everything = [TopicPartition(self.spec.topic, p) for p in range(info.partitions if info else 0)]
        self._ends = self._admin.latest_offsets(everything)
        self.status.lag = sum(max(0, self._ends.get(p, 0) - s.position) for p, s in self._states.items())
        self._metrics.budget(self.status)

    def _tick(self, state: PartitionState, now: float, epoch: int) -> None:
        """Resolve alerts of a partition that went quiet, and watch the topic for silence."""
        idle_since = self._poller.idle_since
        quiet_seconds = 0.0 if idle_since is None else now - idle_since
        if state.engine.open_alerts and quiet_seconds > self.spec.alerts.group_gap_seconds:
            staged = state.engine.tick(now_ms=self._clock.now_ms())
            self._publish(state, staged, epoch)
            state.engine.commit(staged)
        if state.silence is not None and self.spec.alerts.silence_seconds is not None:
            staged = state.silence.observe(sum(self._ends.values()), self._clock.now_ms())
            self._publish(state, staged, epoch)
            state.silence.commit(staged)

    def _publish(self, state: PartitionState, staged: Staged, epoch: int) -> None:
        """Alerts that no new event made, in a transaction fenced by the partition's unchanged position."""
        if not staged.alerts and not staged.changelog:
            return
        records = alert_records(self.spec, staged.alerts)
        records += changelog_records(self.spec, state.source.partition, staged.changelog)
        with self._poller.committing(epoch) as valid:
            if not valid:
                raise TransactionAbortedError("partitions changed hands")
            self._output.write(records, {state.source: state.committed()}, self._poller.group)
        self.status.published(staged)
        self._metrics.published(staged)
