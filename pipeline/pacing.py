"""When each event of a replay is due: as fast as possible, at a rate, or following the file's own times."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.clock import Clock
from pipeline.errors import ConfigError

Floats = npt.NDArray[np.float64]
TICK_SECONDS = 0.01
"""Waits are at least this long, so that events close together leave together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast events leave. Neither set: as fast as the broker takes them."""

    rate_per_second: float | None = None
    speed: float | None = None
    """Seconds of the file's time per second of the clock's."""

    def __post_init__(self) -> None:
        if self.rate_per_second is not None and self.speed is not None:
            raise ConfigError("a replay follows --rate or --speed, not both: drop one of them")
        for option, value in (("--rate", self.rate_per_second), ("--speed", self.speed)):
            if value is not None and not (0.0 < value < float("inf")):
                raise ConfigError(f"{option} must be more than 0, not {value:g}: leave it out for full speed")

    @classmethod
    def of_text(cls, *, rate: float | None, speed: str | None) -> "Pace":
        """From the command line: `speed` like `10x`, `0.5x` or `10`."""
        if speed is None:
            return cls(rate_per_second=rate)
        try:
            factor = float(speed.strip().lower().removesuffix("x"))
        except ValueError:
            raise ConfigError(f"--speed {speed!r} is not a factor: write it like 10x or 0.5x") from None
        return cls(rate_per_second=rate, speed=factor)


class Pacer:
    """Turns a pace into moments. Starts when the first rows are asked about; never sleeps itself."""

    def __init__(self, pace: Pace, clock: Clock) -> None:
        self._pace = pace
        self._clock = clock
        self._started: float | None = None
        self._rows = 0
        self._first_ms: float | None = None
        self._latest_due = 0.0

    def due_seconds(self, rows: int, times_ms: Floats | None = None) -> Floats:
        """Seconds after the start at which each of the next rows is due, shape (rows,), never decreasing.

        `times_ms`, shape (rows,), is needed with a speed; NaN (no time) and times that go back are due with the row
        before them. Ask once about every row, in order.
        """
        if self._started is None:
            self._started = self._clock.monotonic()
        position = self._rows + np.arange(rows, dtype=np.float64)
        self._rows += rows
        if self._pace.rate_per_second is not None:
            return position / self._pace.rate_per_second
        if self._pace.speed is None or rows == 0:
            return np.zeros(rows)
        if times_ms is None:
            raise ConfigError(
                "--speed follows the file's time column and there is none: name one with --time, or use --rate"
            )
        return self._follow(times_ms, self._pace.speed)

    def _follow(self, times_ms: Floats, speed: float) -> Floats:
        known = times_ms[~np.isnan(times_ms)]
        if self._first_ms is None and len(known):
            self._first_ms = float(known[0])
        since = (times_ms - (self._first_ms or 0.0)) / 1000.0 / speed
        since = np.where(np.isnan(since), self._latest_due, since)
        due = np.maximum.accumulate(np.maximum(since, self._latest_due))
        self._latest_due = float(due[-1])
        return due

    def elapsed_seconds(self) -> float:
        """Seconds since the start; 0 before it."""
        return 0.0 if self._started is None else self._clock.monotonic() - self._started

    def ready(self, due_seconds: Floats, first: int) -> int:
        """The end of the rows from `first` on that are due by now."""
        return max(first, int(np.searchsorted(due_seconds, self.elapsed_seconds(), side="right")))

    def wait_seconds(self, due_seconds: Floats, first: int) -> float:
        """How long to wait for row `first`; at least a tick."""
        return max(TICK_SECONDS, float(due_seconds[first]) - self.elapsed_seconds())
