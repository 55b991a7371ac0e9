"""`compaction` as a job: small archive files of a stream are joined, and files that were joined before are deleted."""

from typing import Any

from pipeline.archive.compaction import covered, delete, join, planned
from pipeline.scheduling.arguments import Compaction
from pipeline.scheduling.job import JobContext, JobOutcome


def compaction(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Join small files, and delete those that were joined `keep_seconds` ago.

    Restart: at any line; what was joined stays joined, and the rest is planned anew. Raises StorageUnavailableError.
    """
    asked = Compaction.model_validate(arguments)
    lake, stream = job.context.lake(), job.spec.stream
    joinings = planned(lake.files(stream), below_bytes=asked.below_bytes, least_files=asked.least_files)
    files = rows = 0
    for number, joining in enumerate(joinings):
        job.report(number / len(joinings), f"joining {len(joining.files)} files")
        rows += join(joining, lambda step: job.before_publishing())
        files += len(joining.files)
    job.report(1.0, "deleting files that were joined before")
    old = covered(lake.real(stream), joined_before_ms=job.clock.now_ms() - round(asked.keep_seconds * 1000))
    deleted = delete(old, lambda step: job.before_publishing())
    result = {"joined": files, "into": len(joinings), "rows": rows, "deleted": deleted}
    told = f"{files} files joined into {len(joinings)}" if joinings else "no small files to join"
    return JobOutcome(reason=f"{told}, {deleted} deleted that were joined before", result=result)
