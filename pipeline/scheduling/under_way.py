"""The runs that this leader has under way: begun, watched, ended, tried again."""

import os
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from pipeline.catalogue.service_entries import Fence, JobRunEntry
from pipeline.clock import Clock
from pipeline.scheduling.backoff import backoff_ms
from pipeline.scheduling.job import RunStatus
from pipeline.scheduling.plan import JobName, PlannedJob, terms_of
from pipeline.scheduling.runner import EXIT_LEASE_LOST, Child, ChildEnd, Runner, signal_name
from pipeline.scheduling.tally import Tally

log = structlog.get_logger()

ORPHAN_SECONDS = 3.0
"""A child of another leader notices within this time that it is nobody's any more."""
MOST_TAKEOVERS = 20
"""A run that lost its leader so often is likely to be why."""


class RunCatalogue(Protocol):
    """The part of the catalogue that keeps runs."""

    def run(self, run_id_prefix: str) -> JobRunEntry:
        """One run."""

    def take_run(self, run_id: str, *, epoch: int, host: str, pid: int, now_ms: int) -> bool:
        """Begin a queued run; False where it is not queued."""

    def end_run(
        self, run_id: str, *, status: str, reason: str, result: dict[str, Any], last_lines: str = "", now_ms: int
    ) -> None:
        """Say how a run ended."""

    def requeue_run(
        self, run_id: str, *, attempt: int, failures: int, not_before_ms: int, reason: str, last_lines: str
    ) -> None:
        """Queue it again."""

    def running_runs(self) -> list[JobRunEntry]:
        """Runs that are said to be running."""


@dataclass(slots=True)
class _Begun:
    run: JobRunEntry
    child: Child
    deadline: float
    """By the monotonic clock."""
    timed_out: bool = False


