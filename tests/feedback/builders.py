"""Alerts and what people said of them, for the tests of feedback."""

from dataclasses import dataclass, replace
from typing import Any

from detectors.base import Reason
from pipeline.alerts.model import Alert
from pipeline.alerts.wire import alert_document
from tests.alerts.builders import Run, make_engine, make_spec, reason, row

DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Entry:
    """An entry as the catalogue hands it out."""

    feedback_id: int
    alert_id: str
    verdict: str
    alert: dict[str, Any]


def alert_of(key: str | None = "ada", *, reasons: tuple[Reason, ...] = (reason(),), **changes: Any) -> Alert:
    """An alert as the engine makes it, of one row at time 0."""
    made = Run.of(make_engine(make_spec())).feed([row(1, 0, key, reasons=reasons)])
    return replace(made[0], **changes)


def said(number: int, verdict: str, alert: Alert) -> Entry:
    """What a person said of it."""
    return Entry(number, alert.id, verdict, alert_document(alert))
