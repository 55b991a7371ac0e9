"""What the catalogue takes and gives about the scheduled service. Fields are the tables' columns; times are
milliseconds since the epoch, UTC."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Under which lease a process writes: its writes are refused once the lease has another holder or epoch."""

    name: str
    epoch: int
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEntry:
    """A lease as it stood when it was looked at."""

    name: str
    epoch: int
    holder: str
    """Empty where it was given back."""
    expires_ms: int
    """By the database's clock."""
    left_ms: int
    """Until it expires, by the database's clock, so that hosts' clocks do not matter; negative afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStateEntry:
    """What the scheduler remembers of a job between leaders."""

    stream: str
    job: str
    paused: bool = False
    paused_by: str = ""
    since_ms: int
    last_fire_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRunEntry:
    """One run of one job."""

    run_id: str
    stream: str
    job: str
    kind: str
    fire_ms: int
    status: str = "queued"
    origin: str = "schedule"
    arguments: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1
    """1 for the first."""
    failures: int = 0
    """Attempts that died or failed; one that lost its leader did not."""
    not_before_ms: int = 0
    epoch: int | None = None
    host: str = ""
    pid: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    progress: float = 0.0
    doing: str = ""
    reason: str = ""
    last_lines: str = ""
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaVersionEntry:
    """A version of a stream's schema, as the archive first saw it."""

    stream: str
    version: int
    sha256: str
    columns: dict[str, Any]
    seen_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationEntry:
    """Figures of one challenger, and of what it was held against, on one held-out replay."""

    evaluation_id: str
    stream: str
    model_id: str
    created_ms: int
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionEntry:
    """What was decided about a model, by whom and on which figures."""

    decision_id: str
    stream: str
    kind: str
    """promoted, refused, rolled_back, kept."""
    model_id: str | None
    before_id: str | None
    """The champion that was in service when it was decided."""
    evaluation_id: str | None = None
    run_id: str | None = None
    by: str
    reason: str
    figures: dict[str, Any] = field(default_factory=dict)
    decided_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityEntry:
    """The verdict over one window of the archive, one synthetic dataset, or one check of drift."""

    result_id: str
    stream: str
    subject: str
    """archive, gate, dataset or drift."""
    subject_id: str = ""
    start_ms: int | None = None
    end_ms: int | None = None
    verdict: str
    """passed, failed or error."""
    evaluated: int
    failed: int
    created_ms: int
    run_id: str | None = None
    page: str = ""
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEntry:
    """An alert as it last stood, personal columns masked as in the topic."""

    alert_id: str
    stream: str
    revision: int
    kind: str
    status: str
    severity: str
    cause: str = "unknown"
    """odd_behaviour, bad_data or unknown."""
    started_ms: int
    last_ms: int
    published_ms: int
    model_id: str
    shadow: bool = False
    document: dict[str, Any]
    """The whole alert, as published."""


class Place(NamedTuple):
    """One partition of one topic; a topic made anew has another id, and starts at 0."""

    topic: str
    topic_id: str
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackEntry:
    """What a person said of an alert."""

    feedback_id: int = 0
    """Given by the catalogue; rises with every entry."""
    alert_id: str
    stream: str
    verdict: str
    """false_positive, confirmed or withdrawn."""
    user: str
    score: float | None = None
    note: str = ""
    given_ms: int
    alert: dict[str, Any]
    """The alert as it stood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageEdge:
    """One edge: the child came from the parent."""

    parent_kind: str
    parent_id: str
    child_kind: str
    child_id: str
    stream: str
    made_ms: int
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalEntry:
    """Something that must not be used any more, and what it was withdrawn for."""

    kind: str
    id: str
    stream: str
    because_kind: str
    because_id: str
    reason: str
    start_ms: int | None = None
    end_ms: int | None = None
    withdrawn_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryCount:
    """How many canaries of one family a model caught in one hour."""

    stream: str
    model_id: str
    family: str
    hour_ms: int
    injected: int
    caught: int