class UnderWay:
    """Children and what becomes of them. What the catalogue did not answer to is asked again with the next look."""

    def __init__(
        self,
        catalogue: RunCatalogue,
        jobs: Mapping[JobName, PlannedJob],
        runner: Runner,
        *,
        fence: Fence,
        clock: Clock,
        rng: random.Random,
        tally: Tally,
    ) -> None:
        self._catalogue, self._jobs, self._runner = catalogue, jobs, runner
        self._fence, self._clock, self._rng, self._tally = fence, clock, rng, tally
        self._begun: dict[str, _Begun] = {}

    @property
    def runs(self) -> list[JobRunEntry]:
        """What is under way."""
        return [begun.run for begun in self._begun.values()]

    def begin(self, run: JobRunEntry) -> None:
        """Start a run's child and give it the run; where that fails, in whatever way, the child is ended unused."""
        child = self._runner.start(run, self._fence)
        taken = False
        try:
            taken = self._catalogue.take_run(
                run.run_id,
                epoch=self._fence.epoch,
                host=socket.gethostname(),
                pid=child.pid,
                now_ms=self._clock.now_ms(),
            )
        finally:
            if not taken:
                child.kill()
        if taken:
            seconds = terms_of(self._jobs, run.stream, run.job, run.kind).timeout_seconds
            self._begun[run.run_id] = _Begun(run, child, self._clock.monotonic() + seconds)
            log.info("run begun", **_named(run), attempt=run.attempt, pid=child.pid)

    def watch(self) -> None:
        """See which children have ended or take too long."""
        for begun in list(self._begun.values()):
            ended = begun.child.poll()
            if ended is None and self._clock.monotonic() >= begun.deadline:
                begun.timed_out = True
                begun.child.kill()
                ended = begun.child.poll()
            if ended is not None:
                self._settle(begun, ended)
                del self._begun[begun.run.run_id]

    def adopt(self) -> None:
        """Queue again what is said to run and has no child here: its leader is gone. It begins where it got to."""
        for run in self._catalogue.running_runs():
            if run.run_id not in self._begun:
                gone = run.host == socket.gethostname() and not _is_alive(run.pid)
                wait_ms = 0 if gone else round(ORPHAN_SECONDS * 1000)
                self._again(run, f"taken over: the leader of epoch {run.epoch} is gone", wait_ms=wait_ms)

    def stop(self) -> None:
        """End every child and queue its run again, for the next leader; what has just ended is settled as usual.

        Children are not asked to end: a job is safe from being killed at any line, and goes on where it got to.
        """
        for begun in self._begun.values():
            if begun.child.poll() is None:
                begun.child.kill()
        for begun in list(self._begun.values()):
            ended = begun.child.poll()
            if ended is not None and ended.status == 0:
                self._settle(begun, ended)
            else:
                self._again(begun.run, "the scheduler was stopped", wait_ms=0)
            del self._begun[begun.run.run_id]

    def abandon(self) -> None:
        """End every child and write nothing: another leads, and their runs are its own."""
        for begun in self._begun.values():
            begun.child.kill()
        self._begun.clear()

    def _settle(self, begun: _Begun, ended: ChildEnd) -> None:
        run = begun.run
        if begun.timed_out:
            limit = terms_of(self._jobs, run.stream, run.job, run.kind).timeout_seconds
            self._fail(run, f"ended after {limit:g} s: it took longer than its `timeout_seconds`", ended)
        elif ended.status == 0:
            self._said_its_end(run, ended)
        elif ended.status == EXIT_LEASE_LOST:
            self._again(run, "its process was not sure of its leader", wait_ms=0)
        elif ended.failure is not None and ended.failure.is_final:
            self._fail(run, ended.failure.reason, ended)
        else:
            self._failed_once(run, ended)

    def _said_its_end(self, run: JobRunEntry, ended: ChildEnd) -> None:
        found = self._catalogue.run(run.run_id)
        if found.status == RunStatus.RUNNING.value:
            self._failed_once(run, ended)
            return
        self._tally.ended(found)
        log.info("run ended", **_named(run), status=found.status, reason=found.reason)

    def _failed_once(self, run: JobRunEntry, ended: ChildEnd) -> None:
        """Try again a little later, unless it was tried often enough."""
        reason, failures = _why(ended), run.failures + 1
        retries = terms_of(self._jobs, run.stream, run.job, run.kind).retries
        if failures > retries:
            tries = f" (tried {failures} times)" if failures > 1 else ""
            self._fail(run, reason + tries, ended)
            return
        wait_ms = backoff_ms(failures, self._rng)
        log.warning("run failed, tried again", **_named(run), reason=reason, wait_seconds=wait_ms / 1000)
        self._catalogue.requeue_run(
            run.run_id,
            attempt=run.attempt + 1,
            failures=failures,
            not_before_ms=self._clock.now_ms() + wait_ms,
            reason=reason,
            last_lines=ended.last_lines,
        )
        self._tally.retried(run)

    def _fail(self, run: JobRunEntry, reason: str, ended: ChildEnd) -> None:
        log.error("run failed", **_named(run), reason=reason, last_lines=ended.last_lines)
        self._catalogue.end_run(
            run.run_id,
            status=RunStatus.FAILED.value,
            reason=reason,
            result={},
            last_lines=ended.last_lines,
            now_ms=self._clock.now_ms(),
        )
        self._tally.ended(run, RunStatus.FAILED)

    def _again(self, run: JobRunEntry, reason: str, *, wait_ms: int) -> None:
        """Queue a run again that did not fail itself."""
        if run.attempt - run.failures > MOST_TAKEOVERS:
            often = f"given up: it lost its leader {MOST_TAKEOVERS} times, and may be why (too much memory?)"
            self._fail(run, often, ChildEnd(status=0))
            return
        log.warning("run queued again", **_named(run), reason=reason, attempt=run.attempt + 1)
        self._catalogue.requeue_run(
            run.run_id,
            attempt=run.attempt + 1,
            failures=run.failures,
            not_before_ms=self._clock.now_ms() + wait_ms,
            reason=reason,
            last_lines=run.last_lines,
        )


def _named(run: JobRunEntry) -> dict[str, str]:
    return {"run": run.run_id, "stream": run.stream, "job": run.job, "kind": run.kind}


def _why(ended: ChildEnd) -> str:
    """Why an attempt counts as failed."""
    if ended.failure is not None:
        return ended.failure.reason
    if ended.status < 0:
        return f"its process was killed by {signal_name(ended.status)}: out of memory, or by hand"
    return f"its process ended with status {ended.status} without saying why: its last lines may"


def _is_alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
