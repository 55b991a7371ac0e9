"""Reading an archive: in order of time, only what was asked for, whatever the schema was when it was written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Kind, Role, make_field, roles_of
from pipeline.errors import ConfigError, StorageUnavailableError
from pipeline.lake import SYSTEM_FIELDS, Lake

MS = pa.timestamp("ms", tz="UTC")


def write(
    lake: Lake,
    times: Sequence[int],
    *,
    first: int = 0,
    next_offset: int | None = None,
    partition: int = 0,
    columns: dict[str, Any] | None = None,
    fields: Sequence[pa.Field] | None = None,
    version: int = 1,
    row_group: int = 1000,
) -> Path:
    """One archive file whose rows have these times."""
    n = len(times)
    stream = fields or [make_field("value", Kind.NUMERIC, {Role.FEATURE})]
    values = columns or {"value": np.arange(first, first + n, dtype=float)}
    system = {
        "_partition": np.full(n, partition, np.int32),
        "_offset": np.arange(first, first + n),
        "_row": np.zeros(n, np.int32),
        "_append_time": pa.array(times, pa.int64()).cast(MS),
        "_time": pa.array(times, pa.int64()).cast(MS),
        "_schema_version": np.full(n, version, np.int32),
    }
    schema = pa.schema([*stream, *SYSTEM_FIELDS])
    end = first + n if next_offset is None else next_offset
    path = lake.real("s") / "t" / "date=2026-01-01" / f"p{partition}-{first}-{end}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema) as writer:
        writer.write_table(pa.table({**values, **system}, schema=schema), row_group_size=row_group)
        writer.add_key_value_metadata({"eddyline.schema_version": str(version)})
    return path


@given(
    partitions=st.lists(st.lists(st.integers(0, 500), min_size=1, max_size=80), min_size=1, max_size=3),
    window=st.integers(1, 60),
    bounds=st.tuples(st.none() | st.integers(0, 500), st.none() | st.integers(0, 500)),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_times_come_back_in_order_and_once(
    tmp_path_factory: pytest.TempPathFactory,
    partitions: list[list[int]],
    window: int,
    bounds: tuple[int | None, int | None],
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for number, times in enumerate(partitions):
        write(lake, times, partition=number, row_group=7)
    start, end = bounds
    batches = list(lake.iterate_real("s", start_ms=start, end_ms=end, window_rows=window))
    seen = [
        (t.value // 1_000_000 if hasattr(t, "value") else int(t.timestamp() * 1000 + 0.5), p, o)
        for b in batches
        for t, p, o in zip(b["_time"].to_pylist(), b["_partition"].to_pylist(), b["_offset"].to_pylist(), strict=True)
    ]
    low, high = (0 if start is None else start), (501 if end is None else end)
    expected = sorted((t, p, o) for p, times in enumerate(partitions) for o, t in enumerate(times) if low <= t < high)
    assert seen == expected


def test_only_the_window_asked_for_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten files of ten row groups: a second of one day costs two of them."""
    lake = Lake(tmp_path)
    day = 86_400_000
    for number in range(10):
        write(lake, list(range(number * day, number * day + 5000)), first=number * 5000, row_group=500)
    reads: list[int] = []
    original = pq.ParquetFile.read_row_group

    def counted(self: pq.ParquetFile, index: int, **options: Any) -> pa.Table:
        reads.append(index)
        return original(self, index, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    table = lake.read_real("s", start_ms=4 * day, end_ms=4 * day + 1000, columns=["value"])
    assert table.num_rows == 1000
    assert table.column_names == ["value"]
    assert len(reads) == 2


def test_late_events_do_not_make_a_window_large(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    times = np.arange(50_000) * 1000
    times[::1000] = 5
    write(lake, times.tolist(), row_group=1000)
    sizes = [batch.num_rows for batch in lake.iterate_real("s", window_rows=5_000)]
    assert sum(sizes) == 50_000
    assert max(sizes) <= 7_500


def test_a_file_whose_range_lies_within_anothers_is_ignored(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    write(lake, [1, 2, 3], first=0)
    write(lake, [1, 2, 3, 4, 5, 6], first=0)
    write(lake, [4, 5], first=3)
    assert lake.read_real("s")["_offset"].to_pylist() == [0, 1, 2, 3, 4, 5]


def test_columns_added_and_dropped_are_null_where_absent(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    a, b = make_field("a", Kind.NUMERIC, {Role.FEATURE}), make_field("b", Kind.CATEGORICAL, {Role.KEY})
    write(lake, [1, 2], fields=[a], columns={"a": [1.0, 2.0]})
    write(lake, [3], first=2, fields=[b], columns={"b": ["x"]}, version=2)
    table = lake.read_real("s")
    assert table["a"].to_pylist() == [1.0, 2.0, None]
    assert table["b"].to_pylist() == [None, None, "x"]
    assert roles_of(table.schema.field("b")) == {Role.KEY}


@pytest.mark.parametrize(
    ("older", "newer", "unified"),
    [
        (pa.int64(), pa.float64(), pa.float64()),
        (pa.int64(), pa.string(), pa.string()),
        (pa.bool_(), pa.string(), pa.string()),
    ],
)
def test_a_column_that_changed_its_type_is_read_as_one_that_holds_both(
    tmp_path: Path, older: pa.DataType, newer: pa.DataType, unified: pa.DataType
) -> None:
    lake = Lake(tmp_path)
    write(lake, [1], fields=[pa.field("c", older)], columns={"c": pa.array([1]).cast(older)})
    write(lake, [2], first=1, fields=[pa.field("c", newer)], columns={"c": pa.array([2]).cast(newer)}, version=2)
    table = lake.read_real("s", columns=["c"])
    assert table.schema.field("c").type == unified
    assert table["c"].null_count == 0


def test_a_column_nobody_has_is_an_error_that_names_those_there_are(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    write(lake, [1])
    with pytest.raises(ConfigError, match=r"no column 'price'; it has value, _partition"):
        lake.read_real("s", columns=["price"])


def test_an_empty_archive_reads_as_an_empty_table(tmp_path: Path) -> None:
    assert Lake(tmp_path).read_real("s").num_rows == 0
    assert Lake(tmp_path).read_real("s", columns=["value"]).column_names == ["value"]


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    path = write(lake, list(range(100)))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StorageUnavailableError, match=path.name):
        lake.read_real("s")


def test_schema_versions_are_given_once_and_remembered(tmp_path: Path) -> None:
    ledger = Lake(tmp_path).ledger("s")
    one, two = pa.schema([make_field("a", Kind.NUMERIC)]), pa.schema([make_field("a", Kind.CATEGORICAL)])
    assert [ledger.schema_version(s) for s in (one, two, one)] == [1, 2, 1]
    assert Lake(tmp_path).ledger("s").schemas()[2].equals(two, check_metadata=True)


def test_a_high_water_mark_never_sinks(tmp_path: Path) -> None:
    ledger = Lake(tmp_path).ledger("s")
    ledger.raise_high_water("t", 0, 10, file="a")
    ledger.raise_high_water("t", 0, 5, file="b")
    assert ledger.high_water("t", 0) == 10
    assert ledger.high_water("other", 0) is None
