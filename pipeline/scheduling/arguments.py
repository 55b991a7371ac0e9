"""What each kind of job may be told, as it stands in a spec or on the command line.

Light on purpose: `eddyline check` and `eddyline jobs` read it without what the jobs themselves need.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pipeline.config import Frozen, JobKind


class NoArguments(Frozen):
    """A job that goes by the spec alone."""


class TrainDetector(Frozen):
    """`train_detector`: trains a challenger on the last `retraining.window_days` before the run was due."""

    start: datetime | None = None
    """Learn from events at or after this moment instead; UTC where it names no zone."""
    end: datetime | None = None
    """Learn from events before this moment."""
    detector: str | None = None
    """The stream's own by default."""
    seed: int | None = None
    """The stream's own by default."""
    reason: str = ""
    """Why it was asked for; kept in the history."""


class Recalibrate(Frozen):
    """`recalibrate`: moves the champion's threshold to where the budget is kept on the stream as it now is."""

    breadth: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    """Share of the active keys that must show a shift before it counts in full."""
    most_change: Annotated[float, Field(gt=1.0)] = 4.0
    """How many times fewer or more alerts a day's change may allow."""


Model = Literal["autoregressive", "vae", "gan", "independent"]
"""A kind of generator."""


class TrainGenerator(Frozen):
    """`train_generator`: learns from the window of the archive that ends when the run was due."""

    model: Model = "autoregressive"
    budget_seconds: PositiveFloat = 300.0
    """The most time to train for."""
    seed: int = 0
    most_rows: PositiveInt = 200_000
    """Drawn evenly from the window."""
    window_days: PositiveFloat = 28.0
    label: str | None = None
    """Column with classes to keep; the stream's own by default."""


class GenerateDataset(Frozen):
    """`generate_dataset`: rows by a generator of the stream, through the gates."""

    model: Model | None = None
    """The newest generator of this model; of any, by default."""
    generator: str | None = None
    """A generator's id, or the beginning of it, instead."""
    rows: PositiveInt
    where: str = ""
    """Conditions that every row meets, `country=BR,amount>500`."""
    balance: str = ""
    """A column whose levels come equally often."""
    anomalies: str = ""
    """Labelled anomalies to put in, `2%:velocity,spike`."""
    seed: int | Literal["per fire"] = "per fire"
    """`per fire`: other rows each time, the same rows when a run is done again."""


class Backup(Frozen):
    """`backup`: writes the catalogue into a file of its own."""

    keep: PositiveInt = 14
    """Backups kept, the newest."""


class Compaction(Frozen):
    """`compaction`: joins small archive files of a partition."""

    below_bytes: PositiveInt = 64 * 1024 * 1024
    """Files smaller than this are joined, up to twice as much in one."""
    least_files: Annotated[int, Field(ge=2, le=10_000)] = 4
    """Of one partition, day and schema version, side by side; fewer are left alone."""
    keep_seconds: NonNegativeFloat = 3600.0
    """Files that were joined are deleted this much later, so that who reads them already can go on."""


class QualityReport(Frozen):
    """`quality_report`: asks the suite's expectations of the window of the archive that ends when the run was due.

    The run's result names `result_id`, `verdict` and `page`.
    """

    start: datetime | None = None
    """Look at events at or after this moment instead; UTC where it names no zone."""
    end: datetime | None = None
    """Look at events before this moment."""
    window_hours: PositiveFloat | None = None
    """The stream's `quality.window_hours` by default."""
    dataset: str | None = None
    """A synthetic dataset's id, or the beginning of it, instead; `new` for all that were not looked at yet."""
    suite: str | None = None
    """Another file of expectations than the stream's."""
    reference_days: PositiveFloat = 28.0
    """Of the archive before the window: inferred from, where there is no suite yet."""


class FindDuplicates(Frozen):
    """`find_duplicates`: rows that are there twice, in the window of the archive that ends when the run was due."""

    window_hours: PositiveFloat = 24.0
    near: bool = True
    """Look for near duplicates too."""
    most_differing: Literal[1, 2] = 1
    """Columns in which near duplicates may differ."""
    dataset: str | None = None
    """A synthetic dataset's id, or the beginning of it, instead."""


class DriftCheck(Frozen):
    """`drift_check`: holds the last hours before the run was due against what the champion was trained on."""

    window_hours: PositiveFloat | None = None
    """Another length than `quality.window_hours`."""


ARGUMENTS: dict[JobKind, type[Frozen]] = {
    JobKind.TRAIN_DETECTOR: TrainDetector,
    JobKind.DRIFT_CHECK: DriftCheck,
    JobKind.WATCH_CHAMPION: NoArguments,
    JobKind.RECALIBRATE: Recalibrate,
    JobKind.TRAIN_GENERATOR: TrainGenerator,
    JobKind.GENERATE_DATASET: GenerateDataset,
    JobKind.QUALITY_REPORT: QualityReport,
    JobKind.RETENTION: NoArguments,
    JobKind.COMPACTION: Compaction,
    JobKind.BACKUP: Backup,
    JobKind.FIND_DUPLICATES: FindDuplicates,
}
"""One class a kind. A kind that is not here takes none."""


def arguments_of(kind: JobKind) -> type[Frozen]:
    """What a kind of job takes."""
    return ARGUMENTS.get(kind, NoArguments)


def validated_arguments(kind: JobKind, arguments: dict[str, Any]) -> Frozen:
    """Arguments as the kind's model. Raises pydantic's ValidationError."""
    return arguments_of(kind).model_validate(arguments)
