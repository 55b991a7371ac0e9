"""How alike each column by itself is: 1 − Kolmogorov-Smirnov for numbers, 1 − total variation for the rest.

A missing value is a level of its own; among numbers it lies below all others, so a share of missing values that differs
by d costs at least d. Independent columns score as well as real rows: shapes say nothing about how columns go together.

Shape legend: N rows, G groups of rows, C cells, B draws.
"""

import numpy as np
import pyarrow as pa

from synth.fidelity.frames import Column, FloatArray, Frame, IntArray, frames
from synth.fidelity.intervals import Score, around, draw_weights, groups_of, tallies

_MOST_CELLS = 1000
"""Of numbers, for the interval only: it needs no finer steps."""


def column_shapes(real: pa.Table, synthetic: pa.Table) -> dict[str, float]:
    """1 − KS or 1 − TV of every column that is measured, in schema order; the mean is the usual "shape" score."""
    return shapes_of(*frames(real, synthetic))


def shapes_of(real: Frame, synthetic: Frame) -> dict[str, float]:
    """As `column_shapes`, of frames encoded together."""
    return {r.name: _shape(r, s) for r, s in zip(real.columns, synthetic.columns, strict=True)}


def mean_shape(real: Frame, synthetic: Frame, *, seed: int = 0) -> Score:
    """The mean over columns with its interval; rows are drawn whole, so columns' errors add up as they should."""
    shapes = shapes_of(real, synthetic)
    weights_BG = draw_weights(seed), draw_weights(seed + 1)
    groups = groups_of(real.rows, seed), groups_of(synthetic.rows, seed + 1)
    drawn_B = np.zeros(len(weights_BG[0]))
    for r, s in zip(real.columns, synthetic.columns, strict=True):
        cells_r, cells_s, cells = _cells(r, s)
        tally_r = weights_BG[0] @ tallies(cells_r, groups[0], cells)
        tally_s = weights_BG[1] @ tallies(cells_s, groups[1], cells)
        drawn_B += _likeness(tally_r, tally_s, ordered=r.ordered)
    error = float((drawn_B / len(shapes)).std(ddof=1)) if min(real.rows, synthetic.rows) > len(groups) else float("nan")
    return around(float(np.mean(list(shapes.values()))), error)


def _shape(real: Column, synthetic: Column) -> float:
    if real.ordered:
        return 1.0 - _ks(
            np.nan_to_num(real.values_N, nan=-np.inf, posinf=np.inf, neginf=np.finfo(np.float64).min),
            np.nan_to_num(synthetic.values_N, nan=-np.inf, posinf=np.inf, neginf=np.finfo(np.float64).min),
        )
    levels = len(real.levels)
    p, q = (np.bincount(c.values_N.astype(np.int64), minlength=levels) / len(c.values_N) for c in (real, synthetic))
    return float(1.0 - 0.5 * np.abs(p - q).sum())


def _ks(a: FloatArray, b: FloatArray) -> float:
    """The greatest difference of the two empirical distribution functions."""
    a, b = np.sort(a), np.sort(b)
    grid = np.concatenate([a, b])
    below_a, below_b = (np.searchsorted(values, grid, side="right") / len(values) for values in (a, b))
    return float(np.abs(below_a - below_b).max())


def _cells(real: Column, synthetic: Column) -> tuple[IntArray, IntArray, int]:
    """Cells of both columns: levels, or up to `_MOST_CELLS` steps of the real and synthetic values together."""
    if not real.ordered:
        return real.values_N.astype(np.int64), synthetic.values_N.astype(np.int64), len(real.levels)
    both = np.concatenate([real.values_N, synthetic.values_N])
    known = both[~np.isnan(both)]
    edges = np.unique(np.sort(known)[:: max(1, len(known) // _MOST_CELLS)])
    cells = np.where(np.isnan(both), 0, 1 + np.searchsorted(edges, both, side="right"))
    return cells[: len(real.values_N)], cells[len(real.values_N) :], len(edges) + 2


def _likeness(real_BC: FloatArray, synthetic_BC: FloatArray, *, ordered: bool) -> FloatArray:
    """1 − KS or 1 − TV of tallies, (B,)."""
    gap_BC = real_BC / real_BC.sum(axis=1, keepdims=True) - synthetic_BC / synthetic_BC.sum(axis=1, keepdims=True)
    if ordered:
        return np.asarray(1.0 - np.abs(np.cumsum(gap_BC, axis=1)).max(axis=1))
    return np.asarray(1.0 - 0.5 * np.abs(gap_BC).sum(axis=1))
