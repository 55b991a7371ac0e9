"""Whether a challenger takes over: rules on figures, and nothing else.

A challenger must not be worse than PCA and isolation forest, and must better the champion in one of two ways:

better      the whole interval of the difference in average precision (paired bootstrap) lies above `LEAST_GAIN`.
            A gain smaller than that is what another seed gives, so it is no reason to change models
            (docs/decisions/0027-promotion.md).
drifted     the champion's alerts on the replay have left the promise, the challenger's keep it, and its average
            precision is not lower beyond noise. After a shift the order of scores may be as good as before while every
            second event alerts.

A challenger whose own alerts break the promise is refused, unless the champion's break it by more: watching would only
take it back. Where there is no champion to compare with, the baselines alone decide, and only one that is better beyond
noise refuses: some alerts are better than none.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from detectors.evaluation import Interval
from detectors.thresholds import observed_rate

LEAST_GAIN = 0.01
"""Of average precision."""


class Verdict(StrEnum):
    """What becomes of a challenger."""

    PROMOTED = "promoted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsSeen:
    """Alerts that a model would have raised on the replay's rows as they came."""

    alerts: int
    allowed: float
    """By the promise, over the same rows and time."""

    @property
    def broken(self) -> bool:
        """Whether even the least that the count stands for (exact Poisson, 95 %) is more than was promised."""
        return self.alerts > 0 and observed_rate(self.alerts, 1.0).low > self.allowed

    @property
    def within(self) -> bool:
        """Whether no more came than was promised."""
        return self.alerts <= self.allowed

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"alerts": self.alerts, "allowed": self.allowed, "broken": self.broken}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The figures that the rules read."""

    over_champion: Interval | None
    """Challenger less champion, in average precision; None where there is no champion to compare with."""
    over_baselines: dict[str, Interval]
    challenger_alerts: AlertsSeen
    champion_alerts: AlertsSeen | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The verdict, with its reasons for people."""

    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def promoted(self) -> bool:
        """Whether the challenger takes over."""
        return self.verdict is Verdict.PROMOTED

    @property
    def reason(self) -> str:
        """One line."""
        return "; ".join(self.reasons)


def decide(compared: Compared, *, least_gain: float = LEAST_GAIN) -> Decided:
    """The rules of the module's head."""
    against = [*_baseline_faults(compared), *_promise_faults(compared)]
    if compared.over_champion is None:
        for_it = ["there is no champion to compare with, and it is no worse than the baselines"]
    else:
        for_it = _merits(compared, compared.over_champion, least_gain)
        if not for_it:
            against.insert(0, _not_better(compared.over_champion, least_gain))
    if against:
        return Decided(verdict=Verdict.REFUSED, reasons=tuple(against))
    return Decided(verdict=Verdict.PROMOTED, reasons=tuple(for_it))


def _merits(compared: Compared, gain: Interval, least_gain: float) -> list[str]:
    """What speaks for taking over from the champion; empty where nothing does."""
    found = []
    if gain.low > least_gain:
        found.append(f"better than the champion by {gain_text(gain)} in average precision")
    champion, challenger = compared.champion_alerts, compared.challenger_alerts
    if champion is not None and champion.broken and challenger.within and _not_worse(gain):
        found.append(
            f"the champion's {champion.alerts} alerts on the replay have left its promise of {champion.allowed:.1f}, "
            f"these {challenger.alerts} keep it, and average precision is no lower ({gain_text(gain)})"
        )
    return found


def _not_worse(gain: Interval) -> bool:
    return gain.value >= 0.0 or gain.high >= 0.0


def _not_better(gain: Interval, least_gain: float) -> str:
    if math.isnan(gain.low):
        return "too few keys or stretches of time to tell noise from a difference to the champion"
    what = "worse than" if gain.high < 0.0 else "not clearly better than"
    return f"{what} the champion: {gain_text(gain)} in average precision, above {least_gain:+g} is asked for"


def _baseline_faults(compared: Compared) -> list[str]:
    tolerated = math.inf if compared.over_champion is None else LEAST_GAIN
    return [
        f"worse than {name} fitted on the same rows: {gain_text(gain)} in average precision"
        for name, gain in compared.over_baselines.items()
        if gain.value < 0.0 and (math.isnan(gain.high) or gain.high < 0.0 or gain.value < -tolerated)
    ]


def _promise_faults(compared: Compared) -> list[str]:
    challenger, champion = compared.challenger_alerts, compared.champion_alerts
    if champion is None or not challenger.broken:
        return []
    if champion.broken and champion.alerts > challenger.alerts:
        return []
    return [f"its {challenger.alerts} alerts on the replay break the promise of {challenger.allowed:.1f}"]


def gain_text(gain: Interval) -> str:
    """A difference with its interval, for people."""
    if math.isnan(gain.low):
        return f"{gain.value:+.3f}"
    return f"{gain.value:+.3f} (95%: {gain.low:+.3f} to {gain.high:+.3f})"
