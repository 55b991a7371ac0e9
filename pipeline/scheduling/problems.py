"""What is wrong with the schedules of specs, for `eddyline check` and before the scheduler starts.

Light: neither jobs nor the catalogue are imported.
"""

from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from pipeline.config import JobKind, JobSpec, StreamSpec
from pipeline.errors import ConfigError
from pipeline.scheduling.arguments import arguments_of
from pipeline.scheduling.fires import fires_of
from pipeline.yaml_files import Loaded
from pipeline.yaml_nodes import Document, Place, Problem, read_document
from pipeline.yaml_problems import validated

LEAST_INTERVAL_SECONDS = 1.0
_FROM_ARCHIVE = {
    JobKind.TRAIN_DETECTOR,
    JobKind.TRAIN_GENERATOR,
    JobKind.QUALITY_REPORT,
    JobKind.DRIFT_CHECK,
    JobKind.RECALIBRATE,
    JobKind.FIND_DUPLICATES,
    JobKind.COMPACTION,
}
"""What reads the archive, and has nothing to read unless `eddyline archive` runs."""


def schedule_problems(loaded: Loaded) -> list[Problem]:
    """Every mistake in the schedules, at its line."""
    problems: list[Problem] = []
    for name, spec in loaded.specs.items():
        if spec.schedule:
            document = read_document(loaded.spec_files[name])
            before = len(document.problems)
            _blame_jobs(spec, document)
            problems += document.problems[before:]
    return problems


def refuse_problems(loaded: Loaded) -> None:
    """Raises ConfigError with every mistake, one a line."""
    problems = schedule_problems(loaded)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in sorted(problems))
        raise ConfigError(f"the schedules have errors:\n{listed}\nmend these and run `eddyline check`")


def schedule_notes(specs: Iterable[StreamSpec]) -> list[str]:
    """What is allowed and perhaps not meant."""
    return [f"{spec.stream}: {note}" for spec in specs if spec.schedule for note in _notes(spec)]


def _notes(spec: StreamSpec) -> Iterator[str]:
    kinds = {job.run for job in spec.schedule}
    if JobKind.TRAIN_DETECTOR in kinds and JobKind.DRIFT_CHECK not in kinds:
        yield (
            "detectors are trained on schedule and no job says `run: drift_check`, so a change between two trainings "
            "goes unseen: add one, hourly for instance"
        )
    if JobKind.DRIFT_CHECK in kinds and not spec.retraining.on_drift:
        yield "drift is checked, and `retraining.on_drift` is off: it is reported, and nobody retrains"
    if kinds & _FROM_ARCHIVE:
        named = ", ".join(sorted(kind.value for kind in kinds & _FROM_ARCHIVE))
        yield f"its jobs read the archive ({named}): keep `eddyline archive {spec.stream}` running"
    if JobKind.RETENTION in kinds and not _keeps_less(spec):
        yield "`run: retention` has nothing to delete: `retention` keeps everything for good"


def _keeps_less(spec: StreamSpec) -> bool:
    kept = spec.retention
    return any(limit is not None for limit in (kept.archive_days, kept.reports, kept.history_days, kept.models))


def _blame_jobs(spec: StreamSpec, document: Document) -> None:
    first: dict[str, int] = {}
    for index, job in enumerate(spec.schedule):
        place: Place = ("schedule", index)
        if job.name in first:
            document.blame(
                f"schedule.{index}.name: {job.name!r} is also the name of the job on line "
                f"{document.line_of(('schedule', first[job.name]))}: give one another name",
                (*place, "name"),
            )
        first.setdefault(job.name, index)
        _blame_fires(job, document, place)
        _blame_arguments(job, document, place)


def _blame_fires(job: JobSpec, document: Document, place: Place) -> None:
    field = "cron" if job.cron is not None else "every_seconds"
    where = f"schedule.{place[-1]}.{field}"
    try:
        gap_ms = fires_of(job).least_gap_ms()
    except ValueError as error:
        document.blame(f"{where}: {error}", (*place, field))
        return
    if gap_ms is None:
        document.blame(f"{where}: {job.cron!r} never fires: there is no such day", (*place, field))
    elif gap_ms < LEAST_INTERVAL_SECONDS * 1000:
        document.blame(f"{where}: at least {LEAST_INTERVAL_SECONDS:g} s lie between two runs", (*place, field))
    elif job.timeout_seconds * 1000 >= gap_ms:
        named = "timeout_seconds" if (*place, "timeout_seconds") in document.lines else field
        document.blame(
            f"{where}: the job would overlap itself: it fires again after {gap_ms / 1000:g} s at the least, and may "
            f"run for {job.timeout_seconds:g} s: lower `timeout_seconds` below that, or let it fire less often",
            (*place, named),
        )


def _blame_arguments(job: JobSpec, document: Document, place: Place) -> None:
    """Arguments that the kind of job does not take, as other settings are said to be wrong."""
    model = arguments_of(job.run)
    try:
        model.model_validate(job.arguments)
        return
    except ValidationError:
        pass
    within = (*place, "arguments")
    lines = {at[len(within) :]: line for at, line in document.lines.items() if at[: len(within)] == within}
    inner = Document(file=document.file, value=dict(job.arguments), lines={(): document.line_of(within), **lines})
    validated(model, inner)
    prefix = ".".join(map(str, within))
    for problem in inner.problems:
        message = f"{prefix}.{problem.message} (of `{job.run.value}`)"
        document.problems.append(Problem(file=problem.file, line=problem.line, message=message))
