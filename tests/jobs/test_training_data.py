"""What is learned from and what is held out: split in time, sampled evenly, grouped as alerts are."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Kind, Role
from pipeline.config import BudgetSpec, ColumnSpec, DetectorSpec, StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs import split as split_module
from pipeline.jobs.row_sample import RowSample
from pipeline.jobs.split import split_at
from pipeline.jobs.training_data import TrainingData, empty_features, groups_of, training_columns
from tests.jobs.archived import Archived

SPEC = StreamSpec(
    stream="s",
    topic="s",
    columns=(
        ColumnSpec(name="who", kind=Kind.TEXT, roles=frozenset({Role.KEY})),
        ColumnSpec(name="x", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
        ColumnSpec(name="y", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
        ColumnSpec(name="label", kind=Kind.BOOLEAN, roles=frozenset({Role.LABEL})),
    ),
    budget=BudgetSpec(alerts_per_day=5.0),
)


def archive(rows: int, *, empty: tuple[str, ...] = (), step_ms: int = 1000) -> pa.Table:
    columns = {
        "who": pa.array([None if i % 5 == 4 else f"k{i % 5}" for i in range(rows)], pa.string()),
        "x": pa.array(np.arange(rows, dtype=np.float64)),
        "y": pa.array(np.arange(rows, dtype=np.float64)),
        "_partition": pa.array([i % 2 for i in range(rows)], pa.int32()),
        "_time": pa.array([i * step_ms for i in range(rows)], pa.timestamp("ms", tz="UTC")),
    }
    return pa.table({n: pa.nulls(rows, c.type) if n in empty else c for n, c in columns.items()})


def held_out(data: TrainingData) -> list[float]:
    return sorted(x for rows in data.held_out() for x in rows.batch["x"].to_pylist())


def test_the_held_out_part_is_the_newest_quarter_and_nothing_is_in_both() -> None:
    data = TrainingData(SPEC, Archived(archive(1000), batch_rows=37))
    fit = data.fit_sample()
    assert fit["x"].to_pylist() == list(range(750))
    assert held_out(data) == list(range(750, 1000))
    assert all((rows.times_ms == rows.batch["x"].to_numpy() * 1000).all() for rows in data.held_out())
    assert (data.split.start_ms, data.split.end_ms, data.split.rows) == (0, 999_000, 1000)
    assert fit.schema.equals(SPEC.schema(), check_metadata=True)


@pytest.mark.parametrize("step_ms", [0, 1])
def test_rows_of_one_moment_are_shared_out_too(step_ms: int) -> None:
    data = TrainingData(SPEC, Archived(archive(1000, step_ms=step_ms), batch_rows=41))
    fitted = data.fit_sample()["x"].to_pylist()
    assert len(fitted) == 750
    assert sorted(fitted + held_out(data)) == list(range(1000))


def test_beyond_the_most_rows_the_fit_is_an_even_sample_of_all_and_calibration_has_every_row() -> None:
    spec = SPEC.model_copy(update={"detector": DetectorSpec(max_rows=600)})
    data = TrainingData(spec, Archived(archive(8000), batch_rows=333), seed=3)
    fitted = np.array(data.fit_sample()["x"].to_pylist())
    assert len(fitted) == len(set(fitted)) == 600
    assert (np.diff(fitted) > 0).all()
    assert data.fit_part_rows == 6000
    thirds = np.histogram(fitted, bins=3, range=(0, 6000))[0]
    assert thirds.min() > 150
    assert len(held_out(data)) == 2000


@settings(max_examples=25, derandomize=True, deadline=None)
@given(rows=st.integers(1, 400), most=st.integers(1, 120), cuts=st.lists(st.integers(1, 90), min_size=1, max_size=9))
def test_a_sample_does_not_depend_on_the_batches(rows: int, most: int, cuts: list[int]) -> None:
    table = archive(rows)
    [whole] = table.combine_chunks().to_batches()
    times = np.arange(rows, dtype=np.int64)[::-1].copy()
    one, many = RowSample(most, seed=1), RowSample(most, seed=1)
    one.offer(whole, times)
    start = 0
    while start < rows:
        size = cuts[start % len(cuts)]
        many.offer(whole.slice(start, size), times[start : start + size])
        start += size
    first, second = one.table(whole.schema), many.table(whole.schema)
    assert first.equals(second)
    assert first.num_rows == min(rows, most)
    assert (np.diff(first["x"].to_numpy()) < 0).all(), "in order of time"


def test_times_beyond_what_is_kept_move_the_split_by_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.random.default_rng(0).permutation(100_000).astype(np.int64)
    monkeypatch.setattr(split_module, "MOST_TIMES", 5_000)
    found = split_at(np.array_split(times, 77), share=0.25)
    assert found is not None
    assert (found.rows, found.start_ms, found.end_ms) == (100_000, 0, 99_999)
    assert found.cut_ms == pytest.approx(75_000, abs=1_500)


def test_groups_are_partition_and_key_with_rows_without_a_key_in_one_of_their_own() -> None:
    [batch] = archive(100).combine_chunks().to_batches()
    groups = [*groups_of(batch, "t/0", SPEC).tolist(), *groups_of(batch, "t/1", SPEC).tolist()]
    names = [(partition, who) for partition in "01" for who in batch["who"].to_pylist()]
    assert len(set(groups)) == len(set(names)) == 10
    assert len(set(zip(groups, names, strict=True))) == 10


def test_labels_are_not_even_read() -> None:
    assert training_columns(SPEC) == ["x", "y", "who"]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (None, "eddyline archive"),
        (archive(0), "eddyline archive"),
        (archive(20), "20 archived rows are too few"),
    ],
)
def test_an_archive_that_cannot_be_learned_from_says_what_to_do(table: pa.Table | None, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        TrainingData(SPEC, Archived(table))


def test_a_feature_without_values_is_named_and_all_of_them_refused() -> None:
    assert empty_features(TrainingData(SPEC, Archived(archive(1000, empty=("y",)))).fit_sample(), "s") == ("y",)
    with pytest.raises(ConfigError, match="every feature"):
        empty_features(TrainingData(SPEC, Archived(archive(1000, empty=("x", "y")))).fit_sample(), "s")
