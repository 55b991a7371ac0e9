"""Whether scores still are what the threshold was calibrated on: one number that needs no labels.

Under the calibration's own stream a row's tail probability is uniform, so a hundredth of the rows lies below 1%. The
drift is how many decades more or fewer rows than that now do: 0 as calibrated, 1 ten times as many high scores, −1 a
tenth. Forgetting halves the weight of a row after `HALF_LIFE_ROWS` more. It cannot say why: a shift of the stream, an
attack, and a model that grew stale look alike here; a burst of an hour fades, a shift stays.
"""

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

LEVELS = (0.1, 0.01)
"""Tail probabilities watched; the drift is that of the level that moved further."""
HALF_LIFE_ROWS = 50_000
LEAST_EXPECTED = 20.0
"""Rows that a level must have expected before it speaks."""


def counts_below_levels(tail_probabilities: FloatArray) -> npt.NDArray[np.int64]:
    """How many rows of a batch (B,) lie below each level, (levels,)."""
    return np.array([np.count_nonzero(tail_probabilities < level) for level in LEVELS], dtype=np.int64)


class ScoreDrift:
    """The drift of one model's scores; make it anew for another model or threshold."""

    def __init__(self) -> None:
        self._rows = 0.0
        self._below = np.zeros(len(LEVELS))

    def add(self, rows: int, below: npt.NDArray[np.int64]) -> None:
        """Count a batch: its rows and how many lay below each level."""
        kept = 0.5 ** (rows / HALF_LIFE_ROWS)
        self._rows = self._rows * kept + rows
        self._below = self._below * kept + below

    @property
    def decades(self) -> float | None:
        """The drift; None before enough rows were seen."""
        drifts = [
            math.log10((seen + 1.0) / (level * self._rows + 1.0))
            for level, seen in zip(LEVELS, self._below, strict=True)
            if level * self._rows >= LEAST_EXPECTED
        ]
        return max(drifts, key=abs) if drifts else None
