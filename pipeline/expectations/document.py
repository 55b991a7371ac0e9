"""The document of one quality result: what the page shows, and what lies as JSON beside it.

Everything in it may be shown to anyone who may see reports: of personal columns there are counts and shares, never a
value, a level or a bin's edge that a person could be read from. Empty slots (`duplicates`, `canaries`, `feedback`,
`history`, `lineage`) are filled by those who know, or stay None or empty and are not drawn.
"""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

FORMAT = "eddyline.quality/1"


class Subject(StrEnum):
    """What was looked at."""

    ARCHIVE = "archive"
    GATE = "gate"
    DATASET = "dataset"
    DRIFT = "drift"


class Verdict(StrEnum):
    """What came of it."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    """An expectation could not be asked at all: a missing column, a value of a type that it does not fit."""


class Severity(StrEnum):
    """What a failed expectation does to the verdict."""

    CRITICAL = "critical"
    """The window fails."""
    WARNING = "warning"
    """It is said, and the window passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The window looked at: start ≤ time < end. None where the rows have no time."""

    start_ms: int | None
    end_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One expectation and what was seen."""

    name: str
    """Of the suite: `amount.missing`, `volume`."""
    column: str | None
    """None for what is about all rows."""
    kind: str
    """missing, range, levels …: the suite's word."""
    expected: str
    """In words, with the tolerance: "at most 1.2% missing (0.4% when inferred)"."""
    observed: str
    """In words: "31% missing"."""
    verdict: Verdict
    severity: Severity = Severity.CRITICAL
    reason: str = ""
    """One line that names the column and the fault; empty where it passed."""
    value: float | None = None
    """What was observed, where it is one number."""
    least: float | None = None
    most: float | None = None
    """Where `value` was expected to lie."""
    unexpected: int | None = None
    """Rows that do not fit, where rows can be told."""
    unexpected_share: float | None = None
    examples: tuple[str, ...] = ()
    """Values that do not fit; none of personal columns."""
    edited: bool = False
    """Whether a person changed this expectation after it was inferred."""
    note: str = ""
    """What a person wrote beside it."""
    engine: str = ""
    """The Great Expectations type that judged it; empty in the gate, which judges by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A column's shares in the window and in the reference, over the same bins or levels.

    The shares of a side and its `missing` and `beyond` add up to 1.
    """

    column: str
    kind: str
    """numbers, time or levels."""
    edges: tuple[float, ...] = ()
    """K + 1 of K bins; microseconds since the epoch for times; empty for levels."""
    levels: tuple[str, ...] = ()
    """K names, the last "all others" where there are more; empty for bins."""
    reference: tuple[float, ...] = ()
    observed: tuple[float, ...] = ()
    missing: tuple[float, float] = (0.0, 0.0)
    """Reference, observed."""
    beyond: tuple[float, float] = (0.0, 0.0)
    """Values outside the bins: reference, observed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One measure of drift beside its own noise: what clean windows of the reference show against the others."""

    value: float
    noise: float
    """The greatest value that chance explains, at the stated rate of false drift."""
    beyond: bool
    """Above the noise and above the least size that counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDrift:
    """How far one column moved from the reference."""

    column: str
    distance: str
    """ks (numbers, times of day) or tv (names)."""
    psi: Measure | None
    shift: Measure | None
    """The distance named above, 0 to 1."""
    missing: Measure | None
    """Difference of the missing shares."""
    drifted: bool
    breadth: float | None = None
    """Of the keys seen often enough, the share that moved too; None where the stream has no key."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoSample:
    """Can a classifier tell the window's rows from the reference's? .5 = it cannot."""

    area: float
    low: float
    high: float
    """95% interval."""
    noise: float
    """What it reaches between parts of the reference."""
    beyond: bool
    columns: tuple[tuple[str, float], ...] = ()
    """The columns that tell most, and how much the area falls without each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The window against what the champion was trained on."""

    drifted: bool
    reason: str
    """One line."""
    model_id: str
    reference: Span
    reference_rows: int
    columns: tuple[ColumnDrift, ...] = ()
    score: ColumnDrift | None = None
    """Of the champion's score."""
    two_sample: TwoSample | None = None
    breadth: str = ""
    """The rule on few keys in one sentence, and what it said here."""
    asked: str = ""
    """What was asked for because of it: the run's id of a retraining; empty where nothing was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HourVolume:
    """Rows of one hour and how many were expected."""

    start_ms: int
    rows: int
    least: float | None
    most: float | None
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCoverage:
    """How many keys were seen."""

    columns: tuple[str, ...]
    distinct: int
    per_hour: float
    least: float | None
    most: float | None
    largest_share: float
    """Of the rows, those of the busiest key (which is not named)."""
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old the newest event was at the window's end."""

    newest_ms: int | None
    age_seconds: float | None
    most_seconds: float | None
    fits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PastVerdict:
    """An earlier result of the same subject, for the page's history."""

    result_id: str
    created_ms: int
    start_ms: int | None
    end_ms: int | None
    verdict: Verdict
    failed: int
    evaluated: int
    page: str
    """Path below the folder of reports; empty where none was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteFacts:
    """Which expectations were asked."""

    file: str
    """Its name, without the folder."""
    sha256: str
    inferred_ms: int | None
    reference: Span
    reference_rows: int
    edited: int
    """Entries that people changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityDocument:
    """One result. `document()` is the JSON."""

    stream: str
    subject: Subject
    subject_id: str
    """The dataset's or the model's id, where there is one; else empty."""
    result_id: str
    created_ms: int
    window: Span
    rows: int
    looked_at: int
    """Rows that the expectations were asked on: fewer than `rows` where a sample was taken."""
    verdict: Verdict
    reasons: tuple[str, ...]
    """One line each, the gravest first; empty where all passed."""
    notes: tuple[str, ...] = ()
    """What a reader should know and that fails nothing."""
    suite: SuiteFacts | None = None
    expectations: tuple[Checked, ...] = ()
    """Failed ones first."""
    distributions: tuple[Distribution, ...] = ()
    drift: Drift | None = None
    volume: tuple[HourVolume, ...] = ()
    freshness: Freshness | None = None
    keys: KeyCoverage | None = None
    duplicates: dict[str, Any] | None = None
    """Slot: exact and near duplicates, counts by name; where there are `rows` and `exact_rows`, their share is said."""
    canaries: dict[str, Any] | None = None
    """Slot: live recall. `families`: a list of `family`, `injected`, `caught`; `since_ms`, `model_id` where known."""
    feedback: dict[str, Any] | None = None
    """Slot: what people said of alerts: `confirmed`, `false_positives`, `alerts` (published) and `since_ms`."""
    history: tuple[PastVerdict, ...] = ()
    """Slot: earlier verdicts, oldest first."""
    lineage: tuple[dict[str, Any], ...] = ()
    """Slot: what this came from: kind, id."""
    personal: tuple[str, ...] = ()
    """Columns whose values are not shown."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Versions of libraries, seconds taken."""

    def document(self) -> dict[str, Any]:
        """As JSON; numbers that are none are null."""
        return {"format": FORMAT, **_known(asdict(self))}


def _known(value: Any) -> Any:
    """Plain JSON: lists for tuples, names for enums, null where a number is not known."""
    if isinstance(value, dict):
        return {name: _known(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_known(inner) for inner in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
