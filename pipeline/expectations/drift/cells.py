"""Columns as cells, tallied by block of time: what all distances are measured on.

Numbers fall into twentieths of the reference (each value of many rows its own cell), names are levels, the frequent
ones; missing is a cell apart.

Shape legend: N rows, C cells, W blocks.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.expectations.drift.rows import DriftRows

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_BINS, _LEVELS = 20, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """One column of the reference and of the recent rows. The last cell is "missing"."""

    column: str
    ordered: bool
    size: int
    """C."""
    reference: IntArray
    """(N,) the cell of each row."""
    recent: IntArray


def cells_of(reference: DriftRows, recent: DriftRows, column: str) -> Cells:
    """A column of both."""
    one, other = reference.table[column], recent.table[column]
    if pa.types.is_floating(one.type) or (pa.types.is_integer(one.type) and len(one.unique()) > _LEVELS):
        return cells_of_numbers(column, _doubles(one), _doubles(other))
    levels = pc.value_counts(one.cast(pa.string()).drop_null()).flatten()
    order = np.argsort(-np.asarray(levels[1].to_numpy()), kind="stable")[:_LEVELS]
    known = levels[0].take(pa.array(order))
    coded = [_coded(values.cast(pa.string()), known) for values in (one, other)]
    return Cells(column=column, ordered=False, size=len(known) + 2, reference=coded[0], recent=coded[1])


def cells_of_numbers(column: str, reference: FloatArray, recent: FloatArray) -> Cells:
    """Numbers, NaN where missing."""
    known = reference[np.isfinite(reference)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1])) if len(known) else np.zeros(0)
    size = 2 * len(edges) + 2
    coded = []
    for values in (reference, recent):
        # an edge that is itself a frequent value has a cell of its own
        cell = np.searchsorted(edges, values, side="left") + np.searchsorted(edges, values, side="right")
        coded.append(np.where(np.isnan(values), size - 1, cell).astype(np.int64))
    return Cells(column=column, ordered=True, size=size, reference=coded[0], recent=coded[1])


def tally(cells: IntArray, blocks: IntArray, *, size: int, of: int) -> FloatArray:
    """Rows of each block in each cell, (of, size)."""
    counts = np.bincount(blocks * size + cells, minlength=of * size)
    return counts.reshape(of, size).astype(np.float64)


def shift_of(one: FloatArray, other: FloatArray, *, ordered: bool) -> float:
    """KS of numbers, TV of names, among rows that have a value. Two tallies, (C,); NaN where one is empty."""
    p, q = (side[:-1] / side[:-1].sum() if side[:-1].sum() else np.full(len(side) - 1, np.nan) for side in (one, other))
    if ordered:
        return float(np.abs(np.cumsum(p - q)).max())
    return float(0.5 * np.abs(p - q).sum())


def psi_of(one: FloatArray, other: FloatArray) -> float:
    """Population stability index Σ (q − p) ln (q / p) over all cells; half a row is added to each."""
    p, q = ((side + 0.5) / (side + 0.5).sum() for side in (one, other))
    return float(((q - p) * np.log(q / p)).sum())


def missing_of(one: FloatArray, other: FloatArray) -> float:
    """Difference of the missing shares."""
    p, q = (side[-1] / max(1.0, side.sum()) for side in (one, other))
    return float(abs(p - q))


def _doubles(values: pa.ChunkedArray) -> FloatArray:
    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(), np.float64)


def _coded(values: pa.ChunkedArray, known: pa.Array) -> IntArray:
    """Places among the known levels, then "another", then "missing"."""
    places = pc.fill_null(pc.index_in(values, value_set=known), len(known))
    missing = np.asarray(pc.is_null(values).to_numpy(), np.bool_)
    return np.where(missing, len(known) + 1, np.asarray(places.to_numpy(), np.int64)).astype(np.int64)
