"""A small stream whose structure is known: customers with a level, a habit and shops of their own, busy by day."""

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, Role, make_field

DAY_US = 86_400_000_000
BEGIN_US = 1_767_571_200_000_000
"""Monday, 5 January 2026."""
SCHEMA = pa.schema(
    [
        make_field("event", Kind.TEXT, [Role.ID]),
        make_field("at", Kind.TIME, [Role.TIME]),
        make_field("customer", Kind.TEXT, [Role.KEY]),
        make_field("country", Kind.CATEGORICAL, [Role.FEATURE]),
        make_field("step", Kind.CATEGORICAL, [Role.FEATURE]),
        make_field("shop", Kind.CATEGORICAL, [Role.FEATURE], arrow_type=pa.int64()),
        make_field("amount", Kind.NUMERIC, [Role.FEATURE]),
        make_field("due", Kind.TIME, [Role.FEATURE]),
        make_field("bad", Kind.BOOLEAN, [Role.LABEL]),
    ]
)


def payments(customers: int = 150, days: int = 10, *, seed: int = 0) -> pa.Table:
    """Shuffled rows. Steps go open, pay, ship in that order; shops lie near one another; amounts keep to a level."""
    rng = np.random.default_rng(seed)
    count_K = rng.poisson(rng.uniform(3, 14, customers)) + 2
    key = np.repeat(np.arange(customers), count_K)
    rows = len(key)
    day = rng.integers(0, days, rows)
    second = np.clip(rng.normal(50_000, 9_000, rows), 0, 86_399).astype(np.int64)
    at = BEGIN_US + day * DAY_US + second * 1_000_000
    at = at[np.lexsort((at, key))]
    position = np.arange(rows) - np.repeat(np.cumsum(count_K) - count_K, count_K)
    amount = np.round(rng.lognormal(2 + key % 3, 0.2), 2)
    columns = {
        "event": [f"e-{n:07d}" for n in range(rows)],
        "at": pa.array(at).cast(pa.timestamp("us", tz="UTC")),
        "customer": [f"c{n:05d}" for n in key],
        "country": np.array(["BR", "DE", "FR"])[key % 3],
        "step": np.array(["open", "pay", "ship"])[position % 3],
        "shop": 5 * (key % 60) + rng.integers(0, 8, rows),
        "amount": pa.array(amount, mask=rng.random(rows) < 0.05),
        "due": pa.array(at + 3 * DAY_US).cast(pa.timestamp("us", tz="UTC")),
        "bad": (amount > 60) & (rng.random(rows) < 0.5),
    }
    table = pa.table([pa.array(columns[f.name], f.type) for f in SCHEMA], schema=SCHEMA)
    return table.take(pa.array(rng.permutation(rows)))
