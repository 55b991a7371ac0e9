"""Average precision of several scorers on the same rows, with intervals of their differences (paired bootstrap).

Every draw of whole blocks (Efron 1979; a block is a key or a stretch of time, as in `intervals.py`) weighs all scorers'
rows alike, so what makes a replay easy or hard cancels in a difference. A scorer's figure is the average precision of
all anomalous rows together, each family weighing alike (a row at most `MOST_WEIGHT` times another). The mean of the
families' own figures would be ruled by the one family that a scorer happens to find (docs/decisions/0027-promotion.md).

What it cannot tell: how another training run would have come out. The intervals are of these scorers on rows like
these. Shape legend: N rows, U of them left alone, A anomalous, M scorers, F families, R draws.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.evaluation.intervals import LEAST_BLOCKS, Interval, block_weights, strata
from detectors.evaluation.ranking import FloatArray

IntArray = npt.NDArray[np.int64]
CONFIDENCE = 0.95
MOST_WEIGHT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedPrecision:
    """Average precision of M scorers: on the rows as they are, and in each draw of them."""

    names: tuple[str, ...]
    families_MF: FloatArray
    """By scorer and family, in the order of the families' numbers."""
    value_M: FloatArray
    """Of all families together."""
    drawn_RM: FloatArray
    """The same in each draw; no draws where there are too few blocks to draw from."""

    def interval(self, name: str) -> Interval:
        """A scorer's average precision; NaN ends where they are unknown."""
        place = self.names.index(name)
        return _interval(float(self.value_M[place]), self.drawn_RM[:, place])

    def difference(self, first: str, second: str) -> Interval:
        """By how much `first` is better than `second`; above 0 where it is."""
        a, b = self.names.index(first), self.names.index(second)
        return _interval(float(self.value_M[a] - self.value_M[b]), self.drawn_RM[:, a] - self.drawn_RM[:, b])


def paired_precision(
    scores: Mapping[str, FloatArray], family_N: IntArray, *, blocks: IntArray, draws: int = 400, seed: int = 0
) -> PairedPrecision:
    """Figures of scorers' `scores`, (N,) each. `family_N` numbers each anomalous row's family, −1 for rows left alone;
    `blocks` (N,) numbers the rows that are drawn together. Deterministic.

    Raises ValueError where lengths differ, or where there are no anomalous rows or none left alone.
    """
    present = np.unique(family_N[family_N >= 0])
    if any(len(values) != len(family_N) for values in scores.values()):
        raise ValueError("scores, families and blocks are of the same rows: hand over one of each a row")
    if not len(present) or not (family_N < 0).any():
        raise ValueError("needs rows of both kinds, left alone and anomalous")
    weights_N = family_weights(family_N)
    ranked = [_Ranked(np.asarray(values, np.float64), family_N) for values in scores.values()]
    sorts = strata(family_N >= 0, blocks)
    g = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws if min(sort.blocks for sort in sorts) >= LEAST_BLOCKS else 0):
        drawn_N = weights_N * block_weights(sorts, len(family_N), g)
        drawn.append([one.average_precision(drawn_N) for one in ranked])
    return PairedPrecision(
        names=tuple(scores),
        families_MF=np.array(
            [[one.average_precision(np.where(family_N == f, 1.0, family_N < 0)) for f in present] for one in ranked]
        ),
        value_M=np.array([one.average_precision(weights_N) for one in ranked]),
        drawn_RM=np.array(drawn).reshape(-1, len(ranked)),
    )


def family_weights(family_N: IntArray) -> FloatArray:
    """1 for rows left alone; anomalous rows so that each family weighs as the average one, within `MOST_WEIGHT`."""
    numbers, place, counts = np.unique(family_N, return_inverse=True, return_counts=True)
    mean = counts[numbers >= 0].mean()
    weights = np.clip(mean / counts, 1.0 / MOST_WEIGHT, MOST_WEIGHT)
    return np.asarray(np.where(numbers < 0, 1.0, weights)[place], dtype=np.float64)


class _Ranked:
    """One scorer's rows, sorted once; equal scores count as one."""

    def __init__(self, scores: FloatArray, family_N: IntArray) -> None:
        alone, rows = np.flatnonzero(family_N < 0), np.flatnonzero(family_N >= 0)
        self._alone_U = alone[np.argsort(-scores[alone], kind="stable")]
        self._rows_A = rows[np.argsort(-scores[rows], kind="stable")]
        value_A = -scores[self._rows_A]
        self._others_A = np.searchsorted(-scores[self._alone_U], value_A, side="right")
        """Rows left alone that score at least as high."""
        self._last_A = np.searchsorted(value_A, value_A, side="right") - 1
        """The last anomalous row that scores as high."""

    def average_precision(self, weights_N: FloatArray) -> float:
        """Of weighted rows."""
        above = np.concatenate([[0.0], np.cumsum(weights_N[self._alone_U])])
        w_A = weights_N[self._rows_A]
        found_A = np.cumsum(w_A)[self._last_A]
        precision_A = found_A / np.maximum(found_A + above[self._others_A], 1e-12)
        return float((w_A * precision_A).sum() / max(float(w_A.sum()), 1e-12))


def _interval(value: float, drawn_R: FloatArray) -> Interval:
    if not len(drawn_R):
        return Interval(value=value, low=float("nan"), high=float("nan"))
    low, high = np.quantile(drawn_R, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value=value, low=float(low), high=float(high))
