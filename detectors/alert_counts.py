"""How many alerts a threshold would have raised: flagged rows of one group, closer than a gap, are one alert.

Suspects count by their probability of being normal: an alert counts as much as its most normal row.
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
        return float(np.maximum.reduceat(self._weights[flagged], starts).sum())

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
