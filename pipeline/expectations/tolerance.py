"""Bounds for a figure of a window, from how it varied between windows of the reference.

The bounds are a prediction interval: mean ± t(m − 1) · s · √(1 + 1/m) over m windows on a scale on which the figure's
spread hardly depends on its size (shares: arcsine of the root, with Anscombe's ⅜; positive figures: logarithm), at the
chance that Bonferroni leaves each expectation (Hahn 1970 for the interval, Anscombe 1948 for the scale). Three things
widen it, since windows are neither normal nor independent: half a trend across the reference goes on for as long again;
what was seen in the reference always fits, with a quarter of the range to spare; and a least width that is worth
telling anyone. Where a stream changes its habits altogether the bounds are wrong: infer again.

All arrays are (windows,) but those of hours.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]
_LEAST_FREEDOM = 7
"""Of Student's t: fewer windows would say nothing at all."""


_BURSTY = 0.05
"""Squared deviation of an hour's rows from its mean, relative to it, above which a stream comes in bursts."""


class Scale(StrEnum):
    """On what scale a figure varies evenly."""

    SHARE = "share"
    POSITIVE = "positive"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is expected of a figure."""

    least: float
    most: float


def bounds(
    values: FloatArray,
    *,
    scale: Scale,
    chance: float,
    rows: FloatArray | None = None,
    least_width: float = 0.0,
) -> Bounds:
    """Bounds that a clean window leaves with a probability of about `chance` (both sides together).

    `least_width` is how far beyond the reference's own range the bounds lie at least, on the figure's own scale (shares
    and plain) or as a ratio above 1 (positive). NaN of `values` are windows that say nothing. Raises ValueError where
    no window says anything.
    """
    finite = np.isfinite(values)
    known = values[finite]
    if not len(known):
        raise ValueError("no window of the reference has a value")
    even = _to_even(known, scale, None if rows is None else rows[finite])
    half = _half_width(even, chance)
    low, high = float(even.min()), float(even.max())
    spare = 0.25 * (high - low)
    centre = float(even.mean())
    least = _from_even(min(centre - half, low - spare), scale)
    most = _from_even(max(centre + half, high + spare), scale)
    return _widened(least, most, known, scale, least_width)


def most_by_chance(most: float, rows: int, chance: float) -> float:
    """The greatest share that `rows` rows may show by chance where the true share is `most` (Clopper and Pearson)."""
    if rows <= 0 or most >= 1.0:
        return 1.0
    count = most * rows
    return max(most, float(stats.beta.ppf(1.0 - chance, count + 1.0, max(rows - count, 1e-9))))


def least_by_chance(least: float, rows: int, chance: float) -> float:
    """The smallest share that `rows` rows may show by chance where the true share is `least`."""
    return 1.0 - most_by_chance(1.0 - least, rows, chance)


def hourly_bounds(counts: FloatArray, *, chance: float) -> tuple[FloatArray, FloatArray]:
    """Bounds on the rows of each hour H, (days or weeks, hours), NaN where an hour was not watched: negative binomial,
    its overdispersion shared by all hours, at `chance` for all hours together. Both (hours,)."""
    hours = counts.shape[1]
    days = np.sum(np.isfinite(counts), axis=0)
    mean = np.nansum(counts, axis=0) / np.maximum(days, 1)
    excess = (counts - mean) ** 2 - mean
    correction = float(np.median(days) / max(1.0, np.median(days) - 1.0))
    weight = float(np.nansum(np.where(np.isfinite(counts), mean**2, 0.0)))
    spread = max(1e-4, correction * float(np.nansum(excess)) / weight) if weight else 1e-4
    tail = chance / (2 * hours)
    shape = 1.0 / (spread * (1.0 + 1.0 / max(1.0, float(np.median(days)))))
    floor = np.maximum(mean, 0.5)
    least = stats.nbinom.ppf(tail, shape, shape / (shape + floor))
    most = stats.nbinom.isf(tail, shape, shape / (shape + floor))
    if spread > _BURSTY:
        least, most = _as_seen(counts, floor, least, most)
    with np.errstate(all="ignore"):
        seen_least = np.nan_to_num(np.nanmin(np.where(np.isfinite(counts), counts, np.inf), axis=0), posinf=0.0)
        seen_most = np.nan_to_num(np.nanmax(np.where(np.isfinite(counts), counts, 0.0), axis=0))
    least, most = np.minimum(least, np.floor(seen_least * 0.8)), np.maximum(most, np.ceil(seen_most * 1.25))
    # An hour that no window had whole may hold whatever the busiest one does.
    return np.where(days > 0, least, 0.0), np.where(days > 0, most, most.max())


def _as_seen(
    counts: FloatArray, floor: FloatArray, least: FloatArray, most: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Of streams that come in bursts: what one hour saw, relative to its mean, any hour may see, and as much again."""
    ratios = (counts + 1.0) / (floor + 1.0)
    high, low = 2.0 * float(np.nanmax(ratios)), float(np.nanmin(ratios)) / 2.0
    return np.minimum(least, np.floor((floor + 1.0) * low - 1.0).clip(0.0)), np.maximum(most, np.ceil(floor * high))


def _half_width(even: FloatArray, chance: float) -> float:
    windows = len(even)
    if windows < 2:
        return 0.0
    quantile = float(stats.t.isf(chance / 2, max(windows - 1, _LEAST_FREEDOM)))
    deviation = float(even.std(ddof=1))
    halves = np.array_split(even, 2)
    trend = abs(float(halves[1].mean() - halves[0].mean())) if windows >= 4 else 0.0
    return quantile * deviation * math.sqrt(1.0 + 1.0 / windows) + trend


def _to_even(values: FloatArray, scale: Scale, rows: FloatArray | None) -> FloatArray:
    if scale is Scale.SHARE:
        shares = values if rows is None else (values * rows + 0.375) / (rows + 0.75)
        return np.arcsin(np.sqrt(np.clip(shares, 0.0, 1.0)))
    return np.log(np.maximum(values, 1e-12)) if scale is Scale.POSITIVE else values.astype(np.float64)


def _from_even(value: float, scale: Scale) -> float:
    if scale is Scale.SHARE:
        return math.sin(min(max(value, 0.0), math.pi / 2)) ** 2
    return math.exp(min(value, 700.0)) if scale is Scale.POSITIVE else value


def _widened(least: float, most: float, values: FloatArray, scale: Scale, width: float) -> Bounds:
    low, high = float(values.min()), float(values.max())
    if scale is Scale.POSITIVE:
        ratio = max(width, 1.0)
        return Bounds(least=min(least, low / ratio), most=max(most, high * ratio))
    least, most = min(least, low - width), max(most, high + width)
    return (
        Bounds(least=max(0.0, least), most=min(1.0, most)) if scale is Scale.SHARE else Bounds(least=least, most=most)
    )
