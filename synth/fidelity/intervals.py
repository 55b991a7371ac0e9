"""Scores with their intervals, ceiling and floor.

Intervals are 95% and normal: the standard error comes from a bootstrap over groups of rows (marginals, pairs), or from
the placements of DeLong et al. 1988 (areas under a curve). Percentiles are not used: a resampled KS or TV distance is
larger than the distance itself, by the noise that resampling adds.

Shape legend: N rows, G groups of rows, C cells, B draws.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from synth.fidelity.frames import FloatArray, IntArray

GROUPS = 24
DRAWS = 100
_Z95 = 1.959964
NOT_KNOWN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A figure from 0 to 1, higher is better, beside the same of real held-out rows and of independent columns."""

    value: float
    low: float = NOT_KNOWN
    high: float = NOT_KNOWN
    ceiling: float = NOT_KNOWN
    floor: float = NOT_KNOWN

    @property
    def reached(self) -> float:
        """Where the value lies between floor (0) and ceiling (1); NaN where the two are not told apart."""
        span = self.ceiling - self.floor
        return (self.value - self.floor) / span if span > 0 else NOT_KNOWN

    def document(self) -> dict[str, Any]:
        """JSON-able; what is not known is null."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Score":
        """What `document` wrote."""
        return cls(**{name: NOT_KNOWN if value is None else float(value) for name, value in document.items()})


def around(value: float, standard_error: float, **others: float) -> Score:
    """A score with its interval, kept within 0 and 1."""
    if math.isnan(standard_error):
        return Score(value=value, **others)
    reach = _Z95 * standard_error
    return Score(value=value, low=max(0.0, value - reach), high=min(1.0, value + reach), **others)


def groups_of(rows: int, seed: int) -> IntArray:
    """A group for each row, (N,), at random and of equal sizes."""
    return np.random.default_rng(seed).permutation(np.arange(rows) % GROUPS)


def draw_weights(seed: int) -> FloatArray:
    """How often each group is drawn in each draw, (B, G)."""
    return np.random.default_rng(seed).multinomial(GROUPS, np.full(GROUPS, 1 / GROUPS), size=DRAWS).astype(np.float64)


def tallies(cells_N: IntArray, groups_N: IntArray, cells: int) -> FloatArray:
    """Rows of each group in each cell, (G, C)."""
    counts = np.bincount(groups_N * cells + cells_N, minlength=GROUPS * cells)
    return counts.reshape(GROUPS, cells).astype(np.float64)


def area_with_error(scores: FloatArray, labels: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """The area under the ROC curve and its standard error by DeLong's placements; both NaN where a class is absent."""
    positive, negative = scores[labels], scores[~labels]
    m, n = len(positive), len(negative)
    if m == 0 or n == 0:
        return NOT_KNOWN, NOT_KNOWN
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:m] - rankdata(positive)) / n
    below = 1.0 - (ranks[m:] - rankdata(negative)) / m
    variance = (above.var(ddof=1) / m if m > 1 else 0.0) + (below.var(ddof=1) / n if n > 1 else 0.0)
    return float(above.mean()), float(np.sqrt(variance))
