"""Paired figures: average precision by the book, differences that are surer than the figures themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.evaluation import average_precision
from detectors.evaluation.paired import paired_precision


def truth(rows: int, rng: np.random.Generator, families: int = 2) -> np.ndarray:
    family = np.full(rows, -1)
    family[rng.permutation(rows)[: rows // 4]] = rng.integers(0, families, rows // 4)
    return family


@settings(max_examples=25, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.integers(2, 40))
def test_each_family_is_average_precision_with_ties_as_one(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    family = truth(120, rng)
    scores = rng.integers(0, levels, 120).astype(float)
    found = paired_precision({"a": scores}, family, blocks=np.arange(120), draws=0)
    for place, number in enumerate(np.unique(family[family >= 0])):
        shown = (family == number) | (family < 0)
        assert found.families_MF[0, place] == pytest.approx(average_precision(scores[shown], family[shown] == number))


def test_all_families_together_weigh_alike_however_many_rows_they_have() -> None:
    rng = np.random.default_rng(3)
    family = np.concatenate([np.full(500, -1), np.zeros(60, np.int64), np.full(20, 1)])
    scores = rng.normal(size=580) + np.where(family == 0, 0.5, np.where(family == 1, 3.0, 0.0))
    found = paired_precision({"a": scores}, family, blocks=np.arange(580), draws=0)
    even = np.repeat(np.arange(580), np.select([family == 0, family == 1], [2, 6], 3))
    assert found.value_M[0] == pytest.approx(average_precision(scores[even], family[even] >= 0))
    assert found.value_M[0] > average_precision(scores, family >= 0)


def test_what_moves_both_scorers_cancels_and_what_moves_one_shows() -> None:
    rng = np.random.default_rng(1)
    family, keys = truth(3_000, rng), rng.integers(0, 60, 3_000)
    good = rng.normal(size=3_000) + 1.5 * (family >= 0)
    nearly, worse = good + rng.normal(0, 0.02, 3_000), good + rng.normal(0, 2.0, 3_000)
    found = paired_precision({"good": good, "nearly": nearly, "worse": worse}, family, blocks=keys, draws=200)
    alone, difference = found.interval("good"), found.difference("good", "nearly")
    assert difference.high - difference.low < (alone.high - alone.low) / 3
    assert difference.low < 0.0 < difference.high
    assert found.difference("good", "worse").low > 0.0
    assert found.difference("worse", "good").high < 0.0
    again = paired_precision({"good": good, "nearly": nearly, "worse": worse}, family, blocks=keys, draws=200)
    np.testing.assert_array_equal(found.drawn_RM, again.drawn_RM)


def test_one_block_leaves_the_interval_unknown_and_one_kind_is_refused() -> None:
    rng = np.random.default_rng(2)
    family = truth(100, rng)
    found = paired_precision({"a": rng.normal(size=100)}, family, blocks=np.zeros(100, np.int64))
    assert np.isnan(found.interval("a").low)
    with pytest.raises(ValueError, match="both kinds"):
        paired_precision({"a": np.zeros(5)}, np.full(5, -1), blocks=np.arange(5))
