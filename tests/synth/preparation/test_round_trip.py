"""What was learned comes back: every type, every value, whatever the rows are like."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import KIND_KEY, Kind, Role, kind_of, make_field
from detectors.errors import IncompatibleArtifactError, UnusableDataError
from synth.preparation import Preparation, PreparationSettings, with_kinds
from tests.synth.preparation.tables import MADE_ANEW, every_type, orders


def shown(table: pa.Table, name: str) -> str:
    return str(table[name].to_pylist())  # NaN equals itself as text


def test_every_type_comes_back_as_it_was() -> None:
    table = every_type()
    prepared = Preparation.fit(table, label=None, seed=1)
    back = prepared.restored(prepared.learned(table), seed=2)
    assert back.schema.equals(table.schema, check_metadata=True)
    assert [name for name in table.column_names if shown(back, name) != shown(table, name)] == []


def test_models_see_three_kinds_of_columns_only() -> None:
    for table in (every_type(), orders(300)):
        for field in Preparation.fit(table, label=None, seed=1).learned_schema:
            assert kind_of(field) in (Kind.NUMERIC, Kind.CATEGORICAL, Kind.BOOLEAN)
            assert field.type in (pa.float64(), pa.int64(), pa.string(), pa.bool_())


def test_a_table_with_relations_comes_back_to_the_last_bit() -> None:
    table = orders()
    before = pa.table(table.to_pydict(), schema=table.schema)
    prepared = Preparation.fit(table, label="kept", seed=1)
    back = prepared.restored(prepared.learned(table), seed=2)
    assert [n for n in table.column_names if shown(back, n) != shown(table, n)] == list(MADE_ANEW)
    assert table.equals(before)


def test_documents_give_the_same_preparation() -> None:
    table = orders(500)
    prepared = Preparation.fit(table, label="kept", seed=1)
    loaded = Preparation.from_document(json.loads(json.dumps(prepared.document())))
    learned = prepared.learned(table)
    assert loaded.learned(table).equals(learned)
    assert loaded.restored(learned, seed=3).equals(prepared.restored(learned, seed=3))
    assert loaded.notes == prepared.notes
    assert loaded.schema.equals(table.schema, check_metadata=True)
    with pytest.raises(IncompatibleArtifactError, match="train anew"):
        Preparation.from_document({**prepared.document(), "version": 0})


def test_the_order_of_rows_does_not_matter() -> None:
    table = orders(1_000)
    other = table.take(pa.array(np.random.default_rng(5).permutation(1_000)))
    one, two = (Preparation.fit(t, label="kept", seed=1) for t in (table, other))
    assert one.learned_schema.equals(two.learned_schema)
    assert one.notes == two.notes
    learned = one.learned(table)
    again = two.restored(learned, seed=3)
    same = one.restored(learned, seed=3)
    assert [name for name in table.column_names if shown(again, name) != shown(same, name)] == []


def test_chunked_tables_are_as_whole_ones() -> None:
    table = orders(400)
    chunked = pa.concat_tables([table.slice(0, 100), table.slice(100, 1), table.slice(101)])
    one, two = (Preparation.fit(t, label="kept", seed=1) for t in (table, chunked))
    assert one.document() == two.document()
    learned = two.learned(chunked)
    parts = pa.concat_tables([learned.slice(0, 7), learned.slice(7)])
    assert two.restored(parts, seed=1).equals(one.restored(one.learned(table), seed=1))


def test_no_rows_are_a_table_too() -> None:
    table = orders(300)
    prepared = Preparation.fit(table, label="kept", seed=1)
    back = prepared.restored(prepared.learned(table.slice(0, 0)), seed=1)
    assert back.num_rows == 0
    assert back.schema.equals(table.schema, check_metadata=True)


def test_columns_all_null_and_constant_are_kept() -> None:
    table = pa.table(
        {"a": pa.nulls(4, pa.timestamp("s")), "b": pa.nulls(4, pa.string()), "c": [7] * 4, "x": [1, 2, 3, 4]}
    )
    prepared = Preparation.fit(table, label=None, seed=1)
    assert prepared.learned_schema.names == ["x"]
    assert prepared.restored(prepared.learned(table), seed=1).equals(table)
    assert any("missing in every row" in note for note in prepared.notes)


def test_columns_that_must_have_values_have_them() -> None:
    fields = [pa.field("code", pa.int32(), nullable=False), pa.field("x", pa.float64())]
    table = pa.table([[1, 2, 3, 4], [0.5, 1.5, 2.5, 3.5]], schema=pa.schema(fields))
    prepared = Preparation.fit(table, label=None, seed=1)
    learned = prepared.learned(table).set_column(0, prepared.learned_schema.field(0), pa.array([None, 2, None, 3]))
    assert prepared.restored(learned, seed=1)["code"].to_pylist() == [2, 2, 2, 3]


def test_thousands_of_levels() -> None:
    g = np.random.default_rng(0)
    who = g.integers(0, 5_000, 20_000)
    table = pa.table({"who": [f"level {w}" for w in who.tolist()], "x": g.normal(size=20_000)})
    prepared = Preparation.fit(table, label=None, seed=1)
    assert prepared.learned_schema.names == ["who", "x"]
    assert prepared.restored(prepared.learned(table), seed=1).equals(table)


@pytest.mark.parametrize(
    ("arrow_type", "fix"),
    [
        (pa.null(), "give it a type"),
        (pa.list_(pa.int64()), "column of its own"),
        (pa.struct([("a", pa.int64())]), "column of its own"),
        (pa.binary(), "cast it to string"),
        (pa.dictionary(pa.int8(), pa.binary()), "cast it to string"),
    ],
)
def test_what_cannot_be_learned_is_refused_by_name(arrow_type: pa.DataType, fix: str) -> None:
    table = pa.table({"x": [1, 2], "odd": pa.nulls(2, arrow_type)})
    with pytest.raises(UnusableDataError, match=f"'odd'.*{fix}"):
        Preparation.fit(table, label=None, seed=1)


@pytest.mark.parametrize(
    ("table", "label", "said"),
    [
        (pa.table({"x": pa.array([], pa.int64())}), None, "no rows"),
        (pa.table({"x": [1]}), None, "nothing to learn"),
        (pa.table({"x": [3, 3, 3]}), None, "nothing to learn"),
        (pa.table({"x": [1, 2]}), "y", "no column 'y'"),
        (pa.table({"x": [1, 2], "y": pa.nulls(2, pa.string())}), "y", "missing in every row"),
        (pa.Table.from_arrays([pa.array([1, 2])] * 2, names=["x", "x"]), None, "two columns"),
    ],
)
def test_tables_without_anything_to_learn_are_refused(table: pa.Table, label: str | None, said: str) -> None:
    with pytest.raises(UnusableDataError, match=said):
        Preparation.fit(table, label=label, seed=1)


def test_a_table_of_other_columns_is_refused() -> None:
    prepared = Preparation.fit(pa.table({"x": [1, 2], "y": ["a", "b"]}), label=None, seed=1)
    with pytest.raises(UnusableDataError, match="no column 'y'"):
        prepared.learned(pa.table({"x": [1, 2]}))
    with pytest.raises(UnusableDataError, match="'x' holds string"):
        prepared.learned(pa.table({"x": ["one", "two"], "y": ["a", "b"]}))


def test_infinities_and_nan_beside_nulls_become_missing_and_are_told() -> None:
    values = pa.array([1.0, float("nan"), None, float("inf"), 2.0], from_pandas=False)
    prepared = Preparation.fit(pa.table({"x": values}), label=None, seed=1)
    assert prepared.restored(prepared.learned(pa.table({"x": values})), seed=1)["x"].to_pylist() == [
        1,
        None,
        None,
        None,
        2,
    ]
    assert "2 values are NaN or infinite" in prepared.notes[0]


def test_kinds_are_inferred_and_stated_ones_kept() -> None:
    stated = make_field("stated", Kind.CATEGORICAL, [Role.FEATURE], arrow_type=pa.int64())
    fields = [pa.field(name, pa.int64()) for name in ("count", "customer_id", "klass")]
    texts = [pa.field("few", pa.string()), pa.field("many", pa.string())]
    arrays = [list(range(50))] * 4 + [[f"l{i % 5}" for i in range(50)], [f"t{i}" for i in range(50)]]
    table = with_kinds(pa.table(arrays, schema=pa.schema([stated, *fields, *texts])), label="klass")
    kinds = {field.name: kind_of(field) for field in table.schema}
    assert kinds == {
        "stated": Kind.CATEGORICAL,
        "count": Kind.NUMERIC,
        "customer_id": Kind.CATEGORICAL,
        "klass": Kind.CATEGORICAL,
        "few": Kind.CATEGORICAL,
        "many": Kind.TEXT,
    }
    assert table.schema.field("stated").equals(stated, check_metadata=True)
    assert KIND_KEY in table.schema.field("few").metadata


def test_times_keep_their_grid_and_their_rhythm() -> None:
    start = np.datetime64("2024-01-01", "ns")
    minutes = np.arange(0, 200 * 1440, 7) * np.timedelta64(60, "s")
    table = pa.table(
        {
            "at": pa.array(start + minutes),
            "day": pa.array((start + minutes).astype("M8[D]")),
            "x": minutes.astype(float),
        }
    )
    prepared = Preparation.fit(table, label=None, seed=1, settings=PreparationSettings(relations=False))
    assert prepared.learned_schema.names == ["at week", "at weekday", "at time of day", "day week", "day weekday", "x"]
    learned = prepared.learned(table)
    assert set(learned["at weekday"].to_pylist()) == set(range(7))
    assert max(learned["at time of day"].to_pylist()) == 1439
    assert prepared.restored(learned, seed=1).equals(table)
    wild = learned.set_column(0, learned.schema.field(0), pa.array([10**6] * len(learned)))
    assert max(prepared.restored(wild, seed=1)["at"].to_pylist()) <= max(table["at"].to_pylist()).ceil("D")


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-01-01", None, "1969-12-31"],
        ["2024-01-01T00:00:00Z", "1969-12-31T23:59:59Z", None],
        ["2024-01-01 00:00:00.123", "1969-12-31 23:59:59.000", "2024-01-01 00:00:00.123"],
        ["2024-01-01 10:00", "2024-01-01 10:05", "2024-01-02 00:00"],
        ["2024-01-01T00:00:00.120000-05:30", "2024-01-01T00:00:00.120001-05:30", None],
    ],
)
def test_moments_written_as_text_come_back_to_the_letter(texts: list[str | None]) -> None:
    table = pa.table({"at": pa.array(texts, pa.large_string()), "x": [1, 2, 3]})
    prepared = Preparation.fit(table, label=None, seed=1)
    assert all(name.startswith(("at ", "x")) for name in prepared.learned_schema.names)
    assert prepared.restored(prepared.learned(table), seed=1).equals(table)


@pytest.mark.parametrize("texts", [["2024-13-01", "2024-01-01"], ["2024-01-01", "soon"], ["10:00", "11:00"]])
def test_texts_that_are_no_moments_stay_texts(texts: list[str]) -> None:
    table = pa.table({"at": texts * 20, "x": range(40)})
    prepared = Preparation.fit(table, label=None, seed=1)
    assert "at" in prepared.learned_schema.names
    assert prepared.learned(table)["at"].to_pylist() == texts * 20


@settings(max_examples=25, derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.none() | st.text(max_size=5),
            st.none() | st.datetimes(),
        ),
        min_size=2,
        max_size=60,
    )
)
def test_any_rows_come_back(rows: list[tuple[object, ...]]) -> None:
    types = (pa.int64(), pa.float64(), pa.string(), pa.timestamp("us"))
    arrays = [
        pa.array([*column, *column[:1]], kind) for column, kind in zip(zip(*rows, strict=True), types, strict=True)
    ]
    kinds = (Kind.NUMERIC, Kind.NUMERIC, Kind.CATEGORICAL, Kind.TIME)
    fields = [
        make_field(f"c{i}", kind, [Role.TIME] if i == 3 else [], arrow_type=t)
        for i, (kind, t) in enumerate(zip(kinds, types, strict=True))
    ]
    table = pa.Table.from_arrays(arrays, schema=pa.schema([*fields, make_field("x", Kind.NUMERIC)][:4]))
    table = table.append_column("x", pa.array(np.arange(len(table)) % 2 * 1.0))
    prepared = Preparation.fit(table, label="x", seed=1)
    back = prepared.restored(prepared.learned(table), seed=1)
    anew = {rule.column for rule in prepared.rules if not rule.fields() and not rule.needs and rule.name != "constant"}
    assert [n for n in table.column_names if n not in anew and shown(back, n) != shown(table, n)] == []
