"""The demo's second half: the live part replayed while a scorer watches, alerts shown as they come."""

import threading
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from detectors.columns import Role
from pipeline.alerts.model import Alert
from pipeline.clock import SystemClock
from pipeline.commands.context import Context
from pipeline.demo.archiving import StoppedError
from pipeline.demo.live import Floats, LiveReader, Outcome, Places
from pipeline.demo.plan import DemoPlan
from pipeline.demo.prepare import create_topic, partitions_of, record_maker
from pipeline.demo.summary import Summary, summarise
from pipeline.errors import EddylineError
from pipeline.model_store import Bundle
from pipeline.pacing import Pace, Pacer
from pipeline.records import Stamp, keys_of, times_ms
from pipeline.replay import Replay, Replayed
from pipeline.scoring.partitions import ensure_output_topics
from pipeline.scoring.process import WorkerProcess

JOIN_SECONDS = 30.0
DRAIN_SECONDS = 60.0
QUIET_SECONDS = 0.5
"""How long after the last score alerts may still arrive."""
_LIVE_BATCH_ROWS = 2_048


class LiveStage:
    """One pass over the live part."""

    def __init__(
        self,
        plan: DemoPlan,
        context: Context,
        bundle: Bundle,
        *,
        seconds: float,
        on_alert: Callable[[Alert, int], None],
        on_rows: Callable[[int], None],
    ) -> None:
        self._plan, self._context, self._bundle, self._seconds = plan, context, bundle, seconds
        self._on_rows = on_rows
        self._clock = SystemClock()
        self._topic_id = create_topic(plan, context)
        ensure_output_topics(plan.spec, context.broker())
        self._keys = [
            key for batch in plan.live.to_batches() for key in keys_of(batch, plan.spec.column_with(Role.KEY))
        ]
        self._places = Places.of_keys(self._keys, partitions_of(plan))
        self._outcome = Outcome.empty(plan.live.num_rows)
        source = context.broker().source(group=f"eddyline.{plan.spec.stream}.demo")
        self._reader = LiveReader(plan.spec, source, self._places, self._outcome, self._clock, on_alert)
        self._scorer = WorkerProcess(context, [plan.spec.stream])

    def run(self, stop: threading.Event) -> Summary:
        """Score the live part as it is sent. Raises StoppedError when told to stop before anything was sent."""
        self._reader.start()
        self._scorer.start()
        try:
            self._wait(stop, JOIN_SECONDS, self._joined, "the scorer did not join its group in time: try again")
            done = self._replay(stop)
            if not done.stopped:
                self._wait(stop, DRAIN_SECONDS, lambda: self._outcome.scored >= done.rows, None)
                stop.wait(QUIET_SECONDS)
        finally:
            self._reader.stop()
            self._scorer.close()
            self._reader.join()
        self._check()
        return self._summary(done)

    def _joined(self) -> bool:
        return self._reader.joined.is_set() and all(worker.status.joined for worker in self._scorer.workers)

    def _wait(self, stop: threading.Event, seconds: float, until: Callable[[], bool], otherwise: str | None) -> None:
        deadline = self._clock.monotonic() + seconds
        while not until():
            self._check()
            if stop.wait(0.02):
                if otherwise is not None:
                    raise StoppedError("stopped before the live part began")
                return
            if self._clock.monotonic() > deadline:
                if otherwise is not None:
                    raise EddylineError(otherwise)
                return

    def _check(self) -> None:
        """Raise what ended the scorer or the reader."""
        failures = [worker.failure for worker in self._scorer.workers if worker.failure is not None]
        if self._reader.failure is not None:
            raise self._reader.failure
        if failures:
            raise failures[0]

    def _replay(self, stop: threading.Event) -> Replayed:
        sent = 0
        maker = record_maker(self._plan, self._plan.spec, stamp=Stamp.SENT)
        encode = maker.encode

        def stamped(table: pa.Table, rows: int) -> list[bytes]:
            nonlocal sent
            self._outcome.sent_ms[sent : sent + table.num_rows] = self._clock.now_ms()
            sent += table.num_rows
            return encode(table, rows)

        producer = self._context.broker().producer()
        try:
            return Replay(
                maker=maker.with_encode(stamped),
                producer=producer,
                pacer=Pacer(self._pace(), self._clock),
                wait=lambda seconds: stop.wait(seconds) if seconds else stop.is_set(),
                on_rows=self._on_rows,
            ).run(self._plan.live.to_batches(max_chunksize=_LIVE_BATCH_ROWS))
        finally:
            producer.close()

    def _pace(self) -> Pace:
        times = self._times()
        span_seconds = (float(times[-1]) - float(times[0])) / 1000.0 if len(times) else 0.0
        if self._plan.spec.column_with(Role.TIME) is not None and span_seconds > 0.0:
            return Pace(speed=span_seconds / self._seconds)
        return Pace(rate_per_second=self._plan.live.num_rows / self._seconds)

    def _times(self) -> Floats:
        """Event times of the live part, or when each was sent, shape (N,)."""
        column = self._plan.spec.column_with(Role.TIME)
        if column is None:
            return self._outcome.sent_ms
        return np.concatenate([times_ms(batch, column) for batch in self._plan.live.to_batches()])

    def _summary(self, done: Replayed) -> Summary:
        rows = done.rows
        return summarise(
            self._plan.spec,
            self._plan.live.slice(0, rows),
            self._times()[:rows],
            self._places,
            self._outcome.first(rows),
            self._bundle.threshold,
            topic_id=self._topic_id,
            seconds=done.seconds,
            kind_column=self._plan.kind_column,
        )
