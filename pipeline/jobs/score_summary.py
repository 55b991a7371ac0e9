"""Sums over scores that need no memory of them: how well they rank labelled rows, and how they went over time.

Shape legend: B rows of a batch, H bins of the histogram.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.base import FloatArray

Mask = npt.NDArray[np.bool_]
Int64s = npt.NDArray[np.int64]
NORMAL_LABELS = ("", "0", "normal", "normal.", "benign", "false", "no", "none", "ok")
"""Texts, in lower case, that say a row is ordinary; any other text names what is wrong with it."""


def anomalous(labels: pa.Array | pa.ChunkedArray) -> Mask:
    """Which rows a label column calls anomalous, shape (B,). Missing labels count as ordinary.

    True and numbers other than 0 are anomalous; of texts all but `NORMAL_LABELS`.
    """
    if pa.types.is_string(labels.type):
        ordinary = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(labels)), value_set=pa.array(NORMAL_LABELS))
        marked = pc.and_(pc.invert(ordinary), pc.is_valid(labels))
    else:
        marked = pc.not_equal(labels.cast(pa.float64()), 0.0)
    return np.asarray(pc.fill_null(marked, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


class RankHistogram:
    """Area under the ROC curve and average precision from counts in H fixed bins.

    Bins are even in asinh(score): 0.0005 nats wide near 0 and 0.05% of the score beyond, so both figures are within
    about 0.001 of their exact values; scores in one bin count as tied.
    """

    _BINS_PER_UNIT = 2_000
    _REACH = 20.0

    def __init__(self) -> None:
        bins = int(2 * self._REACH * self._BINS_PER_UNIT) + 1
        self._counts = np.zeros((2, bins), dtype=np.int64)

    def add(self, scores: FloatArray, labels: Mask) -> None:
        """Count a batch, both of shape (B,)."""
        place = np.clip(np.arcsinh(scores), -self._REACH, self._REACH)
        bins = np.rint((place + self._REACH) * self._BINS_PER_UNIT).astype(np.int64)
        for row, chosen in enumerate((bins[~labels], bins[labels])):
            self._counts[row] += np.bincount(chosen, minlength=self._counts.shape[1])

    @property
    def anomalies(self) -> int:
        """Labelled rows seen."""
        return int(self._counts[1].sum())

    def auroc(self) -> float | None:
        """Chance that a labelled row scores above an ordinary one; None without rows of both kinds."""
        ordinary, labelled = (self._counts[row].astype(np.float64) for row in (0, 1))
        if not ordinary.sum() or not labelled.sum():
            return None
        below = np.cumsum(ordinary) - ordinary
        return float((labelled * (below + ordinary / 2.0)).sum() / ordinary.sum() / labelled.sum())

    def average_precision(self) -> float | None:
        """Mean precision over the labelled rows, from the highest score down; None without labelled rows."""
        labelled = self._counts[1][::-1].astype(np.float64)
        if not labelled.sum():
            return None
        found, seen = np.cumsum(labelled), np.cumsum(self._counts.sum(axis=0)[::-1])
        precision = found / np.maximum(seen, 1.0)
        return float((precision * labelled).sum() / labelled.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelinePoint:
    """The scores of one stretch of time."""

    start_ms: int
    rows: int
    mean_nats: float
    max_nats: float


class Timeline:
    """Mean and highest score per stretch of time; stretches double in length whenever they grow too many."""

    def __init__(self, *, most: int = 1_500) -> None:
        self.width_ms = 1_000
        self._most = most
        self._starts: Int64s = np.zeros(0, np.int64)
        self._rows: Int64s = np.zeros(0, np.int64)
        self._sums: FloatArray = np.zeros(0)
        self._highest: FloatArray = np.zeros(0)

    def add(self, times_ms: Int64s, scores: FloatArray) -> None:
        """Add a batch, both of shape (B,), in any order."""
        if not len(scores):
            return
        self._merge(
            np.concatenate([self._starts, times_ms]),
            np.concatenate([self._rows, np.ones(len(scores), np.int64)]),
            np.concatenate([self._sums, scores]),
            np.concatenate([self._highest, scores]),
        )
        while len(self._starts) > self._most:
            self.width_ms *= 2
            self._merge(self._starts, self._rows, self._sums, self._highest)

    def _merge(self, times_ms: Int64s, rows: Int64s, sums: FloatArray, highest: FloatArray) -> None:
        starts, place = np.unique(times_ms // self.width_ms * self.width_ms, return_inverse=True)
        self._starts = starts
        self._rows = np.bincount(place, weights=rows, minlength=len(self._starts)).astype(np.int64)
        self._sums = np.bincount(place, weights=sums, minlength=len(self._starts)).astype(np.float64)
        self._highest = np.full(len(self._starts), -np.inf)
        np.maximum.at(self._highest, place, highest)

    def points(self) -> list[TimelinePoint]:
        """What was seen, in order of time."""
        return [
            TimelinePoint(start_ms=int(start), rows=int(rows), mean_nats=float(total / rows), max_nats=float(highest))
            for start, rows, total, highest in zip(self._starts, self._rows, self._sums, self._highest, strict=True)
        ]
