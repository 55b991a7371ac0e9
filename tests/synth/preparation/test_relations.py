"""What holds in every row of the table holds in every row that is made, and chance invents nothing."""

import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.preparation import Preparation, PreparationSettings
from tests.synth.preparation.tables import orders


def apart(learned: pa.Table, seed: int) -> pa.Table:
    """Every column shuffled by itself: rows that no model would be as bad as to make."""
    g = np.random.default_rng(seed)
    columns = [column.take(pa.array(g.permutation(len(learned)))) for column in learned.columns]
    return pa.Table.from_arrays(columns, schema=learned.schema)


def followers(table: pa.Table, label: str | None = None) -> dict[str, str]:
    """Every column that follows from others, with what was said of it."""
    prepared = Preparation.fit(table, label=label, seed=1)
    return {rule.column: str(rule) for rule in prepared.rules if rule.needs}


@settings(max_examples=6, derandomize=True, deadline=None)
@given(st.integers(0, 1_000))
def test_relations_hold_whatever_is_learned(seed: int) -> None:
    table = orders(800)
    prepared = Preparation.fit(table, label="kept", seed=1)
    made = prepared.restored(apart(prepared.learned(table), seed), seed=seed)
    frame = {name: made[name].combine_chunks() for name in made.column_names}
    assert np.array_equal(np.round(frame["net"].to_numpy() + frame["tax"].to_numpy(), 2), frame["gross"].to_numpy())
    assert pc.all(pc.equal(pc.multiply(frame["items"].cast(pa.int64()), frame["price"]), frame["total"])).as_py()
    assert pc.all(pc.greater_equal(frame["sent"], frame["made"])).as_py()
    assert pc.all(pc.greater_equal(frame["celsius"], frame["least"])).as_py()
    assert pc.all(pc.equal(pc.hour(frame["made"]), frame["hour"].cast(pa.int64()))).as_py()
    hours = pc.floor(pc.divide(pc.subtract(frame["sent"], frame["made"]).cast(pa.int64()), 3600.0))
    assert hours.to_pylist() == frame["hours"].to_pylist()
    assert frame["made"].cast(pa.date32(), safe=False).equals(frame["date"])
    fahrenheit = np.round(frame["celsius"].to_numpy() * 1.8 + 32, 2).astype(np.float32)
    assert np.array_equal(fahrenheit, frame["fahrenheit"].to_numpy())
    pairs = {(c, int(c.removeprefix("city ")) % 7) for c in frame["city"].to_pylist()}
    countries = dict(pairs)
    assert frame["country"].to_pylist() == [f"country {countries[c]}" for c in frame["city"].to_pylist()]
    young = [
        None if a is None else "young" if a < 30 else "middle" if a < 60 else "old" for a in frame["age"].to_pylist()
    ]
    assert frame["group"].to_pylist() == young


def test_bounds_hold_too() -> None:
    table = orders(800)
    prepared = Preparation.fit(table, label="kept", seed=1)
    made = prepared.restored(apart(prepared.learned(table), 3), seed=3)
    for name in ("made", "sent", "celsius", "least", "age", "hour", "net", "tax", "items"):
        assert pc.max(made[name]).as_py() <= pc.max(table[name]).as_py()
        assert pc.min(made[name]).as_py() >= pc.min(table[name]).as_py()


@pytest.mark.parametrize("rows", [40, 300, 5_000])
def test_chance_invents_nothing(rows: int) -> None:
    g = np.random.default_rng(rows)
    table = pa.table(
        {
            "a": g.integers(0, 30, rows),
            "b": g.integers(0, 3, rows),
            "rare": g.random(rows) < 0.004,
            "rarer": np.where(g.random(rows) < 2.5 / rows, "odd", "usual").tolist(),
            "x": g.normal(size=rows),
            "y": np.round(g.normal(size=rows), 1),
            "z": g.integers(0, 4, rows),
            "counts": g.poisson(0.05, rows),
            "more": g.poisson(0.02, rows),
            "at": pa.array(np.datetime64("2024-01-01", "s") + g.integers(0, 10**7, rows)),
        }
    )
    assert followers(table) == {}


