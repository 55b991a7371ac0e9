"""The parts whose errors would not show in a sample: clocks, recency, pieces, pools, names."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Kind, Role, make_field
from synth.streams.clock import hour_of_week, log_ticks, moments_of, steps_of, tick_of
from synth.streams.histories import codes, histories_of
from synth.streams.names import Names
from synth.streams.pieces import curves_of, pieces_of, plan_of
from synth.streams.pools import LEAST_KEYS, pool_of
from synth.streams.recency import NEW, RecentLevels, ranks_of
from tests.synth.streams.payments import DAY_US, payments

PROPERTY = settings(max_examples=40, derandomize=True, deadline=None)


@PROPERTY
@given(st.integers(0, 2**40), st.integers(0, 40 * 86_400))
def test_a_step_leads_where_it_came_from(begin_seconds: int, gap_seconds: int) -> None:
    before = np.array([begin_seconds * 1_000_000])
    after = before + gap_seconds * 1_000_000
    back, useful = moments_of(before, steps_of(before, after, tick_us=1_000_000), tick_us=1_000_000)
    assert useful.all()
    assert abs(int(back[0] - after[0])) <= max(1_000_000, gap_seconds)


def test_the_tick_is_the_coarsest_unit_that_fits() -> None:
    assert tick_of(np.array([DAY_US, 3 * DAY_US])) == DAY_US
    assert tick_of(np.array([60_000_000, 0])) == 60_000_000
    assert tick_of(np.array([1_500])) == 1
    assert log_ticks(np.array([0.0]), 1_000)[0] == 0.0


def test_the_week_begins_on_monday() -> None:
    assert hour_of_week(np.array([1_767_571_200_000_000 + 3_600_000_000]))[0] == 1


@PROPERTY
@given(st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_ranks_say_which_level_came_again(levels: list[int]) -> None:
    """Drawing by the ranks gives the levels back."""
    level_N = np.array(levels)
    rank_N, distinct_N = ranks_of(level_N, np.array([0]), np.array([len(levels)]), places=12)
    recent = RecentLevels(1, places=12)
    for rank, level, distinct in zip(rank_N, level_N, distinct_N, strict=True):
        assert distinct == recent.distinct_E[0]
        recalled = recent.recalled(np.array([float(rank)]))[0]
        assert recalled == (NEW if rank == NEW else level)
        recent.use(np.array([level]))


def test_what_was_used_too_long_ago_is_neither_new_nor_known_by_place() -> None:
    rank_N, _ = ranks_of(np.array([0, 1, 2, 0]), np.array([0]), np.array([4]), places=2)
    assert rank_N.tolist() == [NEW, NEW, NEW, 2]


def test_pieces_keep_every_event_in_place() -> None:
    histories = histories_of(payments(20), key="customer", time="at")
    pieces = pieces_of(histories, 3)
    assert pieces.histories.count_K.sum() == histories.count_K.sum()
    assert pieces.histories.count_K.max() == 3
    assert np.array_equal(pieces.offset_S + histories.begin_K[pieces.key_S], pieces.histories.begin_K)


def test_a_plan_draws_what_is_wanted_within_each_life() -> None:
    count_E, wanted_E = np.array([10, 1, 7]), np.array([10, 1, 2])
    first_E, span_E = np.array([0, 5, 100]), np.array([900, 0, 60])
    histories = histories_of(payments(30), key="customer", time="at")
    plan = plan_of(
        first_E, span_E, count_E, wanted_E, longest=4, curve_CQ=curves_of(histories, 4, seed=0),
        rng=np.random.default_rng(0),
    )  # fmt: skip
    assert np.array_equal(np.bincount(plan.entity_S, weights=plan.stop_S), wanted_E)
    assert np.all(np.diff(plan.stop_S) <= 0)
    assert np.all(plan.first_us_S >= first_E[plan.entity_S])
    assert np.all(plan.last_us_S <= (first_E + span_E)[plan.entity_S])


def test_a_set_of_references_that_one_key_alone_has_is_not_kept() -> None:
    key_N = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    level_N = np.array([0, 1, 0, 1, 2, 3, 2, 4])
    pool = pool_of(level_N, key_N, levels=5, seed=0)
    assert pool.keys_V.tolist() == [2, 2, 2, 0, 0], f"names that fewer than {LEAST_KEYS} keys use are not given out"
    assert pool.neighbour_M.tolist() == [1, 0], "2 is shared by two keys, but with nothing that both use"
    rng = np.random.default_rng(0)
    assert set(pool.seeds(200, rng).tolist()) == {0, 1, 2}
    near = pool.new(np.zeros(200, dtype=np.int64), np.full((200, 4), 0, dtype=np.int32), rng)
    assert set(near.tolist()) == {1}


@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.int32(), pa.large_string()])
def test_names_keep_their_type_and_never_repeat(kind: pa.DataType) -> None:
    field = make_field("k", Kind.TEXT, [Role.KEY], arrow_type=kind)
    real = pa.chunked_array([pa.array([str(1_000 + n) for n in range(50)]).cast(kind)])
    names = Names.of(real, field, seed=1)
    made = Names.from_document(names.document()).named(np.arange(500))
    assert made.type == kind
    assert len(set(made.to_pylist())) == 500
    assert not set(made.to_pylist()) & set(real.to_pylist())


def test_codes_follow_the_order_of_values_with_missing_ones_last() -> None:
    assert codes(pa.chunked_array([["b", None, "a"]])).tolist() == [1, 2, 0]
    assert codes(pa.chunked_array([pa.array(["b", "a"]).dictionary_encode()])).tolist() == [1, 0]
    assert codes(pa.chunked_array([[True, False]])).tolist() == [1, 0]
    assert codes(pa.chunked_array([pa.nulls(2)])).tolist() == [0, 0]
