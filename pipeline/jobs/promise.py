"""The false-alarm budget held against what came: promised, observed with its interval, and whether it was kept."""

from dataclasses import dataclass
from typing import Any

from detectors.thresholds import Kept, RateInterval, Threshold, kept, observed_rate

MS_PER_DAY = 86_400_000


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

    @property
    def expected(self) -> float:
        """Alerts that the promise allows over the exposure."""
        return self.promised * self.exposure

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "unit": self.unit,
            "promised": self.promised,
            "exposure": self.exposure,
            "expected_alerts": self.expected,
            "alerts": self.alerts,
            "observed": self.observed.rate,
            "observed_low": self.observed.low,
            "observed_high": self.observed.high,
            "verdict": self.verdict.value,
        }


def promise_of(threshold: Threshold, *, alerts: int, rows: int, span_ms: int) -> Promise | None:
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
    )
