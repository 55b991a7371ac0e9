"""How long to wait before an alert is tried again."""

import random

from pipeline.alerts.notify.destination import Delivery, Outcome

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0
LONGEST_ASKED_SECONDS = 3600.0
"""A receiver may ask for more than our longest wait, but not for more than this."""


class Backoff:
    """Waits that double with every failure in a row, spread by chance so that destinations do not move in step."""

    def __init__(
        self, rng: random.Random, *, first_seconds: float = FIRST_SECONDS, longest_seconds: float = LONGEST_SECONDS
    ) -> None:
        self._rng = rng
        self._first_seconds, self._longest_seconds = first_seconds, longest_seconds
        self.failures = 0
        """In a row."""

    def succeeded(self) -> None:
        """Start over."""
        self.failures = 0

    def wait_seconds(self, delivery: Delivery) -> float:
        """The wait after one more attempt that did not deliver: half of it sure, half of it chance."""
        self.failures += 1
        wait = min(self._longest_seconds, self._first_seconds * 2.0 ** min(self.failures - 1, 30))
        if delivery.outcome is Outcome.REFUSED:
            wait = self._longest_seconds
        wait *= 0.5 + 0.5 * self._rng.random()
        if delivery.retry_after_seconds is not None:
            wait = max(wait, min(delivery.retry_after_seconds, LONGEST_ASKED_SECONDS))
        return wait
