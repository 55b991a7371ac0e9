"""What is learned from: the rows asked for, the same when read again, whatever happened beside them; hopeless ones are
refused before anything is trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Kind, Role, kind_of, make_field, roles_of
from pipeline.errors import ConfigError
from pipeline.lake import Lake
from pipeline.synthesis.columns import Roles
from pipeline.synthesis.fingerprint import fingerprint
from pipeline.synthesis.key_sample import KeySample
from pipeline.synthesis.source import SourceRequest, SourceRows, read_again, read_source
from pipeline.synthesis.split import halves
from tests.pipeline.archive.bench import number_spec
from tests.pipeline.lake.test_reader import write

SPEC = number_spec().model_copy(update={"stream": "s"})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def written(folder: Path, columns: dict[str, Any], name: str = "rows.parquet") -> str:
    pq.write_table(pa.table(columns), folder / name)
    return str(folder / name)


def read(lake: Lake, file: str, **asked: Any) -> SourceRows:
    roles = {name: asked.pop(name) for name in ("label", "key", "time") if name in asked}
    request = SourceRequest(name="rows", file=file, roles=Roles(**roles), **asked)
    return read_source(request, lake=lake, spec=None)


def people(rows: int = 300) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        "age": rng.integers(18, 90, rows),
        "income": rng.choice(["high", "low"], rows),
        "email": [f"someone{n}@example.org" for n in range(rows)],
        "host": [f"10.0.{n % 7}.{n % 200}" for n in range(rows)],
    }


# -- an archive ------------------------------------------------------------------------------------------------------


def test_events_archived_later_change_nothing_of_what_was_learned(lake: Lake) -> None:
    write(lake, range(0, 600))
    found = read_source(SourceRequest(name="s"), lake=lake, spec=SPEC)
    assert found.document["window"] == {"start_ms": 0, "end_ms": 600}
    write(lake, [*range(600, 700), 300, 301], first=600)
    assert read_again(found.document, lake=lake).equals(found.table)


def test_the_same_rows_in_other_files_are_the_same_rows(lake: Lake) -> None:
    first, second = write(lake, range(0, 300)), write(lake, range(300, 600), first=300)
    found = read_source(SourceRequest(name="s"), lake=lake, spec=SPEC)
    first.unlink()
    second.unlink()
    write(lake, range(0, 600))
    assert read_again(found.document, lake=lake).equals(found.table)


def test_rows_that_are_gone_or_changed_are_not_measured_against(lake: Lake) -> None:
    path = write(lake, range(0, 600))
    found = read_source(SourceRequest(name="s"), lake=lake, spec=SPEC)
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read again: nothing of stream 's' is archived"):
        read_again(found.document, lake=lake)
    write(lake, range(0, 600), columns={"value": np.arange(600.0) + 1.0})
    with pytest.raises(ConfigError, match=r"no longer gives the rows .* train again"):
        read_again(found.document, lake=lake)


def test_a_window_and_a_sample_are_what_was_asked_for(lake: Lake) -> None:
    write(lake, range(0, 1_000))
    request = SourceRequest(name="s", start_ms=200, end_ms=800, most_rows=150, seed=3)
    found = read_source(request, lake=lake, spec=SPEC)
    values = found.table["value"].to_numpy()
    assert len(values) == 150
    assert values.min() >= 200
    assert values.max() < 800
    assert (np.diff(values) > 0).all(), "in order of time"
    assert found.document["rows_offered"] == 600
    assert read_again(found.document, lake=lake).equals(found.table)


def test_no_archive_and_an_empty_window_are_said(lake: Lake) -> None:
    with pytest.raises(ConfigError, match="eddyline archive s"):
        read_source(SourceRequest(name="s"), lake=lake, spec=SPEC)
    write(lake, range(0, 600))
    with pytest.raises(ConfigError, match="widen --from and --to"):
        read_source(SourceRequest(name="s", start_ms=10_000, end_ms=20_000), lake=lake, spec=SPEC)


# -- a file ----------------------------------------------------------------------------------------------------------


def test_a_plain_file_gets_kinds_and_people_are_noticed(lake: Lake, tmp_path: Path) -> None:
    found = read(lake, written(tmp_path, people()), label="income")
    schema = found.table.schema
    assert [kind_of(field) for field in schema] == [Kind.NUMERIC, Kind.CATEGORICAL, Kind.TEXT, Kind.TEXT]
    assert Role.LABEL in roles_of(schema.field("income"))
    assert [field.name for field in schema if Role.PERSONAL in roles_of(field)] == ["email", "host"]
    assert found.label == "income"
    assert read_again(found.document, lake=lake).equals(found.table)


def test_a_csv_file_will_do(lake: Lake, tmp_path: Path) -> None:
    pyarrow.csv.write_csv(pa.table(people()), tmp_path / "rows.csv")
    assert read(lake, str(tmp_path / "rows.csv")).table.num_rows == 300


@pytest.mark.parametrize(
    ("columns", "asked", "said"),
    [
        (people(1), {}, "has 1 rows there, too few"),
        (people(99), {}, "has 99 rows there, too few"),
        ({"a": pa.nulls(300, pa.float64()), "b": pa.nulls(300, pa.string())}, {}, "every column of rows is empty"),
        (people(), {"label": "nope"}, "--label nope: there is no such column; there are age"),
        (people() | {"y": [None] * 150 + ["a", "b"] * 75}, {"label": "y"}, "150 of 300 rows have no label"),
        (people() | {"y": ["a"] * 300}, {"label": "y"}, "every row has the same one"),
        (people(), {"time": "age"}, "--time age: its values are no times"),
        (people() | {"_anomaly": [True] * 300}, {}, "kept for injected anomalies"),
        (people() | {"tags": [["a"]] * 300}, {}, "tags"),
    ],
)
def test_hopeless_rows_are_refused_before_anything_is_trained(
    lake: Lake, tmp_path: Path, columns: dict[str, Any], asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        read(lake, written(tmp_path, columns), **asked)


def test_a_label_nobody_asked_for_is_left_alone_where_it_is_none(lake: Lake, tmp_path: Path) -> None:
    file = written(tmp_path, people() | {"y": [None] * 150 + ["a", "b"] * 75})
    request = SourceRequest(name="rows", file=file, roles=Roles(label="y", label_is_default=True))
    assert read_source(request, lake=lake, spec=None).label is None


def test_a_changed_file_is_noticed(lake: Lake, tmp_path: Path) -> None:
    file = written(tmp_path, people())
    found = read(lake, file)
    changed = people()
    changed["age"][7] += 1
    written(tmp_path, changed)
    with pytest.raises(ConfigError, match="no longer gives the rows"):
        read_again(found.document, lake=lake)


# -- fingerprint, sample, split --------------------------------------------------------------------------------------


def test_a_fingerprint_is_of_values_and_not_of_chunks() -> None:
    table = pa.table(people() | {"d": pa.array([None, 5] * 150, pa.date32())})
    assert fingerprint(pa.concat_tables([table.slice(0, 7), table.slice(7)])) == fingerprint(table)
    assert fingerprint(table.slice(1)) != fingerprint(table)
    assert fingerprint(table.take(pa.array([1, 0, *range(2, 300)]))) != fingerprint(table)
    assert fingerprint(table.set_column(4, "d", pa.nulls(300, pa.date32()))) != fingerprint(table)


KEYED = pa.schema(
    [make_field("card", Kind.TEXT, {Role.KEY}), make_field("at", Kind.TIME, {Role.TIME}), pa.field("n", pa.int64())]
)


def histories(keys: list[int]) -> pa.Table:
    rows = len(keys)
    at = pa.array(range(rows), pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    return pa.table({"card": [f"c{k}" for k in keys], "at": at, "n": list(range(rows))}, schema=KEYED)


@given(most=st.integers(30, 200), cut=st.integers(1, 50), seed=st.integers(0, 50))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_a_sample_of_keys_has_whole_histories_however_rows_come(most: int, cut: int, seed: int) -> None:
    keys = np.random.default_rng(seed).integers(0, 30, 250).tolist()
    table = histories(keys)
    sample, at_once = (KeySample(most, keys=["card"], seed=seed) for _ in range(2))
    for start in range(0, len(keys), cut):
        sample.offer(table.slice(start, cut).combine_chunks().to_batches()[0])
    at_once.offer(table.combine_chunks().to_batches()[0])
    kept = sample.table(KEYED)
    assert kept.equals(at_once.table(KEYED))
    assert 0 < kept.num_rows <= most
    chosen = kept["card"].to_pylist()
    assert all(chosen.count(card) == keys.count(int(card[1:])) for card in set(chosen)), "whole histories"
    assert kept["n"].to_pylist() == sorted(kept["n"].to_pylist())


def test_one_key_with_too_many_rows_does_not_fill_memory() -> None:
    sample = KeySample(50, keys=["card"], seed=1)
    sample.offer(histories([1] * 1_000).combine_chunks().to_batches()[0])
    assert sample.table(KEYED).num_rows == 100


@given(seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_no_key_is_on_both_sides_of_a_split(seed: int) -> None:
    keys = np.random.default_rng(seed).integers(0, 60, 300).tolist()
    parts = halves(histories(keys), seed=seed)
    assert not set(parts.train["card"].to_pylist()) & set(parts.held_out["card"].to_pylist())
    assert sorted(parts.train["n"].to_pylist() + parts.held_out["n"].to_pylist()) == list(range(len(keys)))
    assert 0.15 < parts.held_out.num_rows / len(keys) < 0.3


def test_a_stream_of_few_keys_holds_out_its_newest_events() -> None:
    parts = halves(histories([1, 2] * 100), seed=0)
    assert parts.held_out["n"].to_pylist() == list(range(160, 200))


def test_rows_without_keys_are_split_by_a_seeded_shuffle() -> None:
    table = pa.table({"n": list(range(1_000))})
    parts = halves(table, seed=1)
    assert (parts.train.num_rows, parts.held_out.num_rows) == (800, 200)
    assert halves(table, seed=1).held_out.equals(parts.held_out)
    assert not halves(table, seed=2).held_out.equals(parts.held_out)
    assert set(parts.train["n"].to_pylist()) | set(parts.held_out["n"].to_pylist()) == set(range(1_000))
