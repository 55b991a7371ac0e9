"""Small real jobs for the scheduler's tests, run by real children: `--registry tests.scheduling.jobs:JOBS`."""

import json
import os
import signal
import threading
import uuid
from pathlib import Path
from typing import Any

from pipeline.catalogue import QualityEntry
from pipeline.config import JobKind
from pipeline.errors import ConfigError, StorageUnavailableError
from pipeline.scheduling.job import JobContext, JobOutcome, RunStatus

JOBS = {
    JobKind.BACKUP: "tests.scheduling.jobs:stepwise",
    JobKind.RETENTION: "tests.scheduling.jobs:quick",
    JobKind.COMPACTION: "tests.scheduling.jobs:odd",
}


def folder_of(job: JobContext) -> Path:
    folder = job.context.lake().metadata / "test"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def stepwise(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Works step by step, goes on where a run before it stopped, and publishes once at the end."""
    notes = folder_of(job) / f"{job.run_id}.jsonl"
    done = len(steps_of(notes))
    for step in range(done, int(arguments["steps"])):
        threading.Event().wait(0.05)
        with notes.open("a") as file:
            file.write(json.dumps({"step": step, "pid": os.getpid()}) + "\n")
        job.report((step + 1) / arguments["steps"], f"step {step}")
    job.before_publishing()
    effect(job)
    return JobOutcome(reason="all steps done", result={"steps": arguments["steps"]})


def steps_of(notes: Path) -> list[dict[str, int]]:
    if not notes.exists():
        return []
    return [json.loads(line) for line in notes.read_text().splitlines() if line.endswith("}")]


def quick(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Has its effect at once."""
    effect(job)
    return JobOutcome()


def effect(job: JobContext) -> None:
    """Something that would be there twice, were it done twice."""
    job.catalogue.add_quality(
        QualityEntry(
            result_id=uuid.uuid4().hex,
            stream=job.spec.stream,
            subject="archive",
            verdict="passed",
            evaluated=0,
            failed=0,
            created_ms=job.clock.now_ms(),
            run_id=job.run_id,
            start_ms=job.fire_ms,
        )
    )


def odd(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Ends in one of the ways a job may end."""
    way = arguments["way"]
    if way == "killed":
        os.write(2, b"connecting to postgresql://eddyline:hunter2@db/eddyline\nabout to die\n")
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "exits":
        os._exit(7)
    if way == "hangs":
        threading.Event().wait(600)
    if way == "config":
        raise ConfigError("a column is missing: add it")
    if way == "away":
        raise StorageUnavailableError("the disk is full: free space")
    if way == "bug":
        raise KeyError("a bug")
    return JobOutcome(status=RunStatus.REFUSED, reason="the data is bad", result={"rows": 3})
