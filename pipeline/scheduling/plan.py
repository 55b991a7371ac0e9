"""The jobs of all specs, and what holds for runs that no job of a spec stands behind."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.config import JobKind, JobSpec, StreamSpec
from pipeline.errors import ConfigError
from pipeline.scheduling.fires import Fires, fires_of

JobName = tuple[str, str]
"""Stream and job."""


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job of a stream's spec, and when it is due."""

    stream: str
    spec: JobSpec
    fires: Fires

    @property
    def name(self) -> JobName:
        """What it goes by."""
        return self.stream, self.spec.name


def planned(specs: Iterable[StreamSpec]) -> dict[JobName, PlannedJob]:
    """Every job of every spec. Raises ConfigError for a schedule that cannot be read."""
    jobs: dict[JobName, PlannedJob] = {}
    for spec in specs:
        for job in spec.schedule:
            try:
                found = PlannedJob(spec.stream, job, fires_of(job))
            except ValueError as error:
                raise ConfigError(
                    f"{spec.stream}, job {job.name}: {error}; `eddyline check` says where it stands"
                ) from error
            jobs[found.name] = found
    return jobs


def terms_of(jobs: Mapping[JobName, PlannedJob], stream: str, job: str, kind: str) -> JobSpec:
    """The job that a run is of; for one asked for by its kind alone, the first of that kind, else the defaults."""
    if (stream, job) in jobs:
        return jobs[stream, job].spec
    alike = (planned.spec for planned in jobs.values() if planned.stream == stream and planned.spec.run == kind)
    return next(alike, JobSpec(name=job, run=JobKind(kind), every_seconds=1.0))
