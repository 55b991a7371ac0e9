"""What a scheduler counts while it leads, for metrics and heartbeats. Written by its loop, read from any thread."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.catalogue.service_entries import JobRunEntry
from pipeline.scheduling.job import RunStatus
from pipeline.scheduling.plan import JobName


@dataclass(slots=True)
class Tally:
    """Runs since this process began to lead, and the newest success of each job, whoever led."""

    runs: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By stream, kind and how they ended; `retried` counts attempts that failed and were tried again."""
    last_success_ms: dict[JobName, int] = field(default_factory=dict)
    running: tuple[JobRunEntry, ...] = ()
    queued: int = 0
    last_failure: dict[str, str] = field(default_factory=dict)
    """By stream, until a run of the same job succeeds."""
    _failed_job: dict[str, str] = field(default_factory=dict)

    def ended(self, run: JobRunEntry, status: RunStatus | None = None) -> None:
        """Count a run that ended."""
        status = status or RunStatus(run.status)
        self.runs[run.stream, run.kind, status.value] += 1
        if status is RunStatus.SUCCEEDED:
            self.succeeded([run])
        if status is RunStatus.FAILED:
            self._failed_job[run.stream] = run.job
            self.last_failure[run.stream] = f"job {run.job} failed: `eddyline jobs history {run.run_id[:12]}` says why"
        elif self._failed_job.get(run.stream) == run.job:
            self.last_failure.pop(run.stream, None)

    def succeeded(self, runs: Iterable[JobRunEntry]) -> None:
        """Note when jobs last succeeded."""
        for run in runs:
            self.last_success_ms[run.stream, run.job] = run.ended_ms or run.fire_ms

    def retried(self, run: JobRunEntry) -> None:
        """Count an attempt that failed."""
        self.runs[run.stream, run.kind, "retried"] += 1
