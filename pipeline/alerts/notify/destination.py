"""The port to where alerts go."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pipeline.alerts.model import Alert


class Outcome(StrEnum):
    """What came of handing an alert over."""

    DELIVERED = "delivered"
    """The destination has it."""
    FAILED = "failed"
    """It could not be had now: try again, waiting longer each time."""
    REFUSED = "refused"
    """The destination does not want it: try again at the longest wait, and say so loudly. An alert that is set aside
    would be lost silently; a stalled destination is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt."""

    outcome: Outcome
    detail: str = ""
    """Why not; never holds a secret, a full URL or an alert's content."""
    retry_after_seconds: float | None = None
    """The wait the destination asked for."""


DELIVERED = Delivery(outcome=Outcome.DELIVERED)


class Destination(Protocol):
    """Somewhere an alert can be handed to. Bounded in time; failures are values, not errors."""

    @property
    def name(self) -> str:
        """Names the destination in the stream's spec and in its consumer group."""

    def deliver(self, alert: Alert, body: bytes) -> Delivery:
        """Hand one alert over; `body` is the record it was read from."""
