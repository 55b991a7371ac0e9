"""Running a job now: waiting for the scheduler's run of it, or running it in this process."""

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console

from pipeline.errors import ConfigError, LeaseLostError

if TYPE_CHECKING:
    from pipeline.catalogue import Catalogue
    from pipeline.catalogue.service_entries import JobRunEntry
    from pipeline.commands.context import Context
    from pipeline.config import JobKind
    from pipeline.scheduling.job import Report
    from pipeline.scheduling.lease import HeldLease

POLL_SECONDS = 0.5
ENDED = ("succeeded", "refused", "failed", "skipped")
HERE_SECONDS = 15.0
"""Of the lease while a job runs here: a terminal may be slow, and nobody waits to take it over."""


def wait_for_end(catalogue: "Catalogue", run_id: str, console: Console) -> "JobRunEntry":
    """Stay until a run has ended, saying where it stands."""
    with console.status("waiting for its turn") as status:
        while (run := catalogue.run(run_id)).status not in ENDED:
            told = "waiting for its turn" if run.status == "queued" else "running"
            status.update(f"{told} {run.progress:.0%} {run.doing or run.reason}")
            threading.Event().wait(POLL_SECONDS)
    return run


def said_end(console: Console, run: "JobRunEntry") -> int:
    """Say how a run ended. Returns the exit status."""
    console.print(f"run {run.run_id[:12]} {run.status}{': ' + run.reason if run.reason else ''}", markup=False)
    for name, value in run.result.items():
        console.print(f"  {name}: {value}", markup=False)
    return 0 if run.status in ("succeeded", "skipped") else 1


def run_here(
    context: "Context",
    catalogue: "Catalogue",
    stream: str,
    *,
    job: str | None,
    kind: "JobKind",
    arguments: dict[str, Any],
    console: Console,
) -> "JobRunEntry":
    """Run a job in this process, under the scheduler's lease. Raises ConfigError where a scheduler leads, and what the
    job raises; the run is written down as failed then."""
    from detectors.errors import DetectorError
    from pipeline.errors import EddylineError
    from pipeline.scheduling.child import done, end

    with _leading(context, catalogue) as lease:
        fenced = catalogue.fenced(lease.fence)
        run = _begun(fenced, lease, stream, job=job, kind=kind, arguments=arguments)
        try:
            with console.status("running") as status:
                outcome = done(run, context, fenced, report=_shown(status))
        except LeaseLostError:
            raise
        except (EddylineError, DetectorError) as error:
            _failed(fenced, run, str(error))
            raise
        except KeyboardInterrupt:
            _failed(fenced, run, "interrupted by a person")
            raise
        end(fenced, run, outcome)
        return catalogue.run(run.run_id)


@contextlib.contextmanager
def _leading(context: "Context", catalogue: "Catalogue") -> "Iterator[HeldLease]":
    from pipeline.clock import SystemClock
    from pipeline.scheduling.lease import LeaseKeeper, LeaseTerms, acquired

    holder = f"{context.instance}.here.{os.getpid()}.{uuid.uuid4().hex[:8]}"
    lease = acquired(catalogue, LeaseTerms(holder=holder, seconds=HERE_SECONDS), SystemClock())
    if lease is None:
        raise ConfigError("a scheduler leads now, and two must not run jobs: leave out --here, and it runs the job")
    keeper = LeaseKeeper(lease, HERE_SECONDS)
    keeper.start()
    try:
        yield lease
    finally:
        keeper.stop()
        lease.release()


def _begun(
    fenced: "Catalogue",
    lease: "HeldLease",
    stream: str,
    *,
    job: str | None,
    kind: "JobKind",
    arguments: dict[str, Any],
) -> "JobRunEntry":
    """A run written down as running in this process."""
    now_ms = time.time_ns() // 1_000_000
    run_id = fenced.request_run(stream, kind.value, arguments, origin="here", now_ms=now_ms, job=job)
    fenced.take_run(run_id, epoch=lease.fence.epoch, host=socket.gethostname(), pid=os.getpid(), now_ms=now_ms)
    return fenced.run(run_id)


def _failed(fenced: "Catalogue", run: "JobRunEntry", reason: str) -> None:
    now_ms = time.time_ns() // 1_000_000
    fenced.end_run(run.run_id, status="failed", reason=reason, result={}, now_ms=now_ms)


def _shown(status: Any) -> "Report":
    def report(fraction: float, doing: str) -> None:
        status.update(f"{fraction:.0%} {doing}")

    return report
