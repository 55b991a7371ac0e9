"""How many alerts were true, by what people said: by model and week, and over a span for reports."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pipeline.catalogue.feedback import JudgedCount
from pipeline.feedback.verdicts import Feedback, Verdict, standing

WEEK_MS = 7 * 86_400_000
MONDAY_MS = 4 * 86_400_000
"""The first Monday after 1970-01-01, which weeks are counted from."""
NORMAL_95 = 1.959964


class JudgedCatalogue(Protocol):
    """The part of the catalogue that counts verdicts."""

    def judged_counts(self, stream: str, *, first_ms: int, span_ms: int) -> Sequence[JudgedCount]:
        """By the newest word on each alert: counts by model and span of event time, the newest span first."""


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


def judged_figures(catalogue: JudgedCatalogue, stream: str) -> list[JudgedFigures]:
    """By model and week, the newest week first; storms count as one alert. Counted by the database."""
    return [_figures(count) for count in catalogue.judged_counts(stream, first_ms=MONDAY_MS, span_ms=WEEK_MS)]


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


def _figures(count: JudgedCount) -> JudgedFigures:
    first = datetime.fromtimestamp((count.span * WEEK_MS + MONDAY_MS) / 1000, UTC)
    return JudgedFigures(
        model_id=count.model_id,
        week=first.strftime("%Y-%m-%d"),
        confirmed=count.confirmed,
        false_positives=count.false_positives,
        mean_score=None if count.scores is None else count.scores / count.scored,
    )
