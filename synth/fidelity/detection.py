"""Classifier two-sample tests (Lopez-Paz & Oquab 2017): can gradient boosting tell synthetic rows from real ones?

2(1 − AUC), clipped to 0…1: 1 where it cannot tell, 0 where it always can. Training rows handed back score 1, so the
figure counts only beside near-copies. The plain form saturates near 1 on few rows; the strong form sees more.

Shape legend: N rows.
"""

import numpy as np
import pyarrow as pa

from synth.fidelity.classifier import Matrix, chances, fitted, matrices
from synth.fidelity.frames import Frame, frames
from synth.fidelity.intervals import Score, area_with_error, around

LEAST_ROWS = 40
"""Of either table; with fewer there is nothing to train on and the figure is NaN."""
MOST_ROWS = 50_000
"""Of either table; a seeded choice of more."""


def c2st(real: pa.Table, synthetic: pa.Table, *, seed: int) -> float:
    """Held-out real rows against as many synthetic ones (a seeded choice of the longer table), early-stopped.

    Cross-fitted: either half of the rows is scored by the classifier trained on the other half; the mean of the two.
    """
    return detection(*frames(real, synthetic), seed=seed).value


def c2st_strong(real_train: pa.Table, real_test: pa.Table, synthetic: pa.Table, *, seed: int) -> float:
    """Without early stopping; trained on real train against half of the synthetic rows, scored on real test against the
    other half. All tables shuffled."""
    return strong_detection(*frames(real_train, real_test, synthetic), seed=seed).value


def detection(real: Frame, synthetic: Frame, *, seed: int) -> Score:
    """As `c2st`, of frames encoded together, with its interval."""
    rows = min(real.rows, synthetic.rows, MOST_ROWS)
    if rows < LEAST_ROWS:
        return Score(value=float("nan"))
    parts = [real.at_most(rows, seed).shuffled(seed), synthetic.at_most(rows, seed + 1).shuffled(seed + 1)]
    r, s = matrices(parts)
    halves = slice(0, rows // 2), slice(rows // 2, rows)
    found = [
        _area(_part(r, a), _part(s, a), _part(r, b), _part(s, b), seed=seed, early_stopping=True)
        for a, b in (halves, halves[::-1])
    ]
    area = float(np.mean([value for value, _ in found]))
    return _score(area, float(np.sqrt(sum(error**2 for _, error in found))) / 2)


def strong_detection(real_train: Frame, real_test: Frame, synthetic: Frame, *, seed: int) -> Score:
    """As `c2st_strong`, of frames encoded together, with its interval."""
    if min(real_train.rows, real_test.rows, synthetic.rows // 2) < LEAST_ROWS // 2:
        return Score(value=float("nan"))
    parts = [
        f.at_most(MOST_ROWS, seed + i).shuffled(seed + i) for i, f in enumerate((real_train, real_test, synthetic))
    ]
    train, test, made = matrices(parts)
    half = parts[2].rows // 2
    learned, scored = _part(made, slice(0, half)), _part(made, slice(half, None))
    return _score(*_area(train, learned, test, scored, seed=seed, early_stopping=False))


def _score(area: float, error: float) -> Score:
    return around(float(np.clip(2 * (1 - area), 0.0, 1.0)), 2 * error)


def _part(matrix: Matrix, rows: slice) -> Matrix:
    return Matrix(matrix.values_NF[rows], matrix.named_F)


def _area(
    real_a: Matrix, made_a: Matrix, real_b: Matrix, made_b: Matrix, *, seed: int, early_stopping: bool
) -> tuple[float, float]:
    """How well a classifier trained on rows a tells apart rows b: the area and its standard error."""
    model = fitted(_stacked(real_a, made_a), _truth(real_a, made_a), seed=seed, early_stopping=early_stopping)
    scores = chances(model, _stacked(real_b, made_b))[:, 1]
    return area_with_error(scores, _truth(real_b, made_b))


def _stacked(real: Matrix, made: Matrix) -> Matrix:
    return Matrix(np.concatenate([real.values_NF, made.values_NF]), real.named_F)


def _truth(real: Matrix, made: Matrix) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.repeat([True, False], [len(real.values_NF), len(made.values_NF)])
