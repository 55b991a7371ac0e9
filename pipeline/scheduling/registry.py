"""Which function each kind of job is. Names, not objects: what a run needs is imported in its own process."""

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from pipeline.config import JobKind
from pipeline.scheduling.job import JobFunction

JOBS: dict[JobKind, str] = {
    JobKind.TRAIN_DETECTOR: "pipeline.lifecycle.retrain:train_detector",
    JobKind.TRAIN_GENERATOR: "pipeline.jobs.scheduled_synthesis:train_generator",
    JobKind.GENERATE_DATASET: "pipeline.jobs.scheduled_synthesis:generate_dataset",
    JobKind.QUALITY_REPORT: "pipeline.expectations.jobs:quality_report",
    JobKind.DRIFT_CHECK: "pipeline.expectations.jobs:drift_check",
    JobKind.WATCH_CHAMPION: "pipeline.lifecycle.watch:watch_champion",
    JobKind.RECALIBRATE: "pipeline.lifecycle.retrain:recalibrate",
    JobKind.RETENTION: "pipeline.jobs.retention:retention",
    JobKind.COMPACTION: "pipeline.jobs.compaction:compaction",
    JobKind.FIND_DUPLICATES: "pipeline.duplicates.job:find_duplicates",
    JobKind.BACKUP: "pipeline.jobs.backup:backup",
}
"""Kind → module:function; each is a `JobFunction`."""


def job_function(kind: JobKind, jobs: Mapping[JobKind, str] = JOBS) -> JobFunction:
    """The function of a kind."""
    return cast("JobFunction", _named(jobs[kind]))


def registry_named(name: str) -> Mapping[JobKind, str]:
    """Another registry, as `module:NAME`."""
    return cast("Mapping[JobKind, str]", _named(name))


def _named(text: str) -> object:
    module, _, name = text.partition(":")
    return getattr(import_module(module), name)
