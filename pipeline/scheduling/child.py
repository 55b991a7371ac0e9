"""One run of one job, in a process of its own: `python -m pipeline.scheduling.child`, started by the leader.

Exit status: 0 it has said in the catalogue how it ended (succeeded or refused); 1 it failed and may be tried again;
2 it failed for good; 3 another scheduler leads now. Where it failed, the reason lies beside its log.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog
from pydantic import ValidationError

from detectors.errors import DetectorError
from pipeline.catalogue.service_entries import Fence, JobRunEntry
from pipeline.clock import SystemClock
from pipeline.commands.context import Context, load
from pipeline.commands.streams import stream_named
from pipeline.config import JobKind
from pipeline.errors import CatalogueUnavailableError, ConfigError, EddylineError, LeaseLostError, ModelError
from pipeline.logs import configure_logs
from pipeline.scheduling.arguments import validated_arguments
from pipeline.scheduling.job import JobContext, JobOutcome, Report, RunStatus
from pipeline.scheduling.lease import LEASE
from pipeline.scheduling.lifeline import Lifeline, die_with_parent, end_group
from pipeline.scheduling.registry import JOBS, job_function, registry_named
from pipeline.scheduling.runner import EXIT_AGAIN, EXIT_FINAL, EXIT_LEASE_LOST, Failure, RunFiles

if TYPE_CHECKING:
    from pipeline.catalogue import Catalogue

log = structlog.get_logger()

TAKEN_SECONDS = 30.0
"""The leader writes down that a run was begun right after it started the child."""
ASK_SECONDS = 0.1
AWAY_SECONDS = 2.0
T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job to its end."""
    parser = argparse.ArgumentParser(description="One run of one job; `eddyline schedule` starts these.")
    parser.add_argument("--run", required=True)
    parser.add_argument("--epoch", type=int, required=True)
    parser.add_argument("--holder", required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--config", type=Path, default=None)
    parser.add_argument("--registry", default=None)
    options = parser.parse_args(arguments)
    configure_logs()
    die_with_parent(options.parent)
    fence = Fence(name=LEASE, epoch=options.epoch, holder=options.holder)
    context = load(options.config)
    files = RunFiles(context.lake().metadata)
    try:
        return _run(context, options.run, fence, parent=options.parent, jobs=_registry(options.registry))
    except LeaseLostError as error:
        log.error("another scheduler leads now", reason=str(error))
        return EXIT_LEASE_LOST
    except (EddylineError, DetectorError) as error:
        is_final = isinstance(error, ConfigError | ModelError | DetectorError)
        log.error("the run failed", reason=str(error), kind=type(error).__name__)
        files.fail(options.run, Failure(reason=str(error), is_final=is_final))
        return EXIT_FINAL if is_final else EXIT_AGAIN


def _registry(name: str | None) -> Mapping[JobKind, str] | None:
    return None if name is None else registry_named(name)


def _run(context: Context, run_id: str, fence: Fence, *, parent: int, jobs: Mapping[JobKind, str] | None) -> int:
    catalogue = context.catalogue()
    fenced = catalogue.fenced(fence)
    run = _taken(catalogue, run_id, fence)
    lifeline = Lifeline(fenced, fence=fence, run_id=run_id, parent=parent, end=end_group)
    lifeline.start()
    log.info("run begins", stream=run.stream, job=run.job, kind=run.kind, attempt=run.attempt)
    outcome = done(run, context, fenced, report=lifeline.report, jobs=jobs)
    patiently(lambda: end(fenced, run, outcome))
    lifeline.stop()
    log.info("run ended", status=outcome.status.value, reason=outcome.reason)
    return 0


def _taken(catalogue: "Catalogue", run_id: str, fence: Fence) -> JobRunEntry:
    """The run, once the leader has written down that this process does it. Raises LeaseLostError where it does not."""
    deadline = time.monotonic() + TAKEN_SECONDS
    while time.monotonic() < deadline:
        run = patiently(lambda: catalogue.run(run_id))
        if run.status == RunStatus.RUNNING and (run.epoch, run.pid) == (fence.epoch, os.getpid()):
            return run
        time.sleep(ASK_SECONDS)
    raise LeaseLostError(f"run {run_id} was not given to this process: whoever leads now does it")


def done(
    run: JobRunEntry,
    context: Context,
    fenced: "Catalogue",
    *,
    report: Report,
    jobs: Mapping[JobKind, str] | None = None,
) -> JobOutcome:
    """What came of a run. Raises what its function raises, and ConfigError for arguments that it does not take."""
    kind = JobKind(run.kind)
    if jobs is None:
        try:
            validated_arguments(kind, run.arguments)
        except ValidationError as error:
            raise ConfigError(f"arguments of {run.job} ({run.kind}): {error}") from error
    job = JobContext(
        spec=stream_named(context.specs, run.stream),
        context=context,
        catalogue=fenced,
        clock=SystemClock(),
        run_id=run.run_id,
        report=report,
        fire_ms=run.fire_ms,
        before_publishing=lambda: patiently(fenced.check_fence),
    )
    return job_function(kind, jobs or JOBS)(job, run.arguments)


def end(fenced: "Catalogue", run: JobRunEntry, outcome: JobOutcome) -> None:
    """Say how a run ended."""
    fenced.end_run(
        run.run_id,
        status=outcome.status.value,
        reason=outcome.reason,
        result=outcome.result,
        now_ms=SystemClock().now_ms(),
    )


def patiently(ask: Callable[[], T]) -> T:
    """An answer of the catalogue, however long it is away: the work is done, and only this word of it is missing."""
    while True:
        try:
            return ask()
        except CatalogueUnavailableError as error:
            log.warning("waiting for the catalogue", reason=str(error))
            time.sleep(AWAY_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
