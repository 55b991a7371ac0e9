"""Numbers as classes and back: a user would lose a bound, a grid, a frequency, or the privacy of a rare value."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.codec.numbers import NumberCodec
from synth.conditions import Condition, Operator
from synth.errors import ImpossibleConditionsError


def fit(values: pa.Array, *, bins: int = 20, most_points: int = 50) -> NumberCodec:
    return NumberCodec.fit(
        "x", values, bins=bins, most_points=most_points, own_share=0.5, least_range_rows=20, least_rows=5
    )


def drawn(codec: NumberCodec, values: pa.Array, *, seed: int = 0) -> pa.Array:
    return codec.decode(codec.encode(values), np.random.default_rng(seed))


def asked(operator: Operator, *values: str) -> Condition:
    return Condition(column="x", operator=operator, values=values)


wide = pa.array(np.round(np.exp(np.random.default_rng(0).normal(3, 1, 4_000)), 2))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.none(), st.integers(-1_000, 1_000)), min_size=1, max_size=300))
def test_integers_come_back_as_integers_within_their_range_and_missing_where_they_were(
    values: list[int | None],
) -> None:
    array = pa.array(values, pa.int64())
    back = drawn(fit(array), array)
    assert back.type == pa.int64()
    assert back.is_null().equals(array.is_null())
    known = [value for value in values if value is not None]
    assert all(min(known) <= value <= max(known) for value in back.to_pylist() if value is not None)


def test_frequent_values_come_back_exactly() -> None:
    values = pa.array([0.0] * 500 + np.random.default_rng(1).normal(50, 9, 500).tolist())
    back = drawn(fit(values), values).to_numpy()
    assert (back[:500] == 0.0).all()
    assert (back[500:] != 0.0).all()


def test_the_distribution_and_the_grid_of_cents_are_kept() -> None:
    back = drawn(fit(wide), wide).to_numpy()
    np.testing.assert_allclose(back * 100, np.round(back * 100), atol=1e-6)
    levels = [0.01, 0.1, 0.5, 0.9, 0.99]
    np.testing.assert_allclose(np.quantile(back, levels), np.quantile(wide.to_numpy(), levels), rtol=0.1)


def test_values_that_few_rows_had_are_not_handed_out() -> None:
    values = np.random.default_rng(2).normal(0.0, 1.0, 3_000)  # no grid: every value is one row's
    back = drawn(fit(pa.array(values)), pa.array(values)).to_numpy()
    assert not np.isin(back, values).any()
    assert back.min() > values.min()
    assert back.max() < values.max()


@pytest.mark.parametrize(
    ("operator", "bound"),
    [(Operator.GREATER, 25.5), (Operator.AT_LEAST, 20.0), (Operator.LESS, 4.0), (Operator.AT_MOST, 3.99)],
)
def test_a_bound_leaves_its_share_and_holds_in_every_draw(operator: Operator, bound: float) -> None:
    codec, values = fit(wide), wide.to_numpy()
    allowed = codec.allowed(asked(operator, str(bound)))
    holds = {
        Operator.GREATER: np.greater, Operator.AT_LEAST: np.greater_equal, Operator.LESS: np.less,
        Operator.AT_MOST: np.less_equal,
    }[operator]  # fmt: skip
    share = float(allowed.weight_K @ codec.counts_K / codec.counts_K.sum())
    assert share == pytest.approx(holds(values, bound).mean(), abs=0.02)
    codes = np.flatnonzero(allowed.weight_K > 0).repeat(200).astype(np.int32)
    made = codec.decode(codes, np.random.default_rng(3), allowed).to_numpy()
    assert holds(made, bound).all()


def test_equal_to_a_rare_value_is_drawn_exactly_and_null_means_missing() -> None:
    values = pa.array([None] * 100 + np.arange(2_000).tolist(), pa.int64())
    codec = fit(values)
    allowed = codec.allowed(asked(Operator.EQUAL, "777"))
    [code] = np.flatnonzero(allowed.weight_K)
    assert set(codec.decode(np.full(50, code, np.int32), np.random.default_rng(0), allowed).to_pylist()) == {777}
    missing = codec.allowed(asked(Operator.EQUAL, "null")).weight_K
    assert missing[-1] == 1.0
    assert missing[:-1].sum() == 0.0


def test_missing_where_it_never_was_and_texts_for_numbers_are_refused() -> None:
    with pytest.raises(ImpossibleConditionsError, match="never missing"):
        fit(wide).encode(pa.array([None], pa.float64()))
    with pytest.raises(ImpossibleConditionsError, match="not a number"):
        fit(wide).allowed(asked(Operator.GREATER, "many"))


@pytest.mark.parametrize("values", [[], [None, None], [7], [float("nan"), float("inf"), 1.0]])
def test_next_to_nothing_is_encoded_all_the_same(values: list[float | None]) -> None:
    array = pa.array(values, pa.float64())
    assert len(drawn(fit(array), array)) == len(values)


def test_a_document_describes_it_wholly() -> None:
    codec = fit(pa.array([None, 5.5, *wide.to_pylist()]))
    again = NumberCodec.from_document("x", codec.document())
    assert drawn(again, wide, seed=4).equals(drawn(codec, wide, seed=4))
    assert again.document() == codec.document()
