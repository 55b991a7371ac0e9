"""What a person can say of an alert, and what was said, as the catalogue hands it out."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from pipeline.alerts.model import Alert
from pipeline.alerts.wire import alert_from_document
from pipeline.errors import ConfigError, UnreadableAlertError

FACT = "feedback"
"""Under which a bundle's facts say what it was taught by."""


class Verdict(StrEnum):
    """What a person says of an alert."""

    FALSE_POSITIVE = "false_positive"
    """Nothing was wrong: rows like it keep quiet, and are learned as normal."""
    CONFIRMED = "confirmed"
    """Something was wrong: rows like it are not kept quiet, and its own are never learned as normal."""
    WITHDRAWN = "withdrawn"
    """As though nothing had been said."""


class Feedback(Protocol):
    """One entry of the catalogue; `FeedbackEntry` is one."""

    @property
    def feedback_id(self) -> int:
        """Rises with every entry."""

    @property
    def alert_id(self) -> str:
        """The alert it is about."""

    @property
    def verdict(self) -> str:
        """One of `Verdict`."""

    @property
    def alert(self) -> dict[str, Any]:
        """The alert as it stood."""


class Said(NamedTuple):
    """A verdict that holds, with its alert."""

    feedback_id: int
    verdict: Verdict
    alert: Alert


def standing(entries: Iterable[Feedback]) -> list[Said]:
    """The newest verdict on each alert, oldest first; withdrawn ones and those that this version cannot read are left
    out."""
    newest: dict[str, Feedback] = {}
    for entry in sorted(entries, key=lambda e: e.feedback_id):
        newest[entry.alert_id] = entry
    found = []
    for entry in sorted(newest.values(), key=lambda e: e.feedback_id):
        if entry.verdict in (Verdict.FALSE_POSITIVE, Verdict.CONFIRMED):
            try:
                found.append(Said(entry.feedback_id, Verdict(entry.verdict), alert_from_document(entry.alert)))
            except (ConfigError, UnreadableAlertError):  # of a later version: whoever wrote it acts on it
                continue
    return found


def taught_by(facts: dict[str, Any]) -> frozenset[int]:
    """The verdicts that a bundle with these facts was taught by."""
    fact = facts.get(FACT)
    return frozenset(int(one) for one in fact.get("feedback_ids", ())) if isinstance(fact, dict) else frozenset()
