"""The job `find_duplicates`: looks for rows that are there twice; what it found is kept as JSON and in its result."""

from typing import Any

from pydantic import ValidationError

from pipeline.config import JobKind
from pipeline.duplicates.find import FindOptions, find_in_archive, find_in_dataset
from pipeline.duplicates.near import NearOptions
from pipeline.duplicates.report import DuplicateReport
from pipeline.errors import ConfigError
from pipeline.lake.durable import to_json, write_atomic
from pipeline.lake.lake import Lake
from pipeline.scheduling.arguments import FindDuplicates, validated_arguments
from pipeline.scheduling.job import JobContext, JobOutcome

MS_PER_HOUR = 3_600_000


def find_duplicates(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Look at the window of the archive that ends when the run was due, or at a dataset.

    Succeeds whatever it finds: what becomes of duplicates is the policy's. Raises ConfigError for wrong arguments and
    where nothing is archived there.
    """
    asked = _asked(arguments)
    options = FindOptions(near=NearOptions(most_differing=asked.most_differing) if asked.near else None)
    job.report(0.0, "going through rows")
    lake = job.context.lake()
    if asked.dataset is not None:
        entry = job.catalogue.dataset(asked.dataset)
        report = find_in_dataset(lake, entry.stream, entry.dataset_id, options=options)
    else:
        end_ms = job.fire_ms if job.fire_ms is not None else job.clock.now_ms()
        start_ms = end_ms - round(asked.window_hours * MS_PER_HOUR)
        report = find_in_archive(job.spec, lake, start_ms=start_ms, end_ms=end_ms, options=options)
    job.before_publishing()
    write_report(lake, report, job.run_id)
    return JobOutcome(reason=in_a_line(report), result=report.slot() | {"subject": report.subject_id})


def write_report(lake: Lake, report: DuplicateReport, name: str) -> None:
    """Keep a report below the lake's metadata. Raises StorageUnavailableError."""
    write_atomic(lake.metadata / "duplicates" / report.stream / f"{name}.json", to_json(report.document()))


def in_a_line(report: DuplicateReport) -> str:
    """For lists of runs: `10,000 rows: 12 there before exactly (0.12%), 3 nearly (0 by chance)`."""
    near = f", {report.near.rows:,} nearly ({report.near.chance_rows:,} by chance)" if report.near is not None else ""
    return f"{report.rows:,} rows: {report.exact_rows:,} there before exactly ({report.exact_share:.2%}){near}"


def _asked(arguments: dict[str, Any]) -> FindDuplicates:
    try:
        asked = validated_arguments(JobKind.FIND_DUPLICATES, arguments)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "arguments"
        raise ConfigError(f"find_duplicates does not take {where}: {first['msg']}; mend the job's arguments") from error
    if not isinstance(asked, FindDuplicates):
        raise ConfigError("find_duplicates takes window_hours, near, most_differing and dataset")
    return asked
