"""A smoothed quantile function: values like those of a sample, none of them handed out again.

The sorted sample is cut into groups of at least `least` rows and each group is replaced by its mean; between the means,
and out to the borders given, the function is linear. A value seen once is thus never a knot by itself.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
MOST_KNOTS = 24


def smoothed_knots(sorted_N: FloatArray, low: float, high: float, *, least: int) -> tuple[FloatArray, FloatArray]:
    """Levels (ascending, 0 to 1) and values of the function's knots, ends included."""
    groups = max(1, min(MOST_KNOTS, len(sorted_N) // max(least, 1)))
    parts = np.array_split(sorted_N, groups)
    means = np.array([part.mean() for part in parts])
    sizes = np.array([len(part) for part in parts], dtype=np.float64)
    middles = (np.cumsum(sizes) - sizes / 2.0) / len(sorted_N)
    values = np.concatenate([[low], np.clip(means, low, high), [high]])
    return np.concatenate([[0.0], middles, [1.0]]), np.maximum.accumulate(values)


def grid_step(values_N: FloatArray) -> float:
    """The step that all values are multiples of: 1 for integers, .01 for cents; 0 where there is none (to 1e-6)."""
    for scale in (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6):
        scaled = values_N * scale
        whole = np.round(scaled)
        if np.abs(whole).max(initial=0.0) > 2.0**52:
            return 0.0
        if (np.abs(scaled - whole) <= 1e-6 * np.maximum(1.0, np.abs(scaled) * 1e-6)).all():
            return float(np.gcd.reduce(np.abs(whole).astype(np.int64))) / scale
    return 0.0
