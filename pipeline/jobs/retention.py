"""`retention` as a job: delete what a stream's spec keeps no longer, and what dead processes left behind.

Never deleted: the champion, the model before it, what scorers have loaded, the newest generators, whatever any of
these came from (the archive's files of their training windows included), and the newest file of each partition.
"""

from pathlib import Path
from typing import Any

from pipeline.archive.compaction import remove_dead
from pipeline.expectations.report.store import ReportFolder
from pipeline.jobs.deletion import (
    DAY_MS,
    UNFINISHED_DAYS,
    delete_archive,
    delete_bundles,
    delete_dead_bundles,
    delete_logs,
    delete_unfinished,
)
from pipeline.jobs.in_service import InService, in_service
from pipeline.scheduling.job import JobContext, JobOutcome
from pipeline.scheduling.runner import RunFiles


def retention(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Delete what is kept no longer. Restart: at any line; what is gone is gone, and the rest follows."""
    kept, stream, lake = job.spec.retention, job.spec.stream, job.context.lake()
    keep, now_ms, fence = in_service(job.catalogue, stream), job.clock.now_ms(), job.before_publishing
    gone: dict[str, int] = {}
    if kept.archive_days is not None:
        job.report(0.0, "archive")
        old_ms = now_ms - round(kept.archive_days * DAY_MS)
        gone["archive files"] = delete_archive(lake, stream, before_ms=old_ms, keep=keep, before=fence)
    if kept.models is not None:
        job.report(0.4, "models")
        gone["models"] = delete_bundles(
            Path(job.context.settings.models), _old_models(job, kept.models, keep), before=fence
        )
    if kept.reports is not None:
        job.report(0.5, "reports")
        fence()
        reports = ReportFolder(Path(job.context.settings.scheduler.reports))
        gone["reports"] = reports.prune(stream, kept.reports)
    if kept.history_days is not None:
        job.report(0.6, "history")
        old_ms = now_ms - round(kept.history_days * DAY_MS)
        gone["records"] = job.catalogue.trim_history(stream, before_ms=old_ms)
        gone["logs"] = delete_logs(RunFiles(lake.metadata).folder, before_ms=old_ms)
    job.report(0.9, "what dead processes left behind")
    gone |= _left_behind(job, now_ms - round(UNFINISHED_DAYS * DAY_MS))
    told = ", ".join(f"{count:,} {name}" for name, count in gone.items() if count)
    return JobOutcome(reason=f"deleted {told}" if told else "nothing to delete", result=gone)


def _old_models(job: JobContext, newest: int, keep: InService) -> list[str]:
    entries = job.catalogue.models(job.spec.stream)
    return [entry.model_id for entry in entries[newest:] if entry.model_id not in keep.models]


def _left_behind(job: JobContext, before_ms: int) -> dict[str, int]:
    lake, stream, models = job.context.lake(), job.spec.stream, Path(job.context.settings.models)
    job.before_publishing()
    return {
        "unfinished datasets": delete_unfinished(lake, stream, before_ms=before_ms, before=job.before_publishing),
        "unfinished bundles": sum(
            delete_dead_bundles(root, before_ms=before_ms) for root in (models, models / "generators")
        ),
        "unfinished archive files": remove_dead(lake.real(stream)),
    }
