"""Promises of a false-alarm budget, and whether they were kept: counts of rare events, judged by exact intervals."""

from dataclasses import dataclass
from enum import StrEnum

CONFIDENCE = 0.95
DAY_SECONDS = 86_400.0
LEAST_EXPECTED = 20.0
"""Promised alerts below which nothing is said about a promise."""


class Counted(StrEnum):
    """Which calibration rows a budget counts. Without labels an attack and a rare habit look alike."""

    ALL = "all"
    """Every alert the calibration rows would raise, true or false: nobody gets more than was stated. Where anomalies
    are commoner than the budget, the budget is spent on the worst of them."""
    NORMAL = "normal"
    """Rows that stand apart from the rest are taken for anomalies and not counted: for streams known to carry many,
    all of which should alert. Rare but normal groups of rows then break the promise, by as much as they are common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the operator is ready to look at, in alerts after grouping; exactly one of the first two is set."""

    alerts_per_day: float | None = None
    share_of_events: float | None = None
    """Alerts per event."""
    counted: Counted = Counted.ALL

    def __post_init__(self) -> None:
        """Raises ValueError unless exactly one is set, and positive (a share below 0.5)."""
        if (self.alerts_per_day is None) == (self.share_of_events is None):
            raise ValueError("state exactly one of alerts_per_day and share_of_events")
        if self.alerts_per_day is not None and not 0.0 < self.alerts_per_day < float("inf"):
            raise ValueError(f"alerts_per_day must be above 0, not {self.alerts_per_day}")
        if self.share_of_events is not None and not 0.0 < self.share_of_events < 0.5:
            raise ValueError(f"share_of_events must lie between 0 and 0.5, not {self.share_of_events}")

    def allowed(self, *, rows: int, seconds: float) -> float:
        """Alerts that the budget allows over so many rows and so much time."""
        if self.share_of_events is not None:
            return self.share_of_events * rows
        return (self.alerts_per_day or 0.0) * seconds / DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class RateInterval:
    """A rate with its exact 95 % interval."""

    rate: float
    low: float
    high: float


class Kept(StrEnum):
    """Whether a promise of at most so many alerts was kept."""

    KEPT = "kept"
    """At least 20 were to be expected, and the upper 95 % bound of what came lies within the promise."""
    BROKEN = "broken"
    """At least 20 were to be expected, and even the lower bound lies above the promise."""
    TOO_EARLY = "too_early"
    """Neither can be said yet: too little has passed, or the count is close to the promise."""


def observed_rate(alerts: int, exposure: float) -> RateInterval:
    """Alerts per unit of exposure (days, events) with the exact Poisson interval of Garwood (1936).

    Raises ValueError for a negative count or an exposure that is not positive.
    """
    if alerts < 0 or not exposure > 0.0:
        raise ValueError(f"cannot take a rate of {alerts} alerts over {exposure}")
    from scipy.special import gammaincinv  # budgets are part of every spec, and scipy would be most of reading one

    tail = (1.0 - CONFIDENCE) / 2.0
    low = float(gammaincinv(alerts, tail)) if alerts else 0.0
    high = float(gammaincinv(alerts + 1, 1.0 - tail))
    return RateInterval(rate=alerts / exposure, low=low / exposure, high=high / exposure)


def kept(promised_expected: float, alerts: int) -> Kept:
    """Judge `alerts` seen against the number promised for the same exposure."""
    if promised_expected < LEAST_EXPECTED:
        return Kept.TOO_EARLY
    seen = observed_rate(alerts, 1.0)
    if seen.high <= promised_expected:
        return Kept.KEPT
    return Kept.BROKEN if seen.low > promised_expected else Kept.TOO_EARLY
