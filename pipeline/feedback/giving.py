"""Saying something of an alert: which one is meant, and what is written down."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.alerts.model import Alert, AlertKind
from pipeline.alerts.wire import alert_document
from pipeline.catalogue import AlertEntry, FeedbackEntry
from pipeline.errors import ConfigError
from pipeline.feedback.verdicts import Verdict

LEAST_PREFIX = 4
"""Digits of an id that name an alert, where they name only one."""
MOST_NOTE, MOST_USER = 500, 200


class Records(Protocol):
    """The part of the catalogue that is used."""

    def alerts_beginning(self, prefix: str) -> list[AlertEntry]:
        """At most two recorded alerts whose id begins so."""

    def feedback_on(self, alert_id: str) -> list[FeedbackEntry]:
        """What was said of an alert, newest first."""

    def add_feedback(self, entry: FeedbackEntry) -> int:
        """Write down what a person said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a person says, checked."""

    verdict: Verdict
    user: str
    note: str = ""
    score: float | None = None

    @classmethod
    def of(
        cls, *, false_positive: bool, confirmed: bool, withdraw: bool, user: str, note: str, score: float | None
    ) -> "Word":
        """From a command's flags. Raises ConfigError naming what is wrong with them."""
        chosen = [
            verdict
            for verdict, is_chosen in zip(
                (Verdict.FALSE_POSITIVE, Verdict.CONFIRMED, Verdict.WITHDRAWN),
                (false_positive, confirmed, withdraw),
                strict=True,
            )
            if is_chosen
        ]
        if len(chosen) != 1:
            raise ConfigError(
                "say one thing of an alert: --false-positive, --confirmed, or --withdraw to take back what was said"
            )
        if score is not None and not 0.0 <= score <= 1.0:
            raise ConfigError(f"--score {score:g}: how good the alert was is a number from 0 to 1")
        if len(note) > MOST_NOTE or not all(c.isprintable() or c == "\n" for c in note):
            raise ConfigError(
                f"--note has {len(note):,} characters: write at most {MOST_NOTE}, of text; link to what is longer"
            )
        if not user.strip() or len(user) > MOST_USER or not user.isprintable():
            raise ConfigError(f"--user is empty, or longer than {MOST_USER} characters: say who speaks")
        return cls(verdict=chosen[0], user=user.strip(), note=note.strip(), score=score)


def find_alert(prefix: str, records: Records, published: Callable[[], Iterable[Alert]]) -> dict[str, Any]:
    """The document of the alert whose id begins with `prefix`: as recorded, else as last published.

    `published` gives all alerts of the topics; it is asked only where nothing recorded fits. Raises ConfigError where
    no alert or several fit.
    """
    if len(prefix) < LEAST_PREFIX or not all(c in "0123456789abcdef" for c in prefix):
        raise ConfigError(
            f"{prefix!r} is no alert's id: give its first {LEAST_PREFIX} or more hexadecimal digits, as "
            "`eddyline alerts STREAM --json` shows them"
        )
    found = [entry.document for entry in records.alerts_beginning(prefix)]
    if not found:
        found = [alert_document(alert) for alert in published() if alert.id.startswith(prefix)]
    if not found:
        raise ConfigError(
            f"no alert's id begins with {prefix!r}, neither recorded nor on the alerts topics: `eddyline alerts STREAM "
            "--json` shows them"
        )
    if len(found) > 1:
        raise ConfigError(
            f"several alerts' ids begin with {prefix!r}: give more of it than {_common(found)!r}, which they share"
        )
    return found[0]


def give(records: Records, document: dict[str, Any], word: Word, *, now_ms: int) -> FeedbackEntry:
    """Write a word on an alert down; returns it as written. Raises ConfigError where nothing can be taken back."""
    alert_id = str(document["id"])
    said = records.feedback_on(alert_id)
    if word.verdict is Verdict.WITHDRAWN and (not said or said[0].verdict == Verdict.WITHDRAWN):
        raise ConfigError(f"nothing stands of what was said of alert {alert_id[:8]}: there is nothing to withdraw")
    entry = FeedbackEntry(
        alert_id=alert_id,
        stream=str(document["stream"]),
        verdict=word.verdict.value,
        user=word.user,
        score=word.score,
        note=word.note,
        given_ms=now_ms,
        alert=document,
    )
    records.add_feedback(entry)
    return entry


def consequence(verdict: Verdict, alert: Alert) -> str:
    """What follows, in one sentence for people."""
    if alert.kind not in (AlertKind.ANOMALY, AlertKind.STORM):
        return "written down; it says nothing about events, so nothing is kept quiet and nothing is learned from it"
    if verdict is Verdict.FALSE_POSITIVE:
        what = f"whose first reason is {alert.reasons[0].column}" if alert.reasons else "without a single reason"
        whose = "of any key" if alert.kind is AlertKind.STORM else "of the same key" if alert.key else "like it"
        return f"events {whose} {what}, as far off and no rarer than this, alert no longer from the next batch on"
    if verdict is Verdict.CONFIRMED:
        return "events like it alert, whatever was said before; its own are never learned as normal"
    return "as though nothing had been said: events like it alert again from the next batch on"


def _common(documents: list[dict[str, Any]]) -> str:
    first, last = min(d["id"] for d in documents), max(d["id"] for d in documents)
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return str(first[:length])
