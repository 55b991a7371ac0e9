"""Whether a column moved: distances beside what blocks of the reference show against the others of it.

Rows of keyed streams are not independent, so the noise is no textbook's: the reference is cut into blocks of time as
long as the recent window, and each block is held against all others. The noise level is a prediction bound over those
distances (`tolerance.bounds`), at a chance that makes false drift of all columns together rare.

What moved must also have moved broadly: the keys that push furthest towards the change are left out, a tenth of them,
and what remains must still be beyond the noise. An attack of few keys, or one large customer, is not drift. Drift and
a broad attack cannot be told apart without labels.

Shape legend: N rows, C cells, W blocks, K keys.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.expectations.document import ColumnDrift, Measure
from pipeline.expectations.drift.cells import Cells, missing_of, psi_of, shift_of, tally
from pipeline.expectations.drift.rows import DriftRows
from pipeline.expectations.tolerance import Scale, bounds
from pipeline.kafka.port import Int64Array

FloatArray = npt.NDArray[np.float64]
LEAST_BLOCKS, MOST_BLOCKS = 8, 60
LEAST_SHIFT, LEAST_PSI, LEAST_MISSING = 0.1, 0.2, 0.03
"""Sizes below which nothing is called drift, however certain."""
LEAST_KEYS = 10
LEFT_OUT_SHARE = 0.1
"""Of the keys: those that push furthest towards the change."""
_LEAST_ROWS = 100
_MEASURES = 3
Distance = Callable[[FloatArray, FloatArray], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The reference cut in time."""

    block: Int64Array
    """(N,) of each row of the reference."""
    count: int
    rows: float
    """The median of a block's rows."""


def blocks_of(reference: DriftRows, recent: DriftRows) -> Blocks | None:
    """Blocks as long as the recent window, at least `LEAST_BLOCKS`; None where the reference is too short to cut."""
    if not len(reference.times_ms) or not len(recent.times_ms):
        return None
    first, last = int(reference.times_ms.min()), int(reference.times_ms.max()) + 1
    length = min(recent.end_ms - recent.start_ms, (last - first) // LEAST_BLOCKS)
    length = max(length, (last - first) // MOST_BLOCKS, 1)
    count = (last - first) // length
    block = np.minimum((reference.times_ms - first) // length, count - 1).astype(np.int64)
    rows = np.bincount(block, minlength=count)
    if count < LEAST_BLOCKS // 2 or np.median(rows) < _LEAST_ROWS:
        return None
    return Blocks(block=block, count=int(count), rows=float(np.median(rows)))


def column_drift(
    cells: Cells, blocks: Blocks, keys: npt.NDArray[np.uint64] | None, *, chance: float, shown: str | None = None
) -> ColumnDrift:
    """The drift of one column; `keys` are those of the recent rows."""
    of_blocks = tally(cells.reference, blocks.block, size=cells.size, of=blocks.count)
    recent = np.bincount(cells.recent, minlength=cells.size).astype(np.float64)
    measure = _Measuring(of_blocks=of_blocks, blocks=blocks, rows=float(recent.sum()), chance=chance / _MEASURES)

    def shift(one: FloatArray, other: FloatArray) -> float:
        return shift_of(one, other, ordered=cells.ordered)

    found = {
        "shift": measure.measured(shift, recent, LEAST_SHIFT),
        "psi": measure.measured(psi_of, recent, LEAST_PSI),
        "missing": measure.measured(missing_of, recent, LEAST_MISSING),
    }
    moved = found["shift"].beyond or found["missing"].beyond or found["psi"].beyond
    breadth, broad, note = None, True, ""
    if keys is not None:
        breadth = _breadth(cells, of_blocks.sum(axis=0), recent, keys)
        if moved and len(np.unique(keys)) >= LEAST_KEYS:
            rest = _without_loudest(cells, of_blocks.sum(axis=0), recent, keys)
            left = _Measuring(of_blocks=of_blocks, blocks=blocks, rows=float(rest.sum()), chance=chance / _MEASURES)
            pairs = ((shift, LEAST_SHIFT), (psi_of, LEAST_PSI), (missing_of, LEAST_MISSING))
            broad = any(left.measured(distance, rest, least).beyond for distance, least in pairs)
            note = "" if broad else "moved by few keys: not called drift"
    return ColumnDrift(
        column=shown or cells.column,
        distance="ks" if cells.ordered else "tv",
        psi=found["psi"],
        shift=found["shift"],
        missing=found["missing"],
        drifted=moved and broad,
        breadth=breadth,
        note=note,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measuring:
    """Distances of one column and their noise."""

    of_blocks: FloatArray
    """(W, C)."""
    blocks: Blocks
    rows: float
    """Of the recent window."""
    chance: float

    def measured(self, distance: Distance, recent: FloatArray, least: float) -> Measure:
        """A distance, its noise, and whether it counts."""
        total = self.of_blocks.sum(axis=0)
        value = distance(total, recent) if recent.sum() else float("nan")
        usual = [distance(total - block, block) for block in self.of_blocks if block.sum() >= 0.2 * self.blocks.rows]
        # what is far below the least size is all one: on log scale its spread would be most of the noise
        known = np.array([max(v, least / 4) for v in usual if np.isfinite(v)])
        if len(known) < LEAST_BLOCKS // 2 or not np.isfinite(value):
            return Measure(value=value, noise=float("nan"), beyond=False)
        noise = bounds(known, scale=Scale.POSITIVE, chance=2 * self.chance).most
        noise *= np.sqrt(max(1.0, self.blocks.rows / max(self.rows, 1.0)))
        return Measure(value=value, noise=float(noise), beyond=bool(value > noise and value >= least))


def _push(cells: Cells, reference: FloatArray, recent: FloatArray) -> FloatArray:
    """How far a row in each cell pushes towards the change, (C,): mean 0 over the reference."""
    p, q = (side / max(1.0, side.sum()) for side in (reference, recent))
    direction = np.sign(q - p)
    return np.asarray(direction - float((p * direction).sum()))


def _breadth(cells: Cells, reference: FloatArray, recent: FloatArray, keys: npt.NDArray[np.uint64]) -> float:
    """The share of keys whose rows push towards the change, of those with five rows or more (all where none has)."""
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    pushed = np.bincount(place, weights=_push(cells, reference, recent)[cells.recent])
    often = counts >= 5
    return float((pushed[often] > 0).mean()) if often.any() else float((pushed > 0).mean())


def _without_loudest(
    cells: Cells, reference: FloatArray, recent: FloatArray, keys: npt.NDArray[np.uint64]
) -> FloatArray:
    """The recent tally without the tenth of the keys that push furthest, (C,)."""
    unique, place = np.unique(keys, return_inverse=True)
    pushed = np.bincount(place, weights=_push(cells, reference, recent)[cells.recent])
    loud = np.argsort(-pushed, kind="stable")[: max(1, int(np.ceil(LEFT_OUT_SHARE * len(unique))))]
    quiet = ~np.isin(place, loud)
    return np.bincount(cells.recent[quiet], minlength=cells.size).astype(np.float64)
