"""How alike pairs of columns are: 1 − half the difference of Pearson's correlations for two numbers, else 1 − total
variation of the contingency table, numbers in ten quantile bins of the real rows.

Correlations are of the raw values, as in published figures, over the rows that have both values. A correlation that
does not exist (a constant column) counts as none. A missing value is a level, or a bin, of its own.

The contingency table of two columns of many levels is mostly noise: read the score beside its ceiling, which carries
the same noise. Wide tables have a seeded choice of at most `MOST_PAIRS` pairs measured.

Shape legend: N rows, G groups of rows, C cells, B draws, P pairs.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa

from synth.fidelity.frames import Column, FloatArray, Frame, IntArray, frames
from synth.fidelity.intervals import GROUPS, Score, around, draw_weights, groups_of, tallies

BINS = 10
MOST_PAIRS = 1000
_MOST_TALLY_CELLS = 2_000
"""Pairs with more cells than this count in the mean and not in its interval's draws."""
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTrends:
    """The score of each measured pair; the mean is the usual "trend" score."""

    pairs: tuple[Pair, ...]
    scores: tuple[float, ...]
    pairs_there_are: int
    """More than `len(pairs)` where the table is wide."""

    @property
    def mean(self) -> float:
        """Over the measured pairs; NaN where there is one column only."""
        return float(np.mean(self.scores)) if self.scores else float("nan")

    @property
    def by_pair(self) -> dict[Pair, float]:
        """Scores by the two names, in schema order."""
        return dict(zip(self.pairs, self.scores, strict=True))


def pair_trends(real: pa.Table, synthetic: pa.Table, *, most_pairs: int = MOST_PAIRS, seed: int = 0) -> PairTrends:
    """Pairs of all columns that are measured, or a seeded choice of `most_pairs`."""
    return trends_of(*frames(real, synthetic), most_pairs=most_pairs, seed=seed)


def trends_of(real: Frame, synthetic: Frame, *, most_pairs: int = MOST_PAIRS, seed: int = 0) -> PairTrends:
    """As `pair_trends`, of frames encoded together."""
    places, there_are = _chosen(len(real.columns), most_pairs, seed)
    binned = _Binned(real, synthetic)
    scores = tuple(_trend(real, synthetic, binned, i, j) for i, j in places)
    pairs = tuple((real.columns[i].name, real.columns[j].name) for i, j in places)
    return PairTrends(pairs=pairs, scores=scores, pairs_there_are=there_are)


def mean_trend(real: Frame, synthetic: Frame, *, most_pairs: int = MOST_PAIRS, seed: int = 0) -> Score:
    """The mean over pairs with its interval; rows are drawn whole."""
    trends = trends_of(real, synthetic, most_pairs=most_pairs, seed=seed)
    if min(real.rows, synthetic.rows) < GROUPS or not trends.scores:
        return Score(value=trends.mean)
    places, _ = _chosen(len(real.columns), most_pairs, seed)
    sides = _Side(real, seed), _Side(synthetic, seed + 1)
    binned = _Binned(real, synthetic)
    drawn = [d for i, j in places if (d := _drawn(sides, binned, i, j)) is not None]
    error = float(np.mean(drawn, axis=0).std(ddof=1)) if drawn else float("nan")
    return around(trends.mean, error)


def _chosen(columns: int, most: int, seed: int) -> tuple[list[tuple[int, int]], int]:
    there_are = columns * (columns - 1) // 2
    pairs = list(combinations(range(columns), 2))
    if there_are <= most:
        return pairs, there_are
    kept = np.sort(np.random.default_rng(seed).choice(there_are, most, replace=False))
    return [pairs[place] for place in kept], there_are


class _Binned:
    """Columns as cells, each made when it is first asked for."""

    def __init__(self, real: Frame, synthetic: Frame) -> None:
        self._frames = real, synthetic
        self._made: dict[int, tuple[IntArray, IntArray, int]] = {}

    def column(self, place: int) -> tuple[IntArray, IntArray, int]:
        if place not in self._made:
            self._made[place] = _binned(*(frame.columns[place] for frame in self._frames))
        return self._made[place]

    def pair(self, i: int, j: int) -> tuple[IntArray, IntArray, int]:
        """Cells of a pair, only those that occur."""
        (real_i, synthetic_i, _), (real_j, synthetic_j, width) = self.column(i), self.column(j)
        joint = np.concatenate([real_i * width + real_j, synthetic_i * width + synthetic_j])
        cells = self.column(i)[2] * width
        if cells > 8 * len(joint):
            names, joint = np.unique(joint, return_inverse=True)
            cells = len(names)
        return joint[: len(real_i)], joint[len(real_i) :], cells


