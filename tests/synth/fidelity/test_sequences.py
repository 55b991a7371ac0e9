"""Sequence measures: what is the same scores high, what is broken in one way scores low where it should."""

import json

import numpy as np
import pyarrow as pa
import pytest

from detectors.errors import UnusableDataError
from synth.fidelity.history_views import burstiness
from synth.fidelity.sequences import SequenceFidelity, sequence_measures
from synth.streams.histories import histories_of
from tests.synth.streams.payments import DAY_US, SCHEMA, payments


@pytest.fixture(scope="module")
def real() -> pa.Table:
    return payments(200)


def renamed(table: pa.Table) -> pa.Table:
    """The same events of keys with other names."""
    keys = pa.array([f"z{name}" for name in table["customer"].to_pylist()])
    return table.set_column(table.column_names.index("customer"), SCHEMA.field("customer"), keys)


def measured(real: pa.Table, synthetic: pa.Table) -> SequenceFidelity:
    return sequence_measures(real, synthetic, key="customer", time="at", seed=3)


@pytest.fixture(scope="module")
def alike(real: pa.Table) -> SequenceFidelity:
    """Another draw of the same process, scored as if it were synthetic."""
    return measured(real, renamed(payments(200, seed=9)))


def with_times(table: pa.Table, time_us: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Table:
    at = pa.array(time_us).cast(pa.timestamp("us", tz="UTC"))
    return table.set_column(table.column_names.index("at"), SCHEMA.field("at"), at)


def test_the_same_process_reaches_its_ceiling(alike: SequenceFidelity) -> None:
    for name in ("gaps", "key_gaps", "burstiness", "lengths", "rhythm"):
        score = getattr(alike, name)
        assert score.value == pytest.approx(score.ceiling, abs=0.12), name
    assert alike.transitions["step"].value > 0.95
    assert alike.histories.value > 0.6
    assert alike.shared_keys == 0.0


def test_floors_lie_below_where_order_matters(alike: SequenceFidelity) -> None:
    assert alike.transitions["step"].floor < 0.6
    assert alike.histories.floor < 0.3
    assert alike.returns["shop"].floor < alike.returns["shop"].ceiling - 0.1
    assert alike.lengths.floor == alike.lengths.ceiling, "shuffled keys are as frequent as they were"


def test_intervals_hold_the_value(alike: SequenceFidelity) -> None:
    for score in (alike.gaps, alike.rhythm, alike.transitions["step"], alike.autocorrelation["amount"]):
        assert 0.0 <= score.low <= score.value <= score.high <= 1.0


def test_events_bunched_together_show_in_gaps_and_not_in_transitions(real: pa.Table) -> None:
    times = np.array(real["at"].cast(pa.int64()))
    found = measured(real, renamed(with_times(real, times // DAY_US * DAY_US + times % DAY_US // 600)))
    assert found.gaps.value < found.gaps.ceiling - 0.1
    assert found.rhythm.value < 0.3
    assert found.transitions["step"].value > 0.95


def test_steps_in_another_order_show_in_transitions_alone(real: pa.Table) -> None:
    g = np.random.default_rng(0)
    steps = real["step"].take(pa.array(g.permutation(real.num_rows)))
    found = measured(real, renamed(real.set_column(real.column_names.index("step"), SCHEMA.field("step"), steps)))
    assert found.transitions["step"].value < 0.6
    assert found.gaps.value > 0.9
    assert found.histories.value < 0.5


def test_training_keys_and_their_attributes_are_counted(real: pa.Table) -> None:
    found = measured(real, real)
    assert found.shared_keys == 1.0
    assert found.shared_attributes == pytest.approx(1.0)


def test_measures_do_not_depend_on_the_order_of_rows(real: pa.Table) -> None:
    other = renamed(payments(200, seed=9))
    shuffled = [t.take(pa.array(np.random.default_rng(1).permutation(t.num_rows))) for t in (real, other)]
    assert measured(*shuffled).gaps == measured(real, other).gaps


def test_a_document_says_everything(alike: SequenceFidelity) -> None:
    document = json.loads(json.dumps(alike.document()))
    again = SequenceFidelity.from_document(document)
    assert again.document() == alike.document()
    assert again.transitions == alike.transitions


def test_burstiness_of_a_clock_and_of_bursts() -> None:
    """−1 for equal gaps, near 1 for one long gap among many short ones; NaN where it means nothing."""
    gaps = np.array([5.0] * 10 + [0.0] * 99 + [1e6] + [3.0])
    keys = np.repeat([0, 1, 2], [10, 100, 1])
    found = burstiness(gaps, keys, 3)
    assert found[0] == pytest.approx(-1.0)
    assert found[1] > 0.8
    assert np.isnan(found[2])


@pytest.mark.parametrize("keys", [1, 2, 3])
def test_few_keys_and_short_histories_are_measured_as_far_as_they_go(keys: int) -> None:
    table = payments(keys)
    first = histories_of(table, key="customer", time="at")
    single = first.table.take(pa.array(first.begin_K))
    for one in (table, single):
        found = measured(one, renamed(one))
        assert json.dumps(found.document())
        assert np.isnan(found.histories.value)


def test_missing_values_and_ties_are_no_obstacle(real: pa.Table) -> None:
    nothing = pa.nulls(real.num_rows, pa.float64())
    bare = real.set_column(real.column_names.index("amount"), SCHEMA.field("amount"), nothing)
    at_once = with_times(bare, np.full(real.num_rows, DAY_US))
    found = measured(at_once, renamed(at_once))
    assert found.gaps.value == 1.0
    assert np.isnan(found.autocorrelation["amount"].value)
    assert np.isnan(found.burstiness.value)


def test_a_table_without_the_key_is_refused(real: pa.Table) -> None:
    with pytest.raises(UnusableDataError, match="no column 'nobody'"):
        sequence_measures(real, real, key="nobody", time="at", seed=0)
