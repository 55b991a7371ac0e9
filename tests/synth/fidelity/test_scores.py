"""What scores promise: real rows near 1, spoiled rows lower by degrees, whatever the order of rows."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.fidelity import c2st, c2st_strong, class_shapes, column_shapes, pair_trends, rare_coverage, utility
from tests.synth.fidelity.tables import apart, people, shuffled

TRAIN, TEST, MORE = people(1600, 1), people(1200, 2), people(1200, 3)


def _shape(real: pa.Table, made: pa.Table) -> float:
    return float(np.mean(list(column_shapes(real, made).values())))


def test_a_table_equals_itself() -> None:
    assert set(column_shapes(TEST, TEST).values()) == {1.0}
    assert pair_trends(TEST, TEST).mean == pytest.approx(1.0)
    assert c2st(TEST, TEST, seed=0) > 0.95


def test_other_rows_of_the_same_source_score_near_one() -> None:
    assert _shape(TEST, MORE) > 0.97
    assert pair_trends(TEST, MORE).mean > 0.93
    assert c2st(TEST, MORE, seed=0) > 0.9
    assert c2st_strong(TRAIN, TEST, MORE, seed=0) > 0.85


def test_independent_columns_keep_their_shapes_and_lose_everything_else() -> None:
    spoiled = apart(MORE, 4)
    assert _shape(TEST, spoiled) > 0.97
    assert pair_trends(TEST, spoiled).mean < pair_trends(TEST, MORE).mean - 0.05
    assert c2st(TEST, spoiled, seed=0) < 0.35
    assert c2st_strong(TRAIN, TEST, spoiled, seed=0) < 0.35
    assert utility(spoiled, TEST, label="label", seed=0) < utility(MORE, TEST, label="label", seed=0) - 0.2
    within = np.mean(list(class_shapes(TEST, MORE, label="label").values()))
    assert np.mean(list(class_shapes(TEST, spoiled, label="label").values())) < within - 0.05


def test_more_spoiled_rows_mean_lower_scores() -> None:
    steps = [apart(MORE, 5, share) for share in (0.0, 0.4, 1.0)]
    trends, told = [pair_trends(TEST, step).mean for step in steps], [c2st(TEST, step, seed=0) for step in steps]
    assert trends == sorted(trends, reverse=True)
    assert told == sorted(told, reverse=True)


def test_training_rows_handed_back_cannot_be_told_from_real_ones() -> None:
    assert c2st(TEST, TRAIN, seed=0) > 0.9
    assert c2st_strong(TRAIN, TEST, TRAIN, seed=0) > 0.95


def test_the_order_of_rows_changes_nothing() -> None:
    real, made = shuffled(TEST, 1), shuffled(apart(MORE, 4), 2)
    assert column_shapes(real, made) == column_shapes(TEST, apart(MORE, 4))
    assert pair_trends(real, made).scores == pytest.approx(pair_trends(TEST, apart(MORE, 4)).scores)
    assert c2st(real, made, seed=3) == c2st(TEST, apart(MORE, 4), seed=3)
    assert c2st_strong(shuffled(TRAIN, 3), real, made, seed=3) == c2st_strong(TRAIN, TEST, apart(MORE, 4), seed=3)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(-5, 5), st.just(float("inf"))), min_size=1, max_size=40),
    st.lists(st.one_of(st.none(), st.floats(-5, 5)), min_size=1, max_size=40),
)
def test_shapes_are_shares_and_symmetric(a: list[float | None], b: list[float | None]) -> None:
    x, y = (pa.table({"value": pa.array(values, pa.float64())}) for values in (a, b))
    found = column_shapes(x, y)["value"]
    assert 0.0 <= found <= 1.0
    assert found == pytest.approx(column_shapes(y, x)["value"])
    gap = abs(np.mean([v is None for v in a]) - np.mean([v is None for v in b]))
    assert found <= 1.0 - gap + 1e-9, "a share of missing values that differs costs at least the difference"


def test_shapes_are_the_textbook_distances() -> None:
    real = pa.table({"n": [1.0, 2.0, 3.0, 4.0], "c": ["a", "a", "b", None]})
    made = pa.table({"n": [1.0, 1.0, 3.0, 9.0], "c": ["a", "c", "c", "c"]})
    assert column_shapes(real, made) == pytest.approx({"n": 0.75, "c": 0.25})


def test_a_pair_of_numbers_is_compared_by_correlation() -> None:
    x = np.arange(100.0)
    real = pa.table({"x": x, "y": x})
    made = pa.table({"x": x, "y": -x})
    assert pair_trends(real, made).by_pair[("x", "y")] == pytest.approx(0.0)


def test_rare_levels_that_were_dropped_are_missed() -> None:
    levels = ["common"] * 1900 + [f"rare {k}" for k in range(10) for _ in range(10)]
    real = pa.table({"level": levels})
    kept = rare_coverage(real, real)
    assert (kept.levels, kept.found) == (10, 10)
    assert kept.overlap == pytest.approx(1.0)
    dropped = rare_coverage(real, pa.table({"level": ["common"] * 2000}))
    assert (dropped.found, dropped.overlap) == (0, 0.0)


def test_several_classes_and_numbers_can_be_labels() -> None:
    train = TRAIN.slice(0, 400)
    for label in ("city", "age"):
        real = utility(train, TEST, label=label, seed=0)
        assert utility(apart(train, 1), TEST, label=label, seed=0) < real - 0.1
    one_class = TEST.filter(pa.compute.equal(TEST["label"], "low"))
    assert np.isnan(utility(TRAIN, one_class, label="label", seed=0))
    assert utility(one_class, TEST, label="label", seed=0) == 0.5, "a class never seen is a guess"
