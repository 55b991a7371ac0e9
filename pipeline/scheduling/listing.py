"""The jobs of specs beside what the catalogue remembers of them, for `eddyline jobs list` and for programs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.catalogue.service_entries import JobRunEntry, JobStateEntry
from pipeline.scheduling.plan import PlannedJob


class ListingCatalogue(Protocol):
    """The part of the catalogue that is asked."""

    def job_states(self, stream: str | None = None) -> list[JobStateEntry]:
        """What is remembered of jobs."""

    def runs(
        self, stream: str | None = None, job: str | None = None, status: str | None = None, limit: int = 100
    ) -> list[JobRunEntry]:
        """Runs, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedJob:
    """One job as it stands."""

    job: PlannedJob
    next_ms: int | None
    """None while it is paused."""
    last: JobRunEntry | None
    paused_by: str | None

    @property
    def schedule(self) -> str:
        """When it is due, as stated."""
        spec = self.job.spec
        return spec.cron if spec.cron is not None else f"every {spec.every_seconds:g} s"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        last = self.last
        return {
            "stream": self.job.stream,
            "job": self.job.spec.name,
            "run": self.job.spec.run.value,
            "schedule": self.schedule,
            "next_ms": self.next_ms,
            "paused_by": self.paused_by,
            "last": None
            if last is None
            else {"run": last.run_id, "fire_ms": last.fire_ms, "status": last.status, "reason": last.reason},
        }


def listed_jobs(jobs: Iterable[PlannedJob], catalogue: ListingCatalogue, *, now_ms: int) -> list[ListedJob]:
    """Every job, in the order stated. A look-up by index for each."""
    states = {(state.stream, state.job): state for state in catalogue.job_states()}
    rows = []
    for job in jobs:
        state = states.get(job.name)
        paused = state is not None and state.paused
        newest = catalogue.runs(job.stream, job.spec.name, limit=1)
        rows.append(
            ListedJob(
                job=job,
                next_ms=None if paused else job.fires.after(now_ms),
                last=newest[0] if newest else None,
                paused_by=state.paused_by if state is not None and paused else None,
            )
        )
    return rows
