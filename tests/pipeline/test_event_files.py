"""Files of events: any file's values under the spec's types, in order, or an error that names the column."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from detectors.columns import Kind, Role
from pipeline.config import BudgetSpec, ColumnSpec, StreamSpec, TimeUnit
from pipeline.errors import ConfigError
from pipeline.event_files import EventFile


def spec_with(unit: TimeUnit = TimeUnit.ISO8601) -> StreamSpec:
    return StreamSpec(
        stream="s",
        topic="s",
        columns=(
            ColumnSpec(name="at", kind=Kind.TIME, roles=frozenset({Role.TIME}), unit=unit),
            ColumnSpec(name="amount", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
            ColumnSpec(name="shop", kind=Kind.CATEGORICAL, roles=frozenset({Role.FEATURE})),
            ColumnSpec(name="ok", kind=Kind.BOOLEAN),
            ColumnSpec(name="absent", kind=Kind.TEXT),
        ),
        budget=BudgetSpec(alerts_per_day=5.0),
    )


SECOND = 1_700_000_000
TABLE = pa.table(
    {
        "shop": pa.array(["a", None, "b"]).dictionary_encode(),
        "at": pa.array([SECOND * 10**9 + i for i in range(3)], pa.timestamp("ns")),
        "amount": pa.array([1, 2, 3], pa.int32()),
        "ok": pa.array([True, False, None]),
        "extra": [1, 2, 3],
    }
)


def read(path: Path, spec: StreamSpec | None, limit: int | None = None) -> pa.Table:
    file = EventFile.open(path, spec)
    return pa.Table.from_batches(list(file.batches(limit=limit)), schema=file.schema)


def test_parquet_and_csv_say_the_same_under_a_spec(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "f.parquet")
    plain = TABLE.set_column(0, "shop", TABLE["shop"].cast(pa.string()))
    pyarrow.csv.write_csv(plain, tmp_path / "f.csv")
    from_parquet, from_csv = read(tmp_path / "f.parquet", spec_with()), read(tmp_path / "f.csv", spec_with())
    assert from_parquet.schema.equals(spec_with().schema())
    assert from_parquet.equals(from_csv)
    assert from_parquet["absent"].null_count == 3
    assert from_parquet["at"].cast(pa.int64()).to_pylist() == [SECOND * 10**6] * 3


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        (TimeUnit.SECONDS, [float(SECOND)]),
        (TimeUnit.MILLISECONDS, [SECOND * 1000]),
        (TimeUnit.MICROSECONDS, [SECOND * 10**6]),
        (TimeUnit.ISO8601, ["2023-11-14T22:13:20Z"]),
        (TimeUnit.ISO8601, ["2023-11-14T23:13:20+01:00"]),
        (TimeUnit.ISO8601, ["2023-11-14 22:13:20"]),
    ],
)
def test_every_way_to_write_a_moment_is_read(tmp_path: Path, unit: TimeUnit, values: list[object]) -> None:
    table = pa.table({"at": values, "amount": [1.0]})
    pq.write_table(table, tmp_path / "f.parquet")
    pyarrow.csv.write_csv(table, tmp_path / "f.csv")
    for name in ("f.parquet", "f.csv"):
        assert read(tmp_path / name, spec_with(unit))["at"].cast(pa.int64()).to_pylist() == [SECOND * 10**6]


def test_without_a_spec_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "f.parquet")
    assert read(tmp_path / "f.parquet", None).column_names == TABLE.column_names
    assert EventFile.open(tmp_path / "f.parquet").rows == 3


def test_a_limit_and_many_row_groups_keep_order(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(100)}), tmp_path / "f.parquet", row_group_size=7)
    assert read(tmp_path / "f.parquet", None, limit=52)["n"].to_pylist() == list(range(52))
    assert read(tmp_path / "f.parquet", None, limit=0).num_rows == 0


def test_numbers_that_are_not_finite_are_missing(tmp_path: Path) -> None:
    pq.write_table(pa.table({"amount": [1.0, float("nan"), float("inf")]}), tmp_path / "f.parquet")
    assert read(tmp_path / "f.parquet", spec_with())["amount"].to_pylist() == [1.0, None, None]


def test_errors_name_the_file_or_the_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file"):
        EventFile.open(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(ConfigError, match=r"bad\.parquet cannot be read"):
        EventFile.open(tmp_path / "bad.parquet")
    pq.write_table(pa.table({"other": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ConfigError, match="none of the columns"):
        EventFile.open(tmp_path / "other.parquet", spec_with())
    pq.write_table(pa.table({"amount": ["many"]}), tmp_path / "text.parquet")
    with pytest.raises(ConfigError, match="column 'amount'"):
        read(tmp_path / "text.parquet", spec_with())
