"""Turns fires into runs: each one once, whoever leads, and what nobody was there for as the job's policy says."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Protocol

import structlog

from pipeline.catalogue.service_entries import JobRunEntry, JobStateEntry
from pipeline.clock import Clock
from pipeline.config import MissedFires
from pipeline.scheduling.fires import newest_first
from pipeline.scheduling.job import RunStatus
from pipeline.scheduling.plan import JobName, PlannedJob

log = structlog.get_logger()

FRESH_SECONDS = 60.0
"""A fire seen this late was not missed: leaders change within seconds, and looks are taken seconds apart."""
MOST_SKIPPED = 50
"""Fires that one look writes down as skipped; the oldest of them speaks for those before it."""
ORIGIN = "schedule"


class DueCatalogue(Protocol):
    """The part of the catalogue that knows which fires became runs."""

    def job_states(self, stream: str | None = None) -> list[JobStateEntry]:
        """What is remembered of jobs."""

    def put_job_state(self, entry: JobStateEntry) -> None:
        """Remember it."""

    def remove_job_state(self, stream: str, job: str) -> None:
        """Forget a job."""

    def add_run(self, entry: JobRunEntry) -> bool:
        """Write a run down; False where this fire of this job is there already."""

    def runs(
        self, stream: str | None = None, job: str | None = None, status: str | None = None, limit: int = 100
    ) -> list[JobRunEntry]:
        """Runs, the newest first."""


class DueFires:
    """Looks at the jobs of the specs. Every method raises what the catalogue raises; what was done is done again."""

    def __init__(self, catalogue: DueCatalogue, jobs: Mapping[JobName, PlannedJob], clock: Clock) -> None:
        self._catalogue, self._jobs, self._clock = catalogue, jobs, clock

    def remember(self) -> None:
        """Begin to count the fires of jobs that are new, and forget jobs that are gone: coming back, they are new."""
        known = {(state.stream, state.job) for state in self._catalogue.job_states()}
        for stream, job in sorted(known - set(self._jobs)):
            self._catalogue.remove_job_state(stream, job)
            log.info("job forgotten: no spec has it any more", stream=stream, job=job)
        for stream, job in sorted(set(self._jobs) - known):
            self._catalogue.put_job_state(JobStateEntry(stream=stream, job=job, since_ms=self._clock.now_ms()))

    def look(self) -> None:
        """Make runs of every fire that is due."""
        states = {(state.stream, state.job): state for state in self._catalogue.job_states()}
        for name, job in self._jobs.items():
            if name in states and not states[name].paused:
                self._look_at(job, states[name])

    def _look_at(self, job: PlannedJob, state: JobStateEntry) -> None:
        now_ms = self._clock.now_ms()
        since = max(state.since_ms, state.last_fire_ms or 0)
        due = newest_first(job.fires, after_ms=since, until_ms=now_ms)
        fires = list(islice(due, MOST_SKIPPED + 1))
        if not fires:
            return
        newest, *older = fires
        reason = self._why_not(job, newest, now_ms)
        for fire in older:
            before = ", and those before it" if len(fires) > MOST_SKIPPED and fire == fires[-1] else ""
            told = "missed; made up for by the newest" if not reason else "missed while nobody led"
            self._add(job, fire, RunStatus.SKIPPED, told + before)
        if reason:
            self._add(job, newest, RunStatus.SKIPPED, reason)
        else:
            self._add(job, newest, RunStatus.QUEUED, "")
        self._catalogue.put_job_state(replace(state, last_fire_ms=newest))

    def _why_not(self, job: PlannedJob, fire_ms: int, now_ms: int) -> str:
        """Why the newest fire is skipped; empty where it becomes a run."""
        if now_ms - fire_ms > FRESH_SECONDS * 1000 and job.spec.missed is MissedFires.SKIP:
            return "missed while nobody led, and the job says `missed: skip`"
        waiting = self._catalogue.runs(job.stream, job.spec.name, status=RunStatus.QUEUED.value, limit=1)
        if waiting and waiting[0].fire_ms != fire_ms:
            return f"run {waiting[0].run_id[:12]} of this job was still waiting to begin"
        return ""

    def _add(self, job: PlannedJob, fire_ms: int, status: RunStatus, reason: str) -> None:
        is_skipped = status is RunStatus.SKIPPED
        entry = JobRunEntry(
            run_id=uuid.uuid4().hex,
            stream=job.stream,
            job=job.spec.name,
            kind=job.spec.run.value,
            fire_ms=fire_ms,
            status=status.value,
            origin=ORIGIN,
            arguments=dict(job.spec.arguments),
            not_before_ms=fire_ms,
            ended_ms=self._clock.now_ms() if is_skipped else None,
            reason=reason,
        )
        if self._catalogue.add_run(entry) and is_skipped:
            log.warning("fire skipped", stream=job.stream, job=job.spec.name, fire_ms=fire_ms, reason=reason)
