"""Intervals hold the truth as often as they say, and widen where rows are not independent."""

import numpy as np
import pytest

from detectors.evaluation import Ranked, auroc, average_precision, bootstrap


def drawn(
    seed: int, rows: int = 300
) -> "tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.bool_]]]":
    g = np.random.default_rng(seed)
    labels = np.arange(rows) < 60
    return g.normal(0, 1, rows).round(1) + labels, labels


def test_weighted_figures_are_the_plain_ones_of_repeated_rows() -> None:
    scores, labels = drawn(0)
    weights = np.random.default_rng(1).integers(0, 4, len(scores))
    ranked = Ranked(scores, labels)
    many, of_many = np.repeat(scores, weights), np.repeat(labels, weights)
    assert ranked.auroc(weights.astype(np.float64)) == pytest.approx(auroc(many, of_many))
    assert ranked.average_precision(weights.astype(np.float64)) == pytest.approx(average_precision(many, of_many))


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    truth = 0.7602  # the chance that N(1, 1) exceeds N(0, 1)
    found = [bootstrap(*drawn(seed), Ranked.auroc, draws=100, seed=seed) for seed in range(60)]
    held = np.mean([interval.low <= truth <= interval.high for interval in found])
    assert held >= 0.85
    assert all(interval.low < interval.value < interval.high for interval in found)


def test_blocks_that_move_together_widen_the_interval() -> None:
    g = np.random.default_rng(3)
    blocks = np.repeat(np.arange(40), 25)
    labels = blocks < 10
    scores = g.normal(0, 1, 40)[blocks] + labels + g.normal(0, 0.1, 1_000)
    alone = bootstrap(scores, labels, Ranked.auroc)
    together = bootstrap(scores, labels, Ranked.auroc, blocks=blocks)
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert together == bootstrap(scores, labels, Ranked.auroc, blocks=blocks)


def test_one_block_has_no_interval() -> None:
    scores, labels = drawn(4)
    one = bootstrap(scores, labels, Ranked.auroc, blocks=np.zeros(len(scores), dtype=np.int64))
    assert np.isnan([one.low, one.high]).all()
    assert one.value == pytest.approx(auroc(scores, labels))
    with pytest.raises(ValueError, match="both kinds"):
        bootstrap(scores, np.zeros(len(scores), dtype=bool), Ranked.auroc)
