"""The canaries of one stream: take a stretch of live events, put anomalies into a copy, score it, count what is caught.

Beside the scorer, never in its way: a consumer group of its own, nothing produced, no state written. A stretch is
claimed (its end committed in the group) before it is decoded, so a canary is counted once at most: a process that dies
in between loses the copy it was at, and an event that kills the process is met once.
"""

import itertools
import threading
import time

import structlog

from pipeline.canaries.pace import Pace
from pipeline.canaries.past import Pasts
from pipeline.canaries.plan import CanaryPlan
from pipeline.canaries.progress import CanaryProgress
from pipeline.canaries.reader import StretchReader, joined
from pipeline.canaries.recall import LiveRecall
from pipeline.canaries.shadow import Caught, Past, Stretch, shadow_counts
from pipeline.canaries.tally import Tally
from pipeline.clock import Clock
from pipeline.config import CanarySpec, CodecFormat, StreamSpec
from pipeline.errors import BrokerUnavailableError
from pipeline.intake import Intake
from pipeline.kafka.port import TopicPartition
from pipeline.model_store import Bundle
from pipeline.scoring.champion import ChampionWatch

log = structlog.get_logger()

STRETCH_ROWS = 1_024
LEAST_ROWS = 200
"""A copy of fewer would be mostly canaries."""
RECORDS_BACK = 16
"""How far before the end a stretch of records with many rows each begins."""
STEP_SECONDS = 0.5
RETRY_SECONDS = 2.0
LOOK_SECONDS = 60.0


def group_name(stream: str) -> str:
    """The consumer group of a stream's canaries."""
    return f"eddyline.{stream}.canaries"


class CanaryWorker(threading.Thread):
    """Works until stopped. `failure` says why it ended by itself."""

    def __init__(
        self,
        spec: StreamSpec,
        plan: CanaryPlan,
        *,
        reader: StretchReader,
        partitions: int,
        champions: ChampionWatch,
        pasts: Pasts | None,
        tally: Tally,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        """`partitions` is how many the topic has: what one worker owes is its share of them."""
        super().__init__(name=f"eddyline-canaries-{spec.stream}", daemon=True)
        self.spec, self.progress = spec, CanaryProgress(spec.stream)
        self.failure: Exception | None = None
        self._plan, self._reader, self._partitions = plan, reader, max(1, partitions)
        self._champions, self._pasts, self._tally = champions, pasts, tally
        self._clock, self._stop_event = clock, stop
        self._intake = Intake(spec)
        canaries = spec.canaries or CanarySpec()
        self._pace = Pace(clock, per_hour=canaries.per_hour, families=len(plan.families))
        self._turn = itertools.count()
        self._next_look = float("-inf")

    def run(self) -> None:
        """Work until stopped."""
        try:
            self._reader.subscribe()
            while not self._stop_event.is_set():
                self.step()
        except Exception as error:  # noqa: BLE001 - the thread's edge: the process reports it and ends
            log.error("canaries ended", stream=self.spec.stream, error=str(error), kind=type(error).__name__)
            self.failure, self.progress.last_error = error, str(error)
        finally:
            self._tally.write()
            self._reader.close()

    def step(self) -> None:
        """Keep the place in the group; make a copy where one is due; look at the recall now and then."""
        try:
            self._reader.keep_alive(STEP_SECONDS)
            self.progress.assigned = len(self._reader.owned)
            self.progress.joined |= bool(self._reader.owned)
            self._copy_if_due()
            self.progress.last_error = self._tally.write()
        except BrokerUnavailableError as error:
            self.progress.last_error = str(error)
            self._stop_event.wait(RETRY_SECONDS)
        self._look()

    def _copy_if_due(self) -> None:
        bundle = self._champions.current(self.spec.stream)
        owned = sorted(self._reader.owned)
        if bundle is None:
            self.progress.waiting = f"no model yet: run `eddyline train {self.spec.stream}`"
        if bundle is None or not owned or not self._pace.is_due(len(owned) / self._partitions):
            return
        self.progress.model_id = bundle.model_id
        turn, began = next(self._turn), time.thread_time()
        for place in range(len(owned)):
            found = self._copied(owned[(turn + place) % len(owned)], bundle)
            if found is not None:
                self.progress.waiting = None
                self._count(bundle.model_id, found, time.thread_time() - began)
                return
        self._pace.none(busy_seconds=time.thread_time() - began)

    def _count(self, model_id: str, found: dict[str, Caught], busy_seconds: float) -> None:
        self._pace.made(sum(c.injected for c in found.values()), busy_seconds=busy_seconds)
        self._tally.add(model_id, found)
        self.progress.counted(found, busy_seconds=busy_seconds)

    def _copied(self, partition: TopicPartition, bundle: Bundle) -> dict[str, Caught] | None:
        """A copy of this partition's newest events; None where there are too few that no copy has had."""
        at = self._place(partition)
        if at is None:
            return None
        start, past = at
        blocks = self._reader.read(partition, start, rows=STRETCH_ROWS)
        if not blocks:
            return None
        taken = self._intake.take(joined(blocks))
        name = f"{self.spec.stream}/{self._reader.topic_id()}/{partition.partition}/{start}"
        batch = taken.batch.slice(0, 4 * STRETCH_ROWS)
        stretch = Stretch(name=name, batch=batch, times_ms=taken.time_ms[: batch.num_rows], past=past)
        found: dict[str, Caught] = {}
        if batch.num_rows >= LEAST_ROWS:
            found = shadow_counts(self.spec, stretch, bundle, self._plan, each=self._pace.each)
        log.info(
            "canaries scored",
            stream=self.spec.stream,
            partition=partition.partition,
            start=start,
            end=blocks[-1].next_offset,
            injected=sum(c.injected for c in found.values()),
            caught=sum(c.caught for c in found.values()),
        )
        return found

    def _place(self, partition: TopicPartition) -> tuple[int, Past | None] | None:
        """Where a stretch can begin, and the state right before it."""
        is_json = self.spec.format is CodecFormat.JSON
        least = LEAST_ROWS if is_json else 1
        first, end = self._reader.bounds(partition)
        if end - first < least:
            self.progress.waiting = f"fewer than {LEAST_ROWS} new events since the last copy"
            return None
        if self._pasts is None:
            return max(first, end - (STRETCH_ROWS if is_json else RECORDS_BACK)), None
        found = self._pasts.before(partition, self._reader.topic_id(), first=first, end=end, least=least)
        if found is None:
            self.progress.waiting = (
                "no snapshot of the keyed state with enough events after it yet: scorers write one every "
                "`state.snapshot_seconds` into the lake, which this process must share with them"
            )
            return None
        return found[0], found[1].copy

    def _look(self) -> None:
        """Say a fall of the recall once, and when it is over."""
        if self._clock.monotonic() < self._next_look:
            return
        self._next_look = self._clock.monotonic() + LOOK_SECONDS
        before = {fall.words for fall in self.progress.recall.falls}
        recall = self._tally.recall(self.progress.model_id) or LiveRecall(model_id=self.progress.model_id)
        for fall in recall.falls:
            if fall.words not in before:
                log.warning("the champion catches less than it did", stream=self.spec.stream, fall=fall.words)
        self.progress.recall = recall