def _binned(real: Column, synthetic: Column) -> tuple[IntArray, IntArray, int]:
    if not real.ordered:
        return real.values_N.astype(np.int64), synthetic.values_N.astype(np.int64), len(real.levels)
    known = real.values_N[np.isfinite(real.values_N)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])) if len(known) else np.zeros(0)
    cells = [
        np.where(np.isnan(c.values_N), len(edges) + 1, np.searchsorted(edges, c.values_N, side="right"))
        for c in (real, synthetic)
    ]
    return cells[0], cells[1], len(edges) + 2


def _trend(real: Frame, synthetic: Frame, binned: _Binned, i: int, j: int) -> float:
    if real.columns[i].ordered and real.columns[j].ordered:
        r, s = (_correlations(_moments(f.columns[i], f.columns[j])[None]) for f in (real, synthetic))
        return float(1.0 - abs(r[0] - s[0]) / 2)
    cells_r, cells_s, cells = binned.pair(i, j)
    p, q = np.bincount(cells_r, minlength=cells) / real.rows, np.bincount(cells_s, minlength=cells) / synthetic.rows
    return float(1.0 - 0.5 * np.abs(p - q).sum())


def _moments(x: Column, y: Column, groups_N: IntArray | None = None) -> FloatArray:
    """Count, sums, squares and products of the rows that have both, (6,), or (G, 6) for groups of rows."""
    both = np.isfinite(x.values_N) & np.isfinite(y.values_N)
    a, b = _centred(x.values_N[both]), _centred(y.values_N[both])
    parts = np.stack([np.ones(len(a)), a, b, a * a, b * b, a * b])
    if groups_N is None:
        return np.asarray(parts.sum(axis=1))
    kept = groups_N[both]
    return np.stack([np.bincount(kept, weights=part, minlength=GROUPS) for part in parts], axis=1)


def _centred(values: FloatArray | IntArray) -> FloatArray:
    """Values about their mean in units of their spread: correlations stay, cancellation goes."""
    values = values.astype(np.float64)
    spread = values.std() if len(values) else 0.0
    constant = spread <= 1e-12 * np.abs(values).max(initial=0.0)
    return np.zeros(len(values)) if constant else (values - values.mean()) / spread


def _correlations(moments_B6: FloatArray) -> FloatArray:
    """Pearson's correlation of each row of moments, (B,); 0 where there is none."""
    n, a, b, aa, bb, ab = moments_B6.T
    n = np.maximum(n, 1.0)
    spread = np.maximum(aa / n - (a / n) ** 2, 0.0) * np.maximum(bb / n - (b / n) ** 2, 0.0)
    covariance = ab / n - (a / n) * (b / n)
    found = np.divide(covariance, np.sqrt(spread), out=np.zeros_like(covariance), where=spread > 1e-18)
    return np.asarray(np.clip(found, -1.0, 1.0))


class _Side:
    """One table's groups of rows and how often each is drawn."""

    def __init__(self, frame: Frame, seed: int) -> None:
        self.frame, self.groups_N, self.weights_BG = frame, groups_of(frame.rows, seed), draw_weights(seed)


def _drawn(sides: tuple[_Side, _Side], binned: _Binned, i: int, j: int) -> FloatArray | None:
    """A pair's score in every draw, (B,)."""
    if all(sides[0].frame.columns[place].ordered for place in (i, j)):
        r, s = (
            _correlations(side.weights_BG @ _moments(side.frame.columns[i], side.frame.columns[j], side.groups_N))
            for side in sides
        )
        return np.asarray(1.0 - np.abs(r - s) / 2)
    *cells_2, cells = binned.pair(i, j)
    if cells > _MOST_TALLY_CELLS:
        return None
    p, q = (side.weights_BG @ tallies(c, side.groups_N, cells) for side, c in zip(sides, cells_2, strict=True))
    gap = p / p.sum(axis=1, keepdims=True) - q / q.sum(axis=1, keepdims=True)
    return np.asarray(1.0 - 0.5 * np.abs(gap).sum(axis=1))
