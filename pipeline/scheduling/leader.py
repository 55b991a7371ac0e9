"""What the one leader does: make runs of fires, begin what is due, see to what is under way."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import structlog

from pipeline.catalogue.service_entries import JobRunEntry
from pipeline.clock import Clock
from pipeline.config import JobKind
from pipeline.scheduling.alarm import Alarm
from pipeline.scheduling.due import DueCatalogue, DueFires
from pipeline.scheduling.job import RunStatus
from pipeline.scheduling.plan import JobName, PlannedJob
from pipeline.scheduling.tally import Tally
from pipeline.scheduling.under_way import RunCatalogue, UnderWay

log = structlog.get_logger()

SWEEP_SECONDS = 5.0
"""Every job is looked at this often, should its alarm be late: a machine that slept, a clock that was set."""


class LeaderCatalogue(DueCatalogue, RunCatalogue, Protocol):
    """The catalogue, every write conditional on the leader's epoch."""

    def due_runs(self, now_ms: int) -> list[JobRunEntry]:
        """Queued runs that may begin, the oldest fire first."""


AlarmOf = Callable[[Callable[[str, str], None]], Alarm]
"""Makes the alarm that calls back when a job is due."""


class Leader:
    """One term of leading. `tick` raises LeaseLostError where the term is over, and CatalogueUnavailableError, after
    which the next tick goes on where this one stopped."""

    def __init__(
        self,
        catalogue: LeaderCatalogue,
        jobs: Mapping[JobName, PlannedJob],
        under_way: UnderWay,
        *,
        streams: Iterable[str],
        most_jobs: int,
        clock: Clock,
        tally: Tally,
        alarm_of: AlarmOf,
        wake: threading.Event,
    ) -> None:
        self._catalogue, self._jobs, self._under_way = catalogue, jobs, under_way
        self._streams, self._most_jobs, self._clock, self._tally = frozenset(streams), most_jobs, clock, tally
        self._due = DueFires(catalogue, jobs, clock)
        self._wake = wake
        self._alarm = alarm_of(self._rings)
        self._is_due = True
        self._next_sweep = float("-inf")
        self._is_set_up = False

    def _rings(self, stream: str, job: str) -> None:
        self._is_due = True
        self._wake.set()

    def start(self) -> None:
        """Set the alarms."""
        self._alarm.start()

    def tick(self) -> None:
        """Do what there is to do now."""
        if not self._is_set_up:
            self._set_up()
        self._under_way.watch()
        if self._is_due or self._clock.monotonic() >= self._next_sweep:
            self._is_due = False
            try:
                self._under_way.adopt()
                self._due.look()
            except BaseException:
                self._is_due = True
                raise
            self._next_sweep = self._clock.monotonic() + SWEEP_SECONDS
        self._begin()
        self._tally.running = tuple(self._under_way.runs)

    def stop(self) -> None:
        """End in order: children ended, their runs queued for the next leader."""
        self._alarm.stop()
        self._under_way.stop()
        self._tally.running = ()

    def abandon(self) -> None:
        """End at once: another leads."""
        self._under_way.abandon()
        self._alarm.stop()
        self._tally.running = ()

    def _set_up(self) -> None:
        self._due.remember()
        for stream, job in self._jobs:
            self._tally.succeeded(self._catalogue.runs(stream, job, status=RunStatus.SUCCEEDED.value, limit=1))
        self._is_set_up = True

    def _begin(self) -> None:
        """Begin what is due, the oldest first: so many at once, and never two of one stream and kind."""
        due = self._catalogue.due_runs(self._clock.now_ms())
        self._tally.queued = len(due)
        for run in due:
            busy = {(other.stream, other.kind) for other in self._under_way.runs}
            if len(busy) >= self._most_jobs:
                return
            if run.stream not in self._streams or run.kind not in set(JobKind):
                self._end_unknown(run)
            elif (run.stream, run.kind) not in busy:
                self._under_way.begin(run)
                self._tally.queued -= 1

    def _end_unknown(self, run: JobRunEntry) -> None:
        what = f"jobs {run.kind!r}" if run.stream in self._streams else f"a stream {run.stream!r}"
        reason = f"this scheduler does not know {what}: correct its settings, and start it again"
        log.error("run failed", run=run.run_id, stream=run.stream, job=run.job, reason=reason)
        self._catalogue.end_run(
            run.run_id, status=RunStatus.FAILED.value, reason=reason, result={}, now_ms=self._clock.now_ms()
        )
        self._tally.ended(run, RunStatus.FAILED)
