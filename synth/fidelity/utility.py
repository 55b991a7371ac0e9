"""What synthetic rows are good for: a classifier of the label trained on them and scored on real rows (TSTR; Esteban et
al. 2017), beside the same trained on real rows (TRTR).

Gradient boosting on all other columns. A label of more than `_MOST_CLASSES` numbers is asked as "above the median of
the scored rows". Rows without a label are left out.

Shape legend: N rows.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.evaluation.ranking import average_precision
from synth.fidelity.classifier import chances, fitted, matrices
from synth.fidelity.detection import MOST_ROWS
from synth.fidelity.frames import Frame, frames
from synth.fidelity.intervals import NOT_KNOWN, area_with_error

_MOST_CLASSES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Utility:
    """How well a label is found: of the rarer of two classes, or the mean over several, one against the rest."""

    auroc: float
    auroc_error: float
    """Standard error, of the scored rows only."""
    average_precision: float


def utility(train: pa.Table, test: pa.Table, *, label: str, seed: int) -> float:
    """AUROC of the label on `test` by a classifier trained on `train`; NaN where `test` has one class only."""
    return utility_scores(*frames(train, test), label=label, seed=seed).auroc


def utility_scores(train: Frame, test: Frame, *, label: str, seed: int) -> Utility:
    """As `utility`, of frames encoded together, with average precision. A class that `train` lacks scores .5."""
    train, test = train.at_most(MOST_ROWS, seed).shuffled(seed), test.at_most(MOST_ROWS, seed + 1)
    classes_train, classes_test = _classes(train, test, label)
    parts = [frame.without([label]) for frame in (train, test)]
    if not parts[0].columns or not len(classes_train) or len(np.unique(classes_test[classes_test >= 0])) < 2:
        return Utility(auroc=NOT_KNOWN, auroc_error=NOT_KNOWN, average_precision=NOT_KNOWN)
    learned, scored = (
        f.take(np.flatnonzero(c >= 0)) for f, c in zip(parts, (classes_train, classes_test), strict=True)
    )
    classes_train, classes_test = classes_train[classes_train >= 0], classes_test[classes_test >= 0]
    return _scores(_chances(learned, scored, classes_train, seed=seed), classes_test)


def _classes(train: Frame, test: Frame, label: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The class of each row of both; negative where the label is missing."""
    columns = train.column(label), test.column(label)
    if not columns[0].ordered:
        missing = len(columns[0].levels) - 1
        return tuple(np.where(c.values_N == missing, -1, c.values_N).astype(np.int64) for c in columns)  # type: ignore[return-value]
    known = columns[1].values_N[~np.isnan(columns[1].values_N)]
    values = np.unique(known)
    edges = np.array([np.median(known)]) if len(values) > _MOST_CLASSES else values[1:] - np.diff(values) / 2
    return tuple(  # type: ignore[return-value]
        np.where(np.isnan(c.values_N), -1, np.searchsorted(edges, c.values_N, side="left")).astype(np.int64)
        for c in columns
    )


def _chances(
    learned: Frame, scored: Frame, classes: npt.NDArray[np.int64], *, seed: int
) -> dict[int, npt.NDArray[np.float64]]:
    """The chance of each learned class for each scored row."""
    names = np.unique(classes)
    if len(names) < 2 or learned.rows < 2:
        return {}
    train, test = matrices([learned, scored])
    few = np.bincount(classes)[names].min() < 10  # early stopping needs each class in what it holds out
    model = fitted(train, classes, seed=seed, early_stopping=not few and learned.rows > 10_000)
    found = chances(model, test)
    return {int(name): found[:, place] for place, name in enumerate(model.classes_)}


def _scores(found: dict[int, npt.NDArray[np.float64]], classes: npt.NDArray[np.int64]) -> Utility:
    names, counts = np.unique(classes, return_counts=True)
    asked = [names[np.argmin(counts)]] if len(names) == 2 else list(names)
    areas, precisions = [], []
    for name in asked:
        truth = classes == name
        scores = found.get(int(name), np.zeros(len(classes)))
        areas.append(area_with_error(scores, truth))
        precisions.append(average_precision(scores, truth))
    error = float(np.sqrt(sum(e**2 for _, e in areas))) / len(areas)
    return Utility(
        auroc=float(np.mean([a for a, _ in areas])), auroc_error=error, average_precision=float(np.mean(precisions))
    )