def test_relations_with_missing_values() -> None:
    g = np.random.default_rng(0)
    x, y = g.integers(0, 999, 500), g.integers(0, 999, 500)
    missing = g.random(500) < 0.2
    table = pa.table(
        {
            "x": pa.array(x, mask=missing),
            "y": y,
            "sum": pa.array(x + y, mask=missing),
            "half known": pa.array(x + y, mask=g.random(500) < 0.3),
            "level": pa.array([f"l{v % 5}" for v in y.tolist()], mask=missing),
            "of level": pa.array([None if m else f"o{v % 5 // 2}" for v, m in zip(y.tolist(), missing, strict=True)]),
        }
    )
    found = followers(table)
    assert found["sum"] == "sum = x + y"
    assert found["of level"] == "of level follows from level"
    assert found["half known"].endswith(", where all have values")
    prepared = Preparation.fit(table, label=None, seed=1)
    assert prepared.restored(prepared.learned(table), seed=1).equals(table)
    made = prepared.restored(apart(prepared.learned(table), 4), seed=1).to_pandas()
    known = made[["x", "half known"]].notna().all(axis=1)
    assert (made["x"] + made["y"] == made["half known"])[known].all()
    assert made["half known"].isna().sum() == table["half known"].null_count


def test_sums_of_three_differences_and_equals() -> None:
    g = np.random.default_rng(0)
    a, b, c = (np.round(g.lognormal(2, 1, 400), 2) for _ in range(3))
    d = np.round(g.lognormal(2, 1, 400), 2)
    table = pa.table(
        {"a": a, "b": b, "c": c, "all": np.round(a + b + c, 2), "d": d, "less": np.round(d - a, 2), "again": d}
    )
    found = followers(table)
    assert found["all"] == "all = a + b + c"
    assert "d" in found or "less" in found or "a" in found
    assert {"again", "d"} & found.keys()
    prepared = Preparation.fit(table, label=None, seed=1)
    made = prepared.restored(apart(prepared.learned(table), 1), seed=1).to_pandas()
    assert np.allclose(made["a"] + made["b"] + made["c"], made["all"], atol=1e-9)
    assert np.allclose(made["d"] - made["a"], made["less"], atol=1e-9)
    assert (made["d"] == made["again"]).all()


def test_functions_both_ways_keep_the_number() -> None:
    g = np.random.default_rng(0)
    rank = g.integers(1, 8, 400)
    table = pa.table({"name": [f"rank {r}" for r in rank.tolist()], "rank": rank, "x": g.normal(size=400)})
    assert followers(table) == {"name": "name follows from rank"}
    assert followers(table, label="name") == {"rank": "rank follows from name"}


