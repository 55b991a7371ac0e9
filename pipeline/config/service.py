"""What runs by itself: jobs on a schedule, retraining, canaries, data quality, and how long things are kept."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pipeline.config.base import Frozen, Name, Share


class JobKind(StrEnum):
    """What a job does. Each is a named function with JSON arguments (`pipeline/scheduling/registry.py`)."""

    TRAIN_DETECTOR = "train_detector"
    """Train a challenger on a window of the archive; it takes over only where it is better."""
    TRAIN_GENERATOR = "train_generator"
    GENERATE_DATASET = "generate_dataset"
    QUALITY_REPORT = "quality_report"
    DRIFT_CHECK = "drift_check"
    """Hold recent events against the champion's training window; asks for retraining where they moved away."""
    WATCH_CHAMPION = "watch_champion"
    """Go back to the model before where the champion's alert rate has left its promise."""
    RECALIBRATE = "recalibrate"
    RETENTION = "retention"
    COMPACTION = "compaction"
    FIND_DUPLICATES = "find_duplicates"
    BACKUP = "backup"


class MissedFires(StrEnum):
    """What becomes of fires that no scheduler was there for."""

    ONCE = "once"
    """Caught up by one run."""
    SKIP = "skip"
    """Written down as skipped."""


class JobSpec(Frozen):
    """One job of a stream. Times are UTC."""

    name: Name
    run: JobKind
    cron: str | None = None
    """Five fields: minute, hour, day of the month, month, day of the week."""
    every_seconds: PositiveFloat | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Of the job's own; JSON."""
    missed: MissedFires = MissedFires.ONCE
    timeout_seconds: PositiveFloat = 3600.0
    """A run that takes longer is ended and counts as failed."""
    retries: Annotated[int, Field(ge=0, le=20)] = 3
    """Further attempts after one that died or failed for a reason that may pass."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "JobSpec":
        if (self.cron is None) == (self.every_seconds is None):
            raise ValueError(f"job {self.name}: state exactly one of cron and every_seconds")
        return self


class DuplicatePolicy(StrEnum):
    """Which rows that are there twice training leaves out; the earliest stays."""

    KEEP = "keep"
    """None."""
    EXACT = "exact"
    """Events delivered again: the same id, where the stream has one; else the same in every column, where one of them
    is the event's time. A stream with neither keeps all: equal readings are no copies there."""
    NEAR = "near"
    """Those, and rows that differ in one column besides the id; where that is the event's time, by a minute at most."""


class RetrainingSpec(Frozen):
    """How challengers are trained and when they take over."""

    window_days: PositiveFloat = 28.0
    """Of the archive, up to now, that a challenger learns from."""
    on_drift: bool = True
    """Retrain where a drift check says that the stream moved away from what the champion learned."""
    on_schema_change: bool = True
    least_hours_between: Annotated[float, Field(ge=0.0)] = 6.0
    """Between two retrainings that drift or a new schema asked for."""
    most_left_out_share: Share = 0.02
    """Of the rows, flagged by the champion, that a challenger may leave out of its training."""
    duplicates: DuplicatePolicy = DuplicatePolicy.EXACT
    """Rows that are there twice: which of them training leaves out."""
    rollback: bool = True
    """Go back to the champion before where the new one's alert rate leaves its promise."""


class QualitySpec(Frozen):
    """Expectations on the archive. The suite lies in the folder `quality` of the settings, as `<stream>.yaml`."""

    gate: bool = True
    """Refuse to train on a window that fails."""
    window_hours: PositiveFloat = 24.0
    """Of events that one scheduled report looks at."""


class CanarySpec(Frozen):
    """Synthetic anomalies of known kind, scored in a shadow copy of the live stream and never shown as alerts."""

    per_hour: PositiveFloat = 60.0
    """Injected anomalies, over all kinds."""


class RetentionSpec(Frozen):
    """How long things are kept; None keeps them for good. Nothing that something in service came from is deleted."""

    archive_days: PositiveFloat | None = None
    reports: PositiveInt | None = 200
    """Report pages of a stream, the newest."""
    history_days: PositiveFloat | None = 365.0
    """Runs, alerts and quality results in the catalogue."""
    models: PositiveInt | None = None
    """Model bundles of a stream, the newest; the champion and the one before it always stay."""


class SchedulerSettings(Frozen):
    """The scheduler of a service."""

    most_jobs: Annotated[int, Field(ge=1, le=64)] = 1
    """Child processes at once."""
    lease_seconds: Annotated[float, Field(ge=2.0, le=60.0)] = 6.0
    """A leader that says nothing for this long is replaced."""
    reports: str = "reports"
    """Folder of report pages, relative to the settings file."""
    backups: str = "backups"
    """Folder of the catalogue's backups, relative to the settings file."""
