"""Where a stream's budget stands: promised, observed with its interval, and whether that keeps the promise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detectors.budget import DAY_SECONDS, Kept, RateInterval, kept, observed_rate
from pipeline.config import BudgetSpec

SHARE, PER_DAY = "share_of_events", "alerts_per_day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A budget and what came, in the budget's own unit: alerts a day, or alerts an event."""

    unit: str
    promised: float
    observed: RateInterval | None
    """With an exact 95 % interval; None before anything could be said."""
    verdict: Kept

    def document(self) -> dict[str, Any]:
        """As JSON."""
        seen = self.observed
        return {
            "budget_unit": self.unit,
            "promised": self.promised,
            "observed": seen.rate if seen else None,
            "observed_low": seen.low if seen else None,
            "observed_high": seen.high if seen else None,
            "verdict": self.verdict.value,
        }


def standing(budget: BudgetSpec, *, alerts: int, events: int, seconds: float) -> Standing:
    """`alerts` opened over so many events and so much event time, held against a stream's whole budget."""
    if budget.share_of_events is not None:
        return _standing(SHARE, budget.share_of_events, float(events), alerts)
    return _standing(PER_DAY, budget.alerts_per_day or 0.0, seconds / DAY_SECONDS, alerts)


def standing_of(states: Sequence[dict[str, Any]]) -> Standing | None:
    """The whole stream's, from what its scoring workers last said; None where none said anything of a budget.

    Alerts and events add up over workers; event time is that of the worker that has seen most of it.
    """
    told = [state for state in states if isinstance(state.get("promised"), int | float)]
    if not told:
        return None
    unit, promised = str(told[0]["budget_unit"]), float(told[0]["promised"])
    if unit == SHARE:
        exposure = float(sum(state.get("events", 0) for state in told))
    else:
        exposure = max(float(state.get("exposure_seconds", 0.0)) for state in told) / DAY_SECONDS
    return _standing(unit, promised, exposure, sum(int(state.get("alerts", 0)) for state in told))


def _standing(unit: str, promised: float, exposure: float, alerts: int) -> Standing:
    if exposure <= 0.0:
        return Standing(unit=unit, promised=promised, observed=None, verdict=Kept.TOO_EARLY)
    return Standing(
        unit=unit,
        promised=promised,
        observed=observed_rate(alerts, exposure),
        verdict=kept(promised * exposure, alerts),
    )