def test_the_label_is_always_learned() -> None:
    g = np.random.default_rng(0)
    x, y = g.integers(0, 50, 600), g.integers(0, 50, 600)
    table = pa.table({"x": x, "y": y, "total": x + y, "group": (x // 10).astype(str).tolist()})
    for label in table.column_names:
        prepared = Preparation.fit(table, label=label, seed=1)
        assert label in prepared.learned_schema.names
        assert prepared.restored(prepared.learned(table), seed=1).equals(table)


def test_ranges_of_a_wide_number_determine_a_class() -> None:
    g = np.random.default_rng(0)
    amount = np.round(g.lognormal(4, 1.5, 3_000), 2)
    size = np.digitize(amount, [20, 100, 500])
    table = pa.table({"amount": amount, "size": pa.array(size).cast(pa.string()), "big": amount > 500})
    found = followers(table)
    assert found["size"] == "size follows from ranges of amount"
    assert "big" in found
    prepared = Preparation.fit(table, label=None, seed=1)
    made = prepared.restored(apart(prepared.learned(table), 1), seed=1).to_pandas()
    assert (made["size"].astype(int).to_numpy() == np.digitize(made["amount"], [20, 100, 500])).mean() > 0.999
    assert ((made["size"] == "3") == made["big"]).all()


def test_a_chain_of_orderings_holds() -> None:
    g = np.random.default_rng(0)
    low = g.integers(0, 1_000, 900)
    middle = low + g.poisson(5, 900)
    high = middle + g.poisson(9, 900)
    table = pa.table({"high": high, "low": low, "middle": middle})
    prepared = Preparation.fit(table, label=None, seed=1)
    assert {rule.column for rule in prepared.rules} == {"middle", "high"}
    made = prepared.restored(apart(prepared.learned(table), 1), seed=1).to_pandas()
    assert (made["low"] <= made["middle"]).all()
    assert (made["middle"] <= made["high"]).all()
    assert made["high"].max() <= high.max()


def test_columns_that_only_keep_order_stay_as_they_are() -> None:
    g = np.random.default_rng(0)
    low = g.integers(0, 100, 2_000)
    high = np.maximum(low, g.choice([50, 100, 200], 2_000))
    table = pa.table({"low": low, "high": high})
    prepared = Preparation.fit(table, label=None, seed=1)
    assert prepared.learned_schema.names == ["low", "high"]
    made = prepared.restored(apart(prepared.learned(table), 1), seed=1).to_pandas()
    assert (made["low"] <= made["high"]).all()


def test_ranges_apart_are_no_ordering() -> None:
    g = np.random.default_rng(0)
    table = pa.table({"age": g.integers(18, 90, 500), "year": g.integers(1990, 2020, 500)})
    assert followers(table) == {}


def test_levels_that_training_never_showed_follow_somewhere() -> None:
    table = orders(800)
    prepared = Preparation.fit(table, label="kept", seed=1)
    learned = prepared.learned(table)
    at = learned.schema.get_field_index("city")
    other = learned.set_column(at, learned.schema.field(at), pa.array(["other"] * len(learned)))
    assert len(set(prepared.restored(other, seed=1)["country"].to_pylist())) == 1


def test_entities_seen_rarely_determine_as_far_as_they_are_known() -> None:
    g = np.random.default_rng(0)
    shop = np.minimum((g.pareto(0.7, 4_000) * 20).astype(int), 2_000)
    table = pa.table({"shop": [f"shop {s}" for s in shop.tolist()], "town": [f"town {s % 9}" for s in shop.tolist()]})
    prepared = Preparation.fit(table, label=None, seed=1)
    assert prepared.learned_schema.names == ["shop", "town"]
    assert prepared.restored(prepared.learned(table), seed=1).equals(table)
    made = prepared.restored(apart(prepared.learned(table), 2), seed=1).to_pandas()
    known = made["shop"].map(made["shop"].value_counts()) >= 10
    assert (made["shop"].str[5:].astype(int) % 9 == made["town"].str[5:].astype(int))[known].all()
    written = str(prepared.document()["rules"])
    assert not [s for s in set(shop.tolist()) if (shop == s).sum() < 5 and f"'shop {s}'" in written]


def test_whole_numbers_that_doubles_do_not_hold_stay_exact() -> None:
    values = np.random.default_rng(0).integers(2**60, 2**62, 500)
    table = pa.table({"a": values, "same": values, "more": values + 1, "x": np.arange(500) % 7})
    prepared = Preparation.fit(table, label=None, seed=1)
    assert prepared.restored(prepared.learned(table), seed=1).equals(table)


def test_the_search_can_be_left_out() -> None:
    table = orders(500)
    prepared = Preparation.fit(table, label="kept", seed=1, settings=PreparationSettings(relations=False))
    assert not [rule for rule in prepared.rules if rule.needs]


def test_the_search_is_quick() -> None:
    table = orders(20_000)
    started = time.process_time()
    Preparation.fit(table, label="kept", seed=1)
    assert time.process_time() - started < 8.0
