"""Whether a champion has left its promise, by the alerts it has raised since it took over: rules on counts alone.

Rolled back: promoted by the service, the exact Poisson 95 % lower bound of its unconfirmed alerts lies above what the
budget allows over the time (or events) since, at least `LEAST_SECONDS` have passed, and the model before would not have
raised more on the same events. Alerts that people confirmed do not count against it.

The bound alone guards against few counts: with one alert allowed, four are needed; with 20, thirty. Looked at again and
again it is crossed by chance more often than 1 time in 40: `MARGIN` is asked for on top, so that a model that only just
meets its promise is not taken back for having been watched for long (figures in docs/decisions/0027-promotion.md).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from detectors.thresholds import observed_rate

LEAST_SECONDS = 600.0
MARGIN = 1.25
"""How many times what was promised even the lower bound must reach."""


class Watch(StrEnum):
    """What is said of a champion."""

    KEPT = "kept"
    """Nothing speaks for going back."""
    TOO_EARLY = "too_early"
    """Scarcely any time has passed, or no event has been scored."""
    LEFT = "left"
    """It has left its promise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a champion did since it took over."""

    seconds: float
    alerts: int
    confirmed: int
    """Of these, by people."""
    allowed: float
    """By the promise, over the same time or events."""

    @property
    def unconfirmed(self) -> int:
        """Alerts that count against it."""
        return max(self.alerts - self.confirmed, 0)

    @property
    def watch(self) -> Watch:
        """The rule, without the model before."""
        if self.seconds < LEAST_SECONDS or self.allowed <= 0.0:
            return Watch.TOO_EARLY
        return Watch.LEFT if has_left(self.unconfirmed, self.allowed) else Watch.KEPT

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "seconds": self.seconds,
            "alerts": self.alerts,
            "confirmed": self.confirmed,
            "allowed": self.allowed,
            "watch": self.watch.value,
        }


def has_left(alerts: int, allowed: float) -> bool:
    """Whether even the least that a count stands for is clearly more than was allowed."""
    return alerts > 0 and observed_rate(alerts, 1.0).low > MARGIN * allowed


def goes_back(service: Service, *, now_alerts: int, before_alerts: int, allowed: float) -> bool:
    """Whether the model before is the better one to have: it would have kept the promise, or raised far fewer.

    The alerts of both are counted on the same archived events since the champion took over. Where the stream itself
    moved, both raise many, and going back mends nothing: drift asks for a retraining instead.
    """
    if service.watch is not Watch.LEFT:
        return False
    return not has_left(before_alerts, allowed) and before_alerts < now_alerts
