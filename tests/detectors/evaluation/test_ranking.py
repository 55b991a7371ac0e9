"""The figures are those of scikit-learn, ties included."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from detectors.evaluation import at_threshold, auroc, average_precision


@pytest.mark.parametrize("levels", [3, 50, 10**9])
def test_figures_are_scikit_learns(levels: int) -> None:
    g = np.random.default_rng(levels)
    labels = g.random(500) < 0.1
    scores = (g.integers(0, levels, 500) + labels * g.integers(0, levels, 500)).astype(np.float64)
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores))


def test_precision_and_recall_at_a_threshold() -> None:
    figures = at_threshold(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, False, False, True]), 2.0)
    assert (figures.flagged, figures.precision, figures.recall) == (2, 0.5, 0.5)
    assert at_threshold(np.array([1.0, 2.0]), np.array([True, False]), 9.0).precision == 0.0


def test_one_class_has_no_figure() -> None:
    for labels in (np.zeros(3, dtype=bool), np.ones(3, dtype=bool)):
        with pytest.raises(ValueError, match="both kinds"):
            auroc(np.arange(3.0), labels)
    with pytest.raises(ValueError, match="2 scores for 3 labels"):
        average_precision(np.arange(2.0), np.array([True, False, True]))
