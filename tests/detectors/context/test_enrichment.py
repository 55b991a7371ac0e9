"""What keyed context promises: right values, the same for every split, snapshot and neighbour; bounded memory."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from detectors.columns import Kind, Role, kind_of, make_field, roles_of
from detectors.context import ContextEnrichment, ContextSettings
from detectors.errors import IncompatibleArtifactError, UnusableDataError
from tests.detectors.context.streams import ROWS, SCHEMA, SETTINGS, Reference, Row, batch_of

FEW = settings(max_examples=30, derandomize=True, deadline=None, phases=[Phase.explicit, Phase.generate])
KEYS = st.sampled_from([("customer",), ("account",), ("customer", "account")])


def appended(made: ContextEnrichment, rows: list[Row]) -> pa.RecordBatch:
    batch, times_ms = batch_of(rows)
    return made.advance(batch, times_ms).select([f.name for f in made.fields])


def split(rows: list[Row], cuts: list[int]) -> list[list[Row]]:
    ends = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    return [rows[a:b] for a, b in pairwise(ends)]


def assert_same_bits(one: pa.RecordBatch | pa.Table, other: pa.RecordBatch | pa.Table) -> None:
    one, other = (t if isinstance(t, pa.Table) else pa.Table.from_batches([t]) for t in (one, other))
    assert one.schema.equals(other.schema, check_metadata=True)
    for name in one.column_names:
        a, b = one[name].combine_chunks(), other[name].combine_chunks()
        assert a.is_null().equals(b.is_null()), name
        if a.type == pa.float64():
            raw_a, raw_b = (x.fill_null(0.0).to_numpy(zero_copy_only=False).view(np.uint64) for x in (a, b))
            np.testing.assert_array_equal(raw_a, raw_b, err_msg=name)
        else:
            assert a.equals(b), name


@FEW
@given(rows=ROWS, key=KEYS, max_keys=st.integers(1, 20))
def test_values_are_those_of_the_definition(rows: list[Row], key: tuple[str, ...], max_keys: int) -> None:
    """Against sums over the whole past, with every key column alike, late rows, nulls and forgotten keys."""
    chosen = replace(SETTINGS, key=key, max_keys=max_keys)
    batch, times_ms = batch_of(rows)
    reference = Reference(chosen)
    expected = [reference.advance(int(t), row) for t, row in zip(times_ms, batch.to_pylist(), strict=True)]
    got = appended(ContextEnrichment(chosen, SCHEMA), rows).to_pylist()
    assert [set(row) for row in got] == [set(row) for row in expected]
    for i, (actual, wanted) in enumerate(zip(got, expected, strict=True)):
        assert {n for n, v in actual.items() if v is None} == {n for n, v in wanted.items() if v is None}, i
        for name, value in wanted.items():
            rounding = 1.0 if ".count_" in name else 1e-6  # either side of a whole number may be met
            assert value is None or actual[name] == pytest.approx(value, rel=1e-6, abs=rounding), (i, name)


@FEW
@given(rows=ROWS, key=KEYS, max_keys=st.integers(1, 20), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_no_split_changes_a_bit(rows: list[Row], key: tuple[str, ...], max_keys: int, cuts: list[int]) -> None:
    chosen = replace(SETTINGS, key=key, max_keys=max_keys)
    whole = appended(ContextEnrichment(chosen, SCHEMA), rows)
    made = ContextEnrichment(chosen, SCHEMA)
    assert_same_bits(whole, pa.Table.from_batches([appended(made, part) for part in split(rows, cuts)]))


@FEW
@given(rows=ROWS, cut=st.integers(0, 60), max_keys=st.integers(1, 20))
def test_a_restored_snapshot_goes_on_as_the_original(rows: list[Row], cut: int, max_keys: int) -> None:
    before, after = split(rows, [cut])
    made = ContextEnrichment(replace(SETTINGS, max_keys=max_keys), SCHEMA)
    appended(made, before)
    tensors, document = made.snapshot()
    restored = ContextEnrichment.restore(tensors, document)
    assert_same_bits(appended(made, after), appended(restored, after))
    for name, array in made.snapshot()[0].items():
        np.testing.assert_array_equal(array, restored.snapshot()[0][name], err_msg=name)


def test_a_snapshot_is_a_copy() -> None:
    made = ContextEnrichment(SETTINGS, SCHEMA)
    rows: list[Row] = [(0, "ann", 1, 5.0, "t", 1)]
    appended(made, rows)
    tensors, _ = made.snapshot()
    kept = {name: array.copy() for name, array in tensors.items()}
    appended(made, rows)
    for name, array in tensors.items():
        np.testing.assert_array_equal(array, kept[name])


@FEW
@given(rows=ROWS)
def test_a_key_is_not_touched_by_others(rows: list[Row]) -> None:
    together = appended(ContextEnrichment(SETTINGS, SCHEMA), rows)
    for name in {row[1] for row in rows}:
        at = [i for i, row in enumerate(rows) if row[1] == name]
        alone = appended(ContextEnrichment(SETTINGS, SCHEMA), [rows[i] for i in at])
        assert_same_bits(together.take(pa.array(at)), alone)


def test_the_input_is_not_changed_and_keeps_its_columns() -> None:
    batch, times_ms = batch_of([(0, "ann", 1, 5.0, "t", 1), (5, None, None, None, None, None)])
    before = batch.to_pylist()
    enriched = ContextEnrichment(SETTINGS, SCHEMA).advance(batch, times_ms)
    assert batch.to_pylist() == before
    assert enriched.select(SCHEMA.names).to_pylist() == before
    assert enriched.schema.names == [*SCHEMA.names, *(f.name for f in ContextEnrichment(SETTINGS, SCHEMA).fields)]


def test_a_slice_of_a_batch_is_read_at_its_place() -> None:
    rows: list[Row] = [(i, name, 1, float(i), name, i) for i, name in enumerate(["ann", "ben", "ann", None, "ann"])]
    batch, times_ms = batch_of(rows)
    sliced = ContextEnrichment(SETTINGS, SCHEMA).advance(batch.slice(1), times_ms[1:])
    copied = ContextEnrichment(SETTINGS, SCHEMA).advance(*batch_of(rows[1:]))
    assert_same_bits(sliced, copied)


def test_what_a_key_without_history_is_told() -> None:
    (row,) = appended(ContextEnrichment(SETTINGS, SCHEMA), [(0, "ann", 1, 5.0, "t", 1)]).to_pylist()
    assert {name for name, value in row.items() if value is not None} == {
        "customer.count_1m",
        "customer.count_1h",
        "customer.burst_1m",
        "customer.amount_sum_1m",
        "customer.amount_sum_1h",
    }


def test_a_velocity_attack_a_new_terminal_and_an_odd_amount_show() -> None:
    hour = 3_600_000
    usual: list[Row] = [(i * hour, "ann", 1, 20.0 + i % 3, f"t{i % 4}", 1) for i in range(200)]
    attack: list[Row] = [(200 * hour + i, "ann", 1, 21.0, "t0", 1) for i in range(20)]
    odd: list[Row] = [(201 * hour, "ann", 1, 400.0, "elsewhere", 1)]
    made = ContextEnrichment(SETTINGS, SCHEMA)
    calm = appended(made, usual).to_pylist()
    assert appended(made, attack).to_pylist()[-1]["customer.burst_1m"] > 10 > calm[-1]["customer.burst_1m"] + 9
    (row,) = appended(made, odd).to_pylist()
    assert row["customer.new_terminal"]
    assert row["customer.amount_deviation"] == 10.0
    assert not calm[-1]["customer.new_terminal"]
    assert abs(calm[-1]["customer.amount_deviation"]) < 1


def test_late_rows_count_at_the_key_s_newest_moment() -> None:
    made = ContextEnrichment(SETTINGS, SCHEMA)
    late: list[Row] = [(60_000, "ann", 1, 5.0, "t", 1), (0, "ann", 1, 5.0, "t", 1), (120_000, "ann", 1, 5.0, "t", 1)]
    rows = appended(made, late).to_pylist()
    assert [row["customer.seconds_since_last"] for row in rows] == [None, 0.0, 60.0]
    assert [row["customer.amount_sum_1m"] for row in rows] == [0.0, 5.0, pytest.approx(5.0)]


def test_the_key_seen_longest_ago_is_forgotten_and_memory_stays() -> None:
    chosen = replace(SETTINGS, max_keys=100)
    made = ContextEnrichment(chosen, SCHEMA)
    many: list[Row] = [(i, f"c{i}", 1, 5.0, "t", 1) for i in range(3_000)]
    appended(made, many[:100])
    full = made.nbytes
    appended(made, many[:1])  # the first customer is now the newest
    appended(made, many[100:199])
    assert appended(made, many[:1]).to_pylist()[0]["customer.amount_sum_1h"] > 9.9
    assert appended(made, many[99:100]).to_pylist()[0]["customer.amount_sum_1h"] == 0.0
    appended(made, many)
    assert (made.keys, made.nbytes) == (100, full)
    assert len(made.snapshot()[0]["hashes_K"]) == 100


def test_many_keys_come_and_go_as_the_reference_says() -> None:
    """Enough keys that the table probes, deletes by shifting back, and grows."""
    generator = np.random.default_rng(3)
    chosen = replace(SETTINGS, max_keys=2_000, measures=("count", "seconds_since_last"), numeric=(), categorical=())
    made = ContextEnrichment(chosen, SCHEMA)
    drawn = generator.zipf(1.2, 20_000) % 5_000
    rows: list[Row] = [(i * 50, f"c{k}", int(k), None, None, None) for i, k in enumerate(drawn)]
    got = appended(made, rows)["customer.seconds_since_last"].to_pylist()
    last: dict[int, int] = {}
    for i, (row, told) in enumerate(zip(rows, got, strict=True)):
        key = int(drawn[i])
        known = last.pop(key, None)
        if known is None and len(last) == chosen.max_keys:
            last.pop(next(iter(last)))
        last[key] = row[0]
        assert told == (None if known is None else (row[0] - known) / 1000)
    assert made.keys == 2_000


@pytest.mark.parametrize("key", [("customer",), ("account",), ("customer", "account")])
def test_nulls_are_a_key_of_their_own(key: tuple[str, ...]) -> None:
    made = ContextEnrichment(replace(SETTINGS, key=key), SCHEMA)
    rows: list[Row] = [(0, None, None, 1.0, None, None), (1, "", 0, 1.0, None, 0), (2, None, None, 1.0, "t", None)]
    told = appended(made, rows).to_pylist()
    assert [row["customer.amount_sum_1h"] for row in told] == [0.0, 0.0, pytest.approx(1.0)]
    assert told[2]["customer.new_terminal"]
    assert told[2]["customer.new_device"] is False


def test_values_at_the_ends_of_doubles_stay_finite() -> None:
    made = ContextEnrichment(SETTINGS, SCHEMA)
    wild = [1.7e308, -1.7e308, 5e-324, 0.0, float("inf"), None, 1.7e308]
    rows: list[Row] = [(i * 10**15, "ann", 1, x, "t", 1) for i, x in enumerate(wild)]
    for row in appended(made, [*rows, (0, "ann", 1, 1.0, "t", 1)]).to_pylist():
        assert all(value is None or np.isfinite(value) for value in row.values())


def test_columns_that_the_batch_lacks_are_missing_but_for_the_key() -> None:
    batch, times_ms = batch_of([(0, "ann", 1, 5.0, "t", 1), (1, "ann", 1, 5.0, "t", 1)])
    told = ContextEnrichment(SETTINGS, SCHEMA).advance(batch.drop_columns(["amount", "terminal"]), times_ms)
    assert told["customer.amount_mean_1h"].null_count == 2
    assert told["customer.new_terminal"].to_pylist() == [None, False]
    with pytest.raises(UnusableDataError, match="'customer'"):
        ContextEnrichment(SETTINGS, SCHEMA).advance(batch.drop_columns(["customer"]), times_ms)


def test_what_comes_from_a_personal_column_is_personal() -> None:
    fields = list(SCHEMA)
    fields[2] = make_field("amount", Kind.NUMERIC, [Role.FEATURE, Role.PERSONAL])
    made = ContextEnrichment(SETTINGS, pa.schema(fields))
    personal = [f.name for f in made.fields if Role.PERSONAL in roles_of(f)]
    assert personal == [f.name for f in made.fields if ".amount_" in f.name]
    assert [
        f.name for f in ContextEnrichment.restore(*made.snapshot()).fields if Role.PERSONAL in roles_of(f)
    ] == personal
    assert all(Role.FEATURE in roles_of(f) and kind_of(f) in (Kind.NUMERIC, Kind.BOOLEAN) for f in made.fields)


def test_a_snapshot_of_another_version_is_refused() -> None:
    tensors, document = ContextEnrichment(SETTINGS, SCHEMA).snapshot()
    with pytest.raises(IncompatibleArtifactError, match="replay"):
        ContextEnrichment.restore(tensors, {**document, "version": 99})


def test_an_empty_batch_is_fine() -> None:
    made = ContextEnrichment(SETTINGS, SCHEMA)
    assert appended(made, []).num_rows == 0
    assert made.keys == 0


@pytest.mark.parametrize("column_type", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_however_a_text_is_stored_it_is_the_same_key(column_type: pa.DataType) -> None:
    batch, times_ms = batch_of([(i, name, 1, 1.0, "t", 1) for i, name in enumerate(["ann", "ben", None, "ann"])])
    stored = batch.set_column(0, "customer", batch["customer"].cast(column_type))
    mixed = ContextEnrichment(SETTINGS, SCHEMA)
    mixed.advance(batch, times_ms)
    told = mixed.advance(stored, times_ms + 4)
    assert [round(c) for c in told["customer.amount_sum_1h"].to_pylist()] == [2, 1, 1, 3]


def test_settings_survive_json() -> None:
    tensors, document = ContextEnrichment(SETTINGS, SCHEMA).snapshot()
    restored = ContextEnrichment.restore(tensors, json.loads(json.dumps(document)))
    assert restored.settings == SETTINGS
    assert isinstance(restored.settings, ContextSettings)
