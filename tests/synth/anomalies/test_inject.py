"""Labels are right: what is not labelled is untouched, what is labelled differs just where it is said to."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from detectors.columns import Kind, Role, make_field
from detectors.errors import UnusableDataError
from synth.anomalies import TRUTH_FIELDS, next_event, parse_anomalies, with_anomalies
from tests.detectors.injection.tables import payments
from tests.synth.preparation.tables import orders

TRUTH = [field.name for field in TRUTH_FIELDS]


def rows_of(table: pa.Table, names: list[str]) -> list[tuple[str, ...]]:
    return list(zip(*([str(v) for v in table[name].to_pylist()] for name in names), strict=True))


def check_labels(table: pa.Table, made: pa.Table, identity: str) -> None:
    """Every unlabelled row is a row of the table; labelled ones differ from theirs in the named columns alone."""
    names = table.column_names
    source = dict(zip(map(str, table[identity].to_pylist()), rows_of(table, names), strict=True))
    truth = made.select(TRUTH).to_pylist()
    for row, said in zip(rows_of(made, names), truth, strict=True):
        there = source[row[names.index(identity)]]
        if not said["_anomaly"]:
            assert row == there
            assert said["_anomaly_columns"] == []
            assert said["_anomaly_kind"] is said["_anomaly_event"] is said["_anomaly_severity"] is None
        elif said["_anomaly_kind"] != "collective":
            differs = [name for name, new, old in zip(names, row, there, strict=True) if new != old]
            assert differs == said["_anomaly_columns"]
            assert differs
            assert said["_anomaly_severity"] >= 0
        else:
            assert said["_anomaly_columns"]


@pytest.mark.parametrize(
    "text", ["4%", "2%:velocity,spike", "10%:point", "5%:wrong_customer,wrong_hour,drift", "30%:sensor"]
)
def test_keyed_rows(text: str) -> None:
    table = payments(4_000)
    made = with_anomalies(table, parse_anomalies(text), seed=3)
    assert made.num_rows == table.num_rows
    assert made.select(table.column_names).schema.equals(table.schema, check_metadata=True)
    assert made.schema.names[-6:] == TRUTH
    check_labels(table, made, "event")
    share = parse_anomalies(text).share
    assert 0.75 * share <= np.mean(made["_anomaly"].to_pylist()) <= 1.15 * share


def test_tables_of_all_types_without_roles() -> None:
    table = orders(3_000)
    made = with_anomalies(table, parse_anomalies("6%:point,contextual,sensor,drift"), seed=3, label="kept")
    assert made.select(table.column_names).schema.equals(table.schema, check_metadata=True)
    check_labels(table, made, "order")
    changed = {name for names in made["_anomaly_columns"].to_pylist() for name in names}
    assert {"net", "items", "city", "age"} & changed
    assert not changed & {"kept", "made", "order", "note"}
    whole = made.filter(pc.invert(made["_anomaly"])).to_pandas()
    assert (np.round(whole["net"] + whole["tax"], 2) == whole["gross"]).all()
    cents = [v * 100 for v in made["net"].to_pylist()]
    assert np.allclose(cents, np.round(cents), atol=1e-6), "digits give anomalies away"


def test_bursts_add_rows_of_one_key_close_in_time_and_take_no_more_room() -> None:
    table = payments(3_000)
    made = with_anomalies(table, parse_anomalies("3%:velocity"), seed=1).to_pandas()
    assert len(made) == 3_000
    assert made["event"].is_unique
    assert made["time"].is_monotonic_increasing
    found = made[made["_anomaly"]]
    for _, event in found.groupby("_anomaly_event"):
        assert event["customer"].nunique() == 1
    gaps = found.groupby("_anomaly_event")["time"].diff().dt.total_seconds().median()
    usual = made[~made["_anomaly"]].groupby("customer")["time"].diff().dt.total_seconds().median()
    assert gaps < usual / 20
    assert all(set(columns) == {"customer", "time"} for columns in found["_anomaly_columns"])


def test_generated_rows_need_not_be_in_order_of_time() -> None:
    table = payments(3_000)
    mixed = table.take(pa.array(np.random.default_rng(0).permutation(3_000)))
    made = with_anomalies(mixed, parse_anomalies("4%:velocity,stuck,wrong_hour"), seed=1)
    check_labels(mixed, made, "event")
    assert 0.03 <= np.mean(made["_anomaly"].to_pylist()) <= 0.05


def test_one_seed_one_table() -> None:
    table = payments(1_500)
    one, two, three = (with_anomalies(table, parse_anomalies("5%"), seed=seed) for seed in (4, 4, 5))
    assert one.equals(two)
    assert not one.equals(three)
    assert table.equals(payments(1_500))


def test_chunks_number_their_events_on_and_keep_identifiers_unique() -> None:
    table, first, parts = payments(4_000), 0, []
    for at in range(0, 4_000, 500):
        parts.append(
            with_anomalies(table.slice(at, 500), parse_anomalies("5%:velocity,number"), seed=at, first_event=first)
        )
        first = next_event(parts[-1], first)
    whole = pa.concat_tables(parts).to_pandas()
    assert whole["event"].is_unique
    events = whole.groupby("_anomaly_event")["_anomaly_family"].nunique()
    assert (events == 1).all()
    assert len(events) == first
    assert sorted(events.index) == list(range(first))


def test_families_that_find_no_place_leave_their_share_to_the_others() -> None:
    g = np.random.default_rng(0)
    table = pa.table({"level": g.choice(["a", "b"], 2_000).tolist(), "x": g.normal(size=2_000)})
    made = with_anomalies(table, parse_anomalies("6%:point"), seed=1).to_pandas()
    assert 0.05 <= made["_anomaly"].mean() <= 0.07
    assert set(made["_anomaly_family"].dropna()) == {"point:number", "point:unseen_level"}


def test_small_chunks_keep_the_share_on_the_whole() -> None:
    table = payments(6_000)
    parts = [with_anomalies(table.slice(at, 30), parse_anomalies("2%"), seed=at) for at in range(0, 6_000, 30)]
    assert 0.01 <= np.mean(pa.concat_tables(parts)["_anomaly"].to_pylist()) <= 0.035


def test_no_rows_and_one_row() -> None:
    table = payments(50)
    for rows in (0, 1, 2):
        made = with_anomalies(table.slice(0, rows), parse_anomalies("2%"), seed=1)
        assert made.num_rows == rows
        assert made.schema.names[-6:] == TRUTH


def test_a_table_that_has_labels_already_is_refused() -> None:
    made = with_anomalies(payments(100), parse_anomalies("5%"), seed=1)
    with pytest.raises(UnusableDataError, match="_anomaly"):
        with_anomalies(made, parse_anomalies("5%"), seed=1)


def test_narrow_types_hold_what_is_put_into_them() -> None:
    g = np.random.default_rng(0)
    event = make_field("id", Kind.NUMERIC, [Role.ID], arrow_type=pa.int64())
    fields = [pa.field("small", pa.int8()), pa.field("half", pa.float16()), event]
    arrays = [pa.array(g.integers(100, 127, 800), pa.int8()), pa.array(g.normal(size=800), pa.float16()), range(800)]
    table = pa.table(arrays, schema=pa.schema(fields))
    made = with_anomalies(table, parse_anomalies("20%:number"), seed=1)
    check_labels(table, made, "id")
    assert np.mean(made["_anomaly"].to_pylist()) > 0.1
