"""The matrix that gradient boosting sees, and the classifier itself, on one thread so that a seed means one result.

Numbers as they are (moments also as hour and weekday), names as categories. Of a column with more than `_MOST_LEVELS`
levels the most frequent keep their names, the others share one, and how often a level occurs in all tables together is
a column of its own.

Shape legend: N rows, F columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from detectors.columns import Kind
from synth.fidelity.frames import Column, FloatArray, Frame

_MOST_LEVELS = 200
_LARGEST = 1e300
_HOUR_US, _DAY_US = 3_600_000_000.0, 86_400_000_000.0


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of one table for a classifier."""

    values_NF: FloatArray
    named_F: npt.NDArray[np.bool_]
    """Which columns are categories."""


def matrices(frames_together: Sequence[Frame]) -> list[Matrix]:
    """A matrix for each of some frames encoded together."""
    made: list[list[FloatArray]] = [[] for _ in frames_together]
    named: list[bool] = []
    for place in range(len(frames_together[0].columns)):
        columns = [frame.columns[place] for frame in frames_together]
        views = _moments(columns) if columns[0].kind is Kind.TIME else _numbers(columns)
        if not columns[0].ordered:
            views = _names(columns)
            named += [True] + [False] * (len(views[0]) - 1)
        else:
            named += [False] * len(views[0])
        for rows, view in zip(made, views, strict=True):
            rows += view
    return [Matrix(np.stack(rows, axis=1), np.asarray(named)) for rows in made]


def _numbers(columns: Sequence[Column]) -> list[list[FloatArray]]:
    return [[np.clip(column.values_N, -_LARGEST, _LARGEST)] for column in columns]


def _moments(columns: Sequence[Column]) -> list[list[FloatArray]]:
    """The moment, the hour of the day and the day of the week (UTC)."""
    days = [column.values_N / _DAY_US for column in columns]
    return [
        [
            column.values_N.astype(np.float64),
            (column.values_N % _DAY_US / _HOUR_US).astype(np.float64),
            np.floor(day).astype(np.float64) % 7,
        ]
        for column, day in zip(columns, days, strict=True)
    ]


def _names(columns: Sequence[Column]) -> list[list[FloatArray]]:
    """Codes of the most frequent levels, and the frequency of a level where others share one code."""
    levels = len(columns[0].levels)
    counts = np.sum([np.bincount(c.values_N.astype(np.int64), minlength=levels) for c in columns], axis=0)
    kept = np.argsort(-counts, kind="stable")[:_MOST_LEVELS]
    code = np.full(levels, len(kept), dtype=np.float64)
    code[kept] = np.arange(len(kept))
    views = [[code[column.values_N]] for column in columns]
    if levels > _MOST_LEVELS:
        for view, column in zip(views, columns, strict=True):
            view.append(np.log1p(counts[column.values_N].astype(np.float64)))
    return views


def fitted(
    matrix: Matrix, classes_N: npt.NDArray[np.generic], *, seed: int, early_stopping: bool
) -> HistGradientBoostingClassifier:
    """Gradient boosting of scikit-learn's defaults; early stopping holds out a tenth where it is asked for."""
    model = HistGradientBoostingClassifier(
        random_state=seed, early_stopping=early_stopping, categorical_features=matrix.named_F
    )
    empty_F = np.isnan(matrix.values_NF).all(axis=0)
    with threadpool_limits(1):
        return model.fit(np.where(empty_F, 0.0, matrix.values_NF), classes_N)  # bins cannot be made of no values


def chances(model: HistGradientBoostingClassifier, matrix: Matrix) -> FloatArray:
    """The chance of each class the model knows, (N, classes)."""
    with threadpool_limits(1):
        return np.asarray(model.predict_proba(matrix.values_NF), dtype=np.float64)
