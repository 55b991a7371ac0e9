"""The false-alarm budget held against what came: promised, observed with its interval, and whether it was kept."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from detectors.budget import LEAST_EXPECTED
from detectors.thresholds import Kept, RateInterval, Threshold, kept, observed_rate

MS_PER_DAY = 86_400_000


class Counted(StrEnum):
    """Which alerts a promise is held against."""

    UNCONFIRMED = "unconfirmed alerts"
    """All of them: nobody has said which are false."""
    FALSE = "false alarms"
    """Those without a labelled event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A promise and what became of it over one exposure."""

    unit: str
    """What a rate is per: 'day' or 'event'."""
    promised: float
    """Alerts per unit."""
    exposure: float
    """Units observed."""
    alerts: int
    observed: RateInterval
    """Per unit, with an exact Poisson 95% interval."""
    verdict: Kept
    counted: Counted

    @property
    def expected(self) -> float:
        """Alerts that the promise allows over the exposure."""
        return self.promised * self.exposure

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "unit": self.unit,
            "counted": self.counted.value,
            "promised": self.promised,
            "exposure": self.exposure,
            "expected_alerts": self.expected,
            "alerts": self.alerts,
            "observed": self.observed.rate,
            "observed_low": self.observed.low,
            "observed_high": self.observed.high,
            "verdict": self.verdict.value,
        }


def promise_of(threshold: Threshold, *, alerts: int, rows: int, span_ms: int, counted: Counted) -> Promise | None:
    """The threshold's promise held against `alerts` over a window; None where the window is empty."""
    if threshold.promised_per_day is not None:
        unit, promised, exposure = "day", threshold.promised_per_day, span_ms / MS_PER_DAY
    elif threshold.promised_share is not None:
        unit, promised, exposure = "event", threshold.promised_share, float(rows)
    else:
        return None
    if exposure <= 0.0:
        return None
    return Promise(
        unit=unit,
        promised=promised,
        exposure=exposure,
        alerts=alerts,
        observed=observed_rate(alerts, exposure),
        verdict=kept(promised * exposure, alerts),
        counted=counted,
    )


def promised_text(threshold: Threshold, *, events_per_day: float | None) -> str:
    """The promise for people; a share of events is told in alerts per day too, at the stream's usual rate.

    `events_per_day` None: what was seen of the stream is too short to tell its usual rate.
    """
    if threshold.promised_per_day is not None:
        usual = "where the stream stays as it was"
        return f"at most {threshold.promised_per_day:g} alerts a day, counted after grouping, {usual}"
    if threshold.promised_share is None:
        return "none"
    one_in = f"one alert in {1 / threshold.promised_share:,.0f} events"
    if events_per_day is None:
        return f"at most {one_in}"
    daily = threshold.promised_share * events_per_day
    return f"at most {one_in}: about {daily:,.1f} a day at this stream's {events_per_day:,.0f} events a day"


def outcome_text(promise: Promise) -> str:
    """What became of a promise, for people."""
    scale, unit = (1.0, "a day") if promise.unit == "day" else (1000.0, "in 1,000 events")
    rate, low, high = (value * scale for value in (promise.observed.rate, promise.observed.low, promise.observed.high))
    verdict = promise.verdict.value
    if promise.verdict is Kept.TOO_EARLY:
        few = promise.expected < LEAST_EXPECTED
        why = f"only {promise.expected:.1f} were to be expected by now" if few else "too close to the promise"
        verdict = f"too early to say, {why}"
    return (
        f"{promise.counted.value}: promised at most {promise.promised * scale:g} {unit}, observed {rate:.1f} "
        f"(95%: {low:.1f} to {high:.1f}): {verdict}"
    )
