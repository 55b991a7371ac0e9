"""How many alerts were true, by what people said: by model and week, and over a span for reports."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pipeline.feedback.verdicts import Feedback, Said, Verdict, standing

WEEK_MS = 7 * 86_400_000
MONDAY_MS = 4 * 86_400_000
"""The first Monday after 1970-01-01, which weeks are counted from."""
NORMAL_95 = 1.959964


class Scored(Feedback, Protocol):
    """Feedback with the quality that a person gave the alert."""

    @property
    def score(self) -> float | None:
        """0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedFigures:
    """Judged alerts of one model in one week of event time, UTC, from Monday."""

    model_id: str
    week: str
    """Its first day."""
    confirmed: int
    false_positives: int
    mean_score: float | None
    """Of the qualities that people gave."""

    @property
    def precision(self) -> float:
        """Confirmed of judged. Of what people chose to judge, not of all alerts."""
        return self.confirmed / (self.confirmed + self.false_positives)

    @property
    def interval(self) -> tuple[float, float]:
        """95%, by Wilson (1927)."""
        return wilson(self.confirmed, self.confirmed + self.false_positives)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        low, high = self.interval
        return {**asdict(self), "precision": self.precision, "precision_low": low, "precision_high": high}


def judged_figures(feedback: Iterable[Scored]) -> list[JudgedFigures]:
    """By model and week, the newest week first; storms count as one alert."""
    entries = list(feedback)
    scores = {entry.feedback_id: entry.score for entry in entries}
    grouped: dict[tuple[int, str], list[Said]] = defaultdict(list)
    for said in standing(entries):
        week = (said.alert.started_ms - MONDAY_MS) // WEEK_MS
        grouped[week, said.alert.model_id].append(said)
    return [_figures(week, model, grouped[week, model], scores) for week, model in sorted(grouped, reverse=True)]


def feedback_slot(feedback: Iterable[Feedback], *, alerts: int, since_ms: int) -> dict[str, Any]:
    """What a report says of a stream's feedback: judged alerts begun since a moment, of `alerts` published."""
    verdicts = [said.verdict for said in standing(feedback) if said.alert.started_ms >= since_ms]
    confirmed = sum(verdict is Verdict.CONFIRMED for verdict in verdicts)
    return {
        "confirmed": confirmed,
        "false_positives": len(verdicts) - confirmed,
        "alerts": alerts,
        "since_ms": since_ms,
    }


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927); 0 to 1 where nothing was counted."""
    if not of:
        return 0.0, 1.0
    share, square = hits / of, NORMAL_95**2
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / of + square / (4 * of**2)) / (1 + square / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def _figures(week: int, model_id: str, found: list[Said], scores: dict[int, float | None]) -> JudgedFigures:
    given = [score for said in found if (score := scores[said.feedback_id]) is not None]
    confirmed = sum(said.verdict is Verdict.CONFIRMED for said in found)
    first = datetime.fromtimestamp((week * WEEK_MS + MONDAY_MS) / 1000, UTC)
    return JudgedFigures(
        model_id=model_id,
        week=first.strftime("%Y-%m-%d"),
        confirmed=confirmed,
        false_positives=len(found) - confirmed,
        mean_score=sum(given) / len(given) if given else None,
    )
