"""What is learned from and what is held out: the newest rows, split in time, grouped as alerts are."""

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role
from pipeline.config import BudgetSpec, ColumnSpec, StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.training_data import groups_of, newest_rows, split, training_columns

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


def archive(rows: int, *, empty: tuple[str, ...] = ()) -> pa.Table:
    columns = {
        "who": pa.array([None if i % 5 == 4 else f"k{i % 5}" for i in range(rows)], pa.string()),
        "x": pa.array(np.arange(rows, dtype=np.float64)),
        "y": pa.array(np.arange(rows, dtype=np.float64)),
        "_partition": pa.array([i % 2 for i in range(rows)], pa.int32()),
        "_time": pa.array([i * 1000 for i in range(rows)], pa.timestamp("ms", tz="UTC")),
    }
    return pa.table({n: pa.nulls(rows, c.type) if n in empty else c for n, c in columns.items()})


def test_the_held_out_part_is_the_newest_quarter_and_nothing_is_in_both() -> None:
    data = split(archive(1000), SPEC)
    assert data.fit["x"].to_pylist() == list(range(750))
    assert data.calibration["x"].to_pylist() == list(range(750, 1000))
    assert data.calibration_times_ms.tolist() == [i * 1000 for i in range(750, 1000)]
    assert (data.start_ms, data.end_ms, data.rows) == (0, 999_000, 1000)
    assert data.fit.schema.equals(SPEC.schema(), check_metadata=True)


def test_groups_are_partition_and_key_with_rows_without_a_key_in_one_of_their_own() -> None:
    table = archive(100)
    groups = groups_of(table, SPEC)
    names = list(zip(table["_partition"].to_pylist(), table["who"].to_pylist(), strict=True))
    assert len(set(groups.tolist())) == len(set(names)) == 10
    assert len({(g, n) for g, n in zip(groups.tolist(), names, strict=True)}) == 10


def test_labels_are_not_even_read() -> None:
    assert training_columns(SPEC) == ["x", "y", "who", "_partition", "_time"]


@pytest.mark.parametrize("most", [1, 7, 50, 64, 1000])
def test_only_the_newest_rows_are_kept(most: int) -> None:
    batches = archive(100).to_batches(max_chunksize=9)
    kept = newest_rows(iter(batches), most)
    assert kept is not None
    assert kept["x"].to_pylist() == list(range(100))[-most:]
    assert newest_rows([], most) is None


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (None, "eddyline archive"),
        (archive(0), "eddyline archive"),
        (archive(20), "20 archived rows are too few"),
        (archive(1000, empty=("x", "y")), "every feature"),
    ],
)
def test_an_archive_that_cannot_be_learned_from_says_what_to_do(table: pa.Table | None, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        split(table, SPEC)


def test_a_feature_without_values_is_named() -> None:
    assert split(archive(1000, empty=("y",)), SPEC).empty_features == ("y",)
