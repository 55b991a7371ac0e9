"""How many alerts a threshold would have raised: flagged rows of one group, closer than a gap, are one alert.

Suspects count by their probability of being normal: an alert counts as much as its most normal row. A
`BroadAlertCounter` counts only what is broad: a key's alerts, and a stretch of time's, up to a few times the usual.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

GROWTH = 1.05
"""Numbers of flagged rows are tried in steps of 5 %, then searched between."""
STRETCHES = 8
BURST = 3.0
ALWAYS = 3.0
"""Alerts of a stretch that count whatever the others have."""
ALWAYS_OF_KEY = 1.0
"""The same for a key in a stretch."""


class AlertCounter:
    """Counts alerts among N rows at any threshold; the cost is that of sorting the flagged rows."""

    def __init__(
        self,
        scores: FloatArray,
        weights: FloatArray,
        *,
        times_ms: Int64Array | None,
        groups: Sequence[Any] | npt.NDArray[Any] | None,
        gap_seconds: float,
    ) -> None:
        group = np.zeros(len(scores), dtype=np.int64)
        if groups is not None:
            group = pd.factorize(np.asarray(groups, dtype=object), use_na_sentinel=False)[0].astype(np.int64)
        times = np.arange(len(scores)) if times_ms is None else np.asarray(times_ms, dtype=np.int64)
        place = np.lexsort((times, group))
        self._gap_ms = -1.0 if times_ms is None else gap_seconds * 1000.0
        self._place = place
        self._group, self._times, self._weights = group[place], times[place], weights[place]
        self._scores = scores[place]
        self._by_score = np.argsort(-self._scores, kind="stable")
        falling = self._scores[self._by_score]
        self._ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True)) + 1
        """How many rows lie at or above each distinct score, highest first."""

    def alerts_above(self, score: float) -> float:
        """Alerts, weighted, if rows scoring above `score` were flagged."""
        return self._count(np.flatnonzero(self._scores > score))

    def _count(self, flagged: npt.NDArray[np.intp]) -> float:
        if not len(flagged):
            return 0.0
        group, times = self._group[flagged], self._times[flagged]
        apart = (group[1:] != group[:-1]) | (times[1:] - times[:-1] > self._gap_ms)
        starts = np.concatenate([[0], np.flatnonzero(apart) + 1])
        counts = np.maximum.reduceat(self._weights[flagged], starts)
        return self._total(counts, group[starts], times[starts])

    def _total(self, counts: FloatArray, groups: Int64Array, times: Int64Array) -> float:
        """What alerts of these weights, groups and first times amount to; all of shape (alerts,)."""
        return float(counts.sum())

    def _count_top(self, end: int) -> float:
        return self._count(np.sort(self._by_score[: self._ends[end]]))

    def lowest_score_within(self, alerts: float) -> float:
        """The lowest threshold such that neither it nor any higher one tried raises more than `alerts`.

        Going down, alerts grow with the rows flagged until so many are flagged that alerts run into each other; the
        search stops at the first excess, so a threshold at which everything is one endless alert is never taken.
        """
        good, step = -1, 0
        while step < len(self._ends) and self._count_top(step) <= alerts:
            good, step = step, max(step + 1, int(step * GROWTH))
        bad = min(step, len(self._ends))
        while bad - good > 1:
            middle = (good + bad) // 2
            if self._count_top(middle) <= alerts:
                good = middle
            else:
                bad = middle
        return self._threshold_below(good)

    def _threshold_below(self, end: int) -> float:
        """A score that flags exactly the rows down to the distinct score number `end` (none for −1)."""
        ordered = self._scores[self._by_score]
        if end + 1 < len(self._ends):
            return float(ordered[self._ends[end + 1] - 1])
        return float(np.nextafter(ordered[-1], -np.inf))


class BroadAlertCounter(AlertCounter):
    """Counts alerts as a sign of how the stream now is: what few keys or a short burst bring counts little.

    The window is cut into `STRETCHES` of equal numbers of rows. A key's alerts in a stretch count up to `BURST` times
    what is usual: for this key (its median stretch) or for the keys (the median key in that stretch, keys without an
    alert counting as zeros until `breadth` of the active keys have one). A stretch's alerts count up to `BURST` times
    those of the third highest stretch.
    """

    def __init__(
        self,
        scores: FloatArray,
        *,
        times_ms: Int64Array,
        groups: Sequence[Any] | npt.NDArray[Any] | None,
        gap_seconds: float,
        breadth: float,
    ) -> None:
        super().__init__(scores, np.ones(len(scores)), times_ms=times_ms, groups=groups, gap_seconds=gap_seconds)
        self._keyed = groups is not None
        self._keys_needed = max(2, int(np.ceil(2.0 * breadth * len(np.unique(self._group)))))
        self._edges = np.quantile(self._times, np.linspace(0.0, 1.0, STRETCHES + 1)[1:-1])

    def row_weights(self, score: float) -> FloatArray:
        """How much each row counts if rows above `score` are flagged, (N,) in the order handed in; 1 for the others."""
        flagged = np.flatnonzero(self._scores > score)
        weights = np.ones(len(self._scores))
        weights[self._place[flagged]] = self._shares(np.ones(len(flagged)), self._group[flagged], self._times[flagged])
        return weights

    def _total(self, counts: FloatArray, groups: Int64Array, times: Int64Array) -> float:
        return float(self._shares(counts, groups, times).sum())

    def _shares(self, counts: FloatArray, groups: Int64Array, times: Int64Array) -> FloatArray:
        """What is left of each count, its key's and then its stretch's excess cut off."""
        stretch = np.searchsorted(self._edges, times, side="right")
        if self._keyed and len(counts):
            counts = counts * self._key_shares(counts, groups, stretch)
        per_stretch = np.bincount(stretch, weights=counts, minlength=STRETCHES)
        third = float(np.sort(per_stretch)[-3])
        kept = np.minimum(per_stretch, max(ALWAYS, BURST * third)) / np.maximum(per_stretch, 1e-12)
        return np.asarray(counts * kept[stretch], dtype=np.float64)

    def _key_shares(self, counts: FloatArray, groups: Int64Array, stretch: npt.NDArray[np.intp]) -> FloatArray:
        """How much of each count is left when a key's burst is cut to its own usual or to the other keys'."""
        _, key = np.unique(groups, return_inverse=True)
        cells = np.bincount(key * STRETCHES + stretch, weights=counts, minlength=(key.max() + 1) * STRETCHES)
        cells_KS = cells.reshape(-1, STRETCHES)
        missing = max(0, self._keys_needed - len(cells_KS))
        others_S = np.median(np.concatenate([cells_KS, np.zeros((missing, STRETCHES))]), axis=0)
        usual_KS = np.maximum(np.median(cells_KS, axis=1)[:, None], others_S)
        kept_KS = np.minimum(cells_KS, np.maximum(ALWAYS_OF_KEY, BURST * usual_KS)) / np.maximum(cells_KS, 1e-12)
        return np.asarray(kept_KS[key, stretch], dtype=np.float64)


def count_alerts(
    flags: npt.NDArray[np.bool_],
    *,
    times_ms: Int64Array,
    groups: Sequence[Any] | npt.NDArray[Any] | None,
    gap_seconds: float,
) -> int:
    """How many alerts rows flagged by any rule make, all of shape (N,), in any order."""
    ones = np.ones(len(flags))
    counter = AlertCounter(flags.astype(np.float64), ones, times_ms=times_ms, groups=groups, gap_seconds=gap_seconds)
    return round(counter.alerts_above(0.5))
