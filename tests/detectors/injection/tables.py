"""Small tables with keys, a clock, dependencies and nulls."""

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, Role, make_field


def payments(rows: int = 3_000, *, keys: int = 20, seed: int = 0) -> pa.Table:
    """Keyed rows in time order: `amount` depends on shop, `fee` on amount, `level` on the key, `light` on the hour."""
    g = np.random.default_rng(seed)
    key = g.integers(0, keys, rows)
    shop = g.choice(["north", "south", "web"], rows, p=[0.5, 0.3, 0.2])
    amount = 20.0 + 30.0 * (shop == "web") + 10.0 * (shop == "south") + g.normal(0, 1.0, rows)
    level = key * 10.0 + g.normal(0, 1.0, rows)
    start = np.datetime64("2026-01-05T00:00:00", "us")
    times = start + (np.arange(rows) * 60_000_000).astype("m8[us]")
    light = 5.0 * np.sin(np.arange(rows) / 720.0 * np.pi) + g.normal(0, 0.5, rows)
    rare = np.where(g.random(rows) < 0.003, "odd", "usual")
    columns = {
        make_field("event", Kind.TEXT, [Role.ID]): pa.array([f"e{i}" for i in range(rows)]),
        make_field("time", Kind.TIME, [Role.TIME]): pa.array(times).cast(pa.timestamp("us", tz="UTC")),
        make_field("customer", Kind.CATEGORICAL, [Role.KEY], arrow_type=pa.int64()): pa.array(key),
        make_field("amount", Kind.NUMERIC, [Role.FEATURE]): pa.array(amount, mask=g.random(rows) < 0.05),
        make_field("fee", Kind.NUMERIC, [Role.FEATURE]): pa.array(amount * 0.1 + g.normal(0, 0.05, rows)),
        make_field("level", Kind.NUMERIC, [Role.FEATURE]): pa.array(level),
        make_field("light", Kind.NUMERIC, [Role.FEATURE]): pa.array(light),
        make_field("items", Kind.NUMERIC, [Role.FEATURE], arrow_type=pa.int64()): pa.array(g.poisson(3, rows)),
        make_field("shop", Kind.CATEGORICAL, [Role.FEATURE]): pa.array(shop.tolist(), mask=g.random(rows) < 0.02),
        make_field("mood", Kind.CATEGORICAL, [Role.FEATURE]): pa.array(rare.tolist()),
        make_field("code", Kind.CATEGORICAL, [Role.FEATURE], arrow_type=pa.int64()): pa.array(g.integers(0, 9, rows)),
        make_field("member", Kind.BOOLEAN, [Role.FEATURE]): pa.array(g.random(rows) < 0.5),
        make_field("note", Kind.TEXT): pa.array(["text"] * rows),
    }
    return pa.table(list(columns.values()), schema=pa.schema(list(columns)))
