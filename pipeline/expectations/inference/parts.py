"""A reference cut into windows, and how a figure varied between them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.expectations.asked import SHARES, Asked
from pipeline.expectations.column_measures import LEAST_ROWS, ColumnView, measure_column
from pipeline.expectations.measured import Measured
from pipeline.expectations.row_measures import measure_rows
from pipeline.expectations.tolerance import Bounds, Scale, bounds
from pipeline.expectations.window import HOUR_MS, FloatArray, Window

LEAST_WINDOWS, MOST_WINDOWS = 8, 60
_WITHOUT_TIME = 10
_FEW = 0.2
"""Windows with less than this part of the usual rows say little of columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What is inferred from."""

    whole: Window
    windows: tuple[Window, ...]
    window_hours: float | None
    chance: float
    """Of each expectation, to fail on a clean window."""

    @property
    def window_rows(self) -> int:
        """The median."""
        return max(1, int(np.median([window.looked_at for window in self.windows])))

    def answers(self, asked: Asked) -> list[Measured]:
        """What each window shows."""
        if asked.column is None:
            return [measure_rows(window, asked) for window in self.windows]
        return [measure_column(ColumnView(window, asked.column), asked) for window in self.windows]

    def bounds(self, asked: Asked, scale: Scale, *, least_width: float) -> tuple[Bounds, float] | None:
        """Bounds and the median over windows; None where no window says anything."""
        return bounds_of_answers(self.answers(asked), asked, scale, chance=self.chance, least_width=least_width)


@dataclass(frozen=True, slots=True)
class ColumnReference:
    """One column of every window, decoded once."""

    reference: Reference
    whole: ColumnView
    windows: tuple[ColumnView, ...]

    @classmethod
    def of(cls, reference: Reference, column: str) -> "ColumnReference":
        """A column of the reference."""
        least = _FEW * reference.window_rows  # of fewer rows bounds are widened when they are judged
        views = tuple(ColumnView(window, column) for window in reference.windows if window.looked_at >= least)
        return cls(reference, ColumnView(reference.whole, column), views)

    def bounds(self, asked: Asked, scale: Scale, *, least_width: float) -> tuple[Bounds, float] | None:
        """As `Reference.bounds`."""
        answers = [measure_column(view, asked) for view in self.windows]
        return bounds_of_answers(answers, asked, scale, chance=self.reference.chance, least_width=least_width)

    def values(self, figure: Callable[[FloatArray], float]) -> FloatArray:
        """A figure of the known numbers of each window that has enough of them, (windows,)."""
        return np.array([figure(v.known) if len(v.known) >= LEAST_ROWS else np.nan for v in self.windows])


def bounds_of_answers(
    answers: list[Measured], asked: Asked, scale: Scale, *, chance: float, least_width: float
) -> tuple[Bounds, float] | None:
    """Bounds for what was answered."""
    values = np.array([answer.value for answer in answers])
    if not np.isfinite(values).any():
        return None
    rows = np.array([float(answer.rows) for answer in answers]) if asked.what in SHARES else None
    found = bounds(values, scale=scale, chance=chance, rows=rows, least_width=least_width)
    return found, float(np.nanmedian(values))


def cut(whole: Window, window_hours: float, *, chance: float) -> Reference:
    """Windows of the length that reports look at; shorter ones where there would be fewer than `LEAST_WINDOWS`."""
    if whole.times_ms is None or whole.start_ms is None or whole.end_ms is None or not len(whole.times_ms):
        return Reference(whole=whole, windows=tuple(_by_order(whole)), window_hours=None, chance=chance)
    if int(whole.times_ms.max()) - int(whole.times_ms.min()) < LEAST_WINDOWS * 60_000:
        return _without_clock(whole, chance)
    # what lies before the first event and after the last is no window with few events: nobody watched
    start = max(whole.start_ms, int(whole.times_ms.min()) // HOUR_MS * HOUR_MS)
    end = min(whole.end_ms, (int(whole.times_ms.max()) // HOUR_MS + 1) * HOUR_MS)
    length = int(min(window_hours * HOUR_MS, max((end - start) / LEAST_WINDOWS, 60_000)))
    first = max(0, (end - start) // length - MOST_WINDOWS)
    edges = [(start + n * length, start + (n + 1) * length) for n in range(first, (end - start) // length)]
    windows = [
        whole.part((whole.times_ms >= low) & (whole.times_ms < high), start_ms=low, end_ms=high) for low, high in edges
    ]
    scaled = [_scaled(window, whole) for window in windows]
    return Reference(whole=whole, windows=tuple(scaled), window_hours=length / HOUR_MS, chance=chance)


def _without_clock(whole: Window, chance: float) -> Reference:
    """Of rows that were all sent within minutes, as a file without times is: their order stands for time."""
    timeless = replace(whole, times_ms=None, arrivals_ms=None, start_ms=None, end_ms=None, hourly={})
    return Reference(whole=timeless, windows=tuple(_by_order(timeless)), window_hours=None, chance=chance)


def _scaled(window: Window, whole: Window) -> Window:
    """All rows of a window, where some were left out of memory."""
    if whole.whole or window.start_ms is None or window.end_ms is None:
        return window
    hours = range(window.start_ms // HOUR_MS, -(-window.end_ms // HOUR_MS))
    hourly = {hour: whole.hourly[hour] for hour in hours if hour in whole.hourly}
    return replace(window, rows=max(sum(hourly.values()), window.looked_at + 1), hourly=hourly)


def _by_order(whole: Window) -> list[Window]:
    place: npt.NDArray[np.int64] = np.arange(whole.looked_at) * _WITHOUT_TIME // max(1, whole.looked_at)
    return [part for n in range(_WITHOUT_TIME) if (part := whole.part(place == n)).looked_at]
