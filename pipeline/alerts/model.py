"""The alert and what it is made from. `schema/alert.v1.json` publishes the JSON form."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from detectors.base import Reason

ALERT_SCHEMA_VERSION = 1


class AlertStatus(StrEnum):
    """Where an alert is in its life."""

    OPEN = "open"
    """Published for the first time."""
    UPDATED = "updated"
    """More flagged events joined."""
    RESOLVED = "resolved"
    """Quiet for longer than the grouping gap."""


class AlertKind(StrEnum):
    """What the alert says."""

    ANOMALY = "anomaly"
    """Flagged events of one key."""
    STORM = "storm"
    """Many keys flagged for one cause."""
    SILENCE = "silence"
    """The topic brings nothing."""
    REJECTS = "rejects"
    """The stream no longer fits its spec and is paused."""


class Severity(StrEnum):
    """How far beyond the budget's threshold."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Cause(StrEnum):
    """Whether flagged events are strange, or only badly delivered."""

    ODD_BEHAVIOUR = "odd_behaviour"
    """The events around them are as they usually are."""
    BAD_DATA = "bad_data"
    """What makes them strange is wrong with far more of the newest events than usual."""
    UNKNOWN = "unknown"
    """Nothing to judge by: too few events since the worker started, or a model without a profile of usual data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged:
    """One row whose score passed the threshold. Rare, so an object each is fine."""

    offset: int
    row: int
    """Row within its record."""
    time_ms: int
    """Event time where the stream has one, else append time."""
    append_time_ms: int
    key: str | None
    """The entity, unmasked: for grouping only, hashed before it is stored."""
    score_nats: float
    tail_probability: float
    """How likely a score at least this high is on normal rows."""
    reasons: tuple[Reason, ...]
    event: dict[str, Any]
    """The row's columns (labels left out), unmasked: masked when an alert is made."""
    watermark_ms: int | None = None
    """The partition's newest `time_ms` up to and including this row, unflagged rows counted too. With it, alerts do
    not depend on where batches are cut even when rows are out of order; None stands for the row's own time."""
    cause: Cause = Cause.UNKNOWN
    cause_detail: str = ""
    """What is wrong with the data, or why nothing can be said; no value of an event is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One message on the alerts topic: an alert as it stands. `id` is the de-duplication key, with `revision`."""

    id: str
    """Hash of kind, stream, topic id, partition, and offset and row of the first event (`identity.py`)."""
    revision: int
    kind: AlertKind
    status: AlertStatus
    severity: Severity
    stream: str
    topic: str
    topic_id: str
    partition: int
    first_offset: int
    last_offset: int
    key: str | None
    """Masked where the key column is personal."""
    started_ms: int
    last_ms: int
    published_ms: int
    events: int
    """Flagged events so far."""
    score_nats: float
    """Of the worst event."""
    tail_probability: float
    threshold_nats: float
    model_id: str
    reasons: tuple[Reason, ...]
    """Of the worst event, personal columns masked."""
    event: dict[str, Any]
    """The worst event, personal columns masked."""
    keys: int = 1
    """Distinct keys a storm stands for."""
    shadow: bool = False
    message: str = ""
    """One line for people."""
    storm_id: str | None = None
    """The storm that took this alert over, once one has."""
    key_hash: str | None = None
    """What verdicts on alerts tell keys apart by (`Masker.key_hash`); None where there is no key, and for storms."""
    cause: Cause = Cause.UNKNOWN
    """Of most of its flagged events; may change as more join."""
    cause_detail: str = ""
    """What is wrong with the data, or why nothing can be said."""
