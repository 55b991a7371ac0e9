"""Average precision of several scorers on the same rows, with intervals of their differences (paired bootstrap).

Every draw of whole blocks (Efron 1979; a block is a key or a stretch of time, as in `intervals.py`) weighs all scorers'
rows alike, so what makes a replay easy or hard cancels in a difference. A scorer's figure is the mean over families of
each family's average precision against the rows left alone; families count alike however many rows they have.

What it cannot tell: how another training run would have come out. The intervals are of these scorers on rows like
these. Shape legend: N rows, U of them left alone, A rows of one family, M scorers, F families, R draws.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.evaluation.intervals import LEAST_BLOCKS, Interval, block_weights, strata
from detectors.evaluation.ranking import FloatArray

IntArray = npt.NDArray[np.int64]
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedPrecision:
    """Average precision of M scorers: on the rows as they are, and in each draw of them."""

    names: tuple[str, ...]
    families_MF: FloatArray
    """By scorer and family."""
    mean_M: FloatArray
    drawn_RM: FloatArray
    """Means of the draws; no draws where there are too few blocks to draw from."""

    def interval(self, name: str) -> Interval:
        """A scorer's mean average precision; NaN ends where it is unknown."""
        place = self.names.index(name)
        return _interval(float(self.mean_M[place]), self.drawn_RM[:, place])

    def difference(self, first: str, second: str) -> Interval:
        """By how much `first` is better than `second`; above 0 where it is."""
        a, b = self.names.index(first), self.names.index(second)
        return _interval(float(self.mean_M[a] - self.mean_M[b]), self.drawn_RM[:, a] - self.drawn_RM[:, b])


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
    ranked = [_Ranked(np.asarray(values, np.float64), family_N, present) for values in scores.values()]
    families_MF = np.array([one.average_precision(np.ones(len(family_N))) for one in ranked])
    sorts = strata(family_N >= 0, blocks)
    g = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws if min(sort.blocks for sort in sorts) >= LEAST_BLOCKS else 0):
        weights_N = block_weights(sorts, len(family_N), g)
        drawn.append([float(np.nanmean(one.average_precision(weights_N))) for one in ranked])
    return PairedPrecision(
        names=tuple(scores),
        families_MF=families_MF,
        mean_M=families_MF.mean(axis=1),
        drawn_RM=np.array(drawn).reshape(-1, len(ranked)),
    )


class _Ranked:
    """One scorer's rows, sorted once; equal scores count as one."""

    def __init__(self, scores: FloatArray, family_N: IntArray, present: IntArray) -> None:
        alone = np.flatnonzero(family_N < 0)
        self._alone_U = alone[np.argsort(-scores[alone], kind="stable")]
        falling = -scores[self._alone_U]
        self._families = []
        for family in present:
            rows = np.flatnonzero(family_N == family)
            rows_A = rows[np.argsort(-scores[rows], kind="stable")]
            value_A = -scores[rows_A]
            others_A = np.searchsorted(falling, value_A, side="right")
            """Rows left alone that score at least as high."""
            last_A = np.searchsorted(value_A, value_A, side="right") - 1
            self._families.append((rows_A, others_A, last_A))

    def average_precision(self, weights_N: FloatArray) -> FloatArray:
        """Of each family, (F,); NaN for one of which no row was drawn."""
        above = np.concatenate([[0.0], np.cumsum(weights_N[self._alone_U])])
        figures = []
        for rows_A, others_A, last_A in self._families:
            w = weights_N[rows_A]
            found = np.cumsum(w)[last_A]
            total = float(w.sum())
            precision = found / np.maximum(found + above[others_A], 1e-12)
            figures.append(float((w * precision).sum() / total) if total else float("nan"))
        return np.array(figures)


def _interval(value: float, drawn_R: FloatArray) -> Interval:
    known = drawn_R[np.isfinite(drawn_R)]
    if not len(known):
        return Interval(value=value, low=float("nan"), high=float("nan"))
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value=value, low=float(low), high=float(high))
