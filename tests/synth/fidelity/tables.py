"""Tables whose columns depend on each other, and what spoils them by degrees."""

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, Role, make_field

START_US = 1_700_000_000_000_000
DAY_US = 86_400_000_000
CITIES = ("Aveiro", "Braga", "Coimbra", "Douro", "Evora", "Faro")


def people(rows: int, seed: int) -> pa.Table:
    """Age, pay (some missing) that grows with age, a city that goes with pay, a flag, a moment, a label, an identifier
    and a personal name."""
    g = np.random.default_rng(seed)
    age = g.integers(18, 80, rows)
    pay = np.round(900 + 35 * age * g.lognormal(0, 0.25, rows), 2)
    missing = g.random(rows) < 0.05
    city = np.clip((pay / 800).astype(int) + g.integers(-1, 2, rows), 0, len(CITIES) - 1)
    flag = g.random(rows) < 1 / (1 + np.exp((age - 50) / 6))
    hour = np.clip(g.normal(np.where(flag, 20, 10), 2, rows), 0, 23.99)
    when = START_US // DAY_US * DAY_US + g.integers(0, 28, rows) * DAY_US + (hour * 3_600_000_000).astype(np.int64)
    label = np.where(pay + 400 * flag + g.normal(0, 300, rows) > 3_000, "high", "low")
    names = np.array([f"person {value}" for value in g.integers(0, 10_000_000, rows)])
    fields = [
        make_field("age", Kind.NUMERIC, [Role.FEATURE], arrow_type=pa.int64()),
        make_field("pay", Kind.NUMERIC, [Role.FEATURE]),
        make_field("city", Kind.CATEGORICAL, [Role.FEATURE]),
        make_field("flag", Kind.BOOLEAN, [Role.FEATURE]),
        make_field("when", Kind.TIME, [Role.TIME]),
        make_field("label", Kind.CATEGORICAL, [Role.LABEL]),
        make_field("event", Kind.TEXT, [Role.ID]),
        make_field("name", Kind.CATEGORICAL, [Role.PERSONAL]),
    ]
    columns = [
        pa.array(age),
        pa.array(pay, mask=missing),
        pa.array(np.array(CITIES)[city]),
        pa.array(flag),
        pa.array(when, pa.timestamp("us", tz="UTC")),
        pa.array(label),
        pa.array([f"{seed}-{row}" for row in range(rows)]),
        pa.array(names),
    ]
    return pa.table(columns, schema=pa.schema(fields))


def apart(table: pa.Table, seed: int, share: float = 1.0) -> pa.Table:
    """A share of the rows with every column shuffled by itself among them."""
    g = np.random.default_rng(seed)
    spoiled = np.flatnonzero(g.random(table.num_rows) < share)
    columns = []
    for column in table.columns:
        order = np.arange(table.num_rows)
        order[spoiled] = g.permutation(spoiled)
        columns.append(column.take(pa.array(order)))
    return pa.table(columns, schema=table.schema)


def shuffled(table: pa.Table, seed: int) -> pa.Table:
    """The same rows in another order."""
    return table.take(pa.array(np.random.default_rng(seed).permutation(table.num_rows)))
