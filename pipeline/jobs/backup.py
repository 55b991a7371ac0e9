"""Backs the catalogue up into the service's folder of backups, and keeps the newest few."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pipeline.catalogue.backup import BackupFacts
from pipeline.catalogue.backup.file import SUFFIX
from pipeline.errors import ConfigError
from pipeline.scheduling.arguments import Backup
from pipeline.scheduling.job import JobContext, JobOutcome

if TYPE_CHECKING:
    from pipeline.catalogue import Catalogue

NAME = re.compile(r"catalogue-\d{8}T\d{6}-\d{3}Z" + re.escape(SUFFIX))


def backup(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """The job `backup`: one more file, and none but the newest `keep`. Raises ConfigError for arguments it does not
    take, StorageUnavailableError where the file cannot be written."""
    try:
        keep = Backup.model_validate(arguments).keep
    except ValidationError as error:
        raise ConfigError(f"the job backup takes `keep`, a number of files from 1 up: {error}") from error
    folder = Path(job.context.settings.scheduler.backups)
    job.report(0.0, "writing the backup")
    path, facts = back_up(job.catalogue, folder, now_ms=job.clock.now_ms())
    job.before_publishing()
    removed = remove_older(folder, keep=keep)
    rows = sum(facts.rows.values())
    return JobOutcome(
        reason=f"{rows:,} rows in {path.name}",
        result={"file": path.name, "bytes": path.stat().st_size, "rows": facts.rows, "removed": removed},
    )


def back_up(catalogue: "Catalogue", folder: Path, *, now_ms: int) -> tuple[Path, BackupFacts]:
    """One more backup in a folder, named by its moment."""
    path = folder / file_name(now_ms)
    return path, catalogue.backup(path, now_ms=now_ms)


def file_name(now_ms: int) -> str:
    """Sorts by time."""
    moment = datetime.fromtimestamp(now_ms // 1000, UTC)
    return f"catalogue-{moment:%Y%m%dT%H%M%S}-{now_ms % 1000:03d}Z{SUFFIX}"


def remove_older(folder: Path, *, keep: int) -> list[str]:
    """Delete all but the newest backups that this job made; what has another name stays."""
    old = sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))[:-keep]
    for path in old:
        path.unlink(missing_ok=True)
    return [path.name for path in old]
