"""When the next copy is due: so many canaries an hour, and never more than a small share of one core."""

from pipeline.clock import Clock

MOST_CPU_SHARE = 0.05
"""Of one core, over time: after a copy that took a second the next waits nineteen at least."""
RETRY_SECONDS = 2.0
MOST_EACH = 8
"""Anomalies of one family in one copy: more would be most of what is left of it."""


class Pace:
    """Counts what is owed. What could not be put in while nothing came is not made up for."""

    def __init__(self, clock: Clock, *, per_hour: float, families: int) -> None:
        self._clock, self._per_hour, self._families = clock, per_hour, families
        self.each = min(MOST_EACH, max(1, round(per_hour / 60.0 / families)))
        """Anomalies of each family in one copy: about a copy a minute, or less often."""
        self._owed = float(self._copy)
        self._looked = clock.monotonic()
        self._not_before = float("-inf")

    @property
    def _copy(self) -> int:
        return self.each * self._families

    def is_due(self, share: float) -> bool:
        """Whether to make a copy now, by a process that has this share of the partitions."""
        now = self._clock.monotonic()
        self._owed = min(self._copy, self._owed + self._per_hour / 3600.0 * share * (now - self._looked))
        self._looked = now
        return self._owed >= self._copy and now >= self._not_before

    def made(self, injected: int, *, busy_seconds: float) -> None:
        """A copy was made, with so many anomalies and so much work."""
        self._owed -= max(injected, 1)
        self._not_before = self._clock.monotonic() + busy_seconds * (1.0 / MOST_CPU_SHARE - 1.0)

    def none(self, *, busy_seconds: float) -> None:
        """No copy could be made: look again in a while."""
        wait = max(RETRY_SECONDS, busy_seconds * (1.0 / MOST_CPU_SHARE - 1.0))
        self._not_before = self._clock.monotonic() + wait
