"""Windows of a simulated stream, suites inferred from it, and an archive that holds it."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.quality_sets import DAY_MS, QualitySet, payments
from detectors.columns import Kind, Role
from pipeline.clock import ManualClock
from pipeline.config import BudgetSpec, ColumnSpec, StreamSpec, TimeUnit
from pipeline.expectations.asked import asked_of
from pipeline.expectations.build import About
from pipeline.expectations.diagnosis import reasons
from pipeline.expectations.document import Subject
from pipeline.expectations.inference import Inferred, infer
from pipeline.expectations.judge import judged
from pipeline.expectations.suite import Suite
from pipeline.expectations.window import Window, table_window
from pipeline.lake import Lake

START_MS = 1_767_571_200_000
HOUR_MS = 3_600_000


@cache
def simulated() -> QualitySet:
    """The demo's payments: 14 days of reference, 7 days after."""
    return payments()


@cache
def inferred_of_simulated() -> Inferred:
    of = simulated()
    return infer(of.reference, stream="payments", window_hours=24.0, now_ms=START_MS)


def reasons_for(window: Window, suite: Suite) -> tuple[str, ...]:
    return reasons(list(judged(window, suite, asked_of(suite))), window, suite)


def about(stream: str = "payments", personal: tuple[str, ...] = ()) -> About:
    return About(
        stream=stream, subject=Subject.ARCHIVE, result_id="r", created_ms=ManualClock().now_ms(), personal=personal
    )


def orders_spec() -> StreamSpec:
    """Orders of people: an amount, a country, an e-mail address, a flag."""
    scored = frozenset({Role.FEATURE})
    return StreamSpec(
        stream="orders",
        topic="orders",
        columns=(
            ColumnSpec(name="order_id", kind=Kind.TEXT, roles=frozenset({Role.ID})),
            ColumnSpec(name="at", kind=Kind.TIME, roles=frozenset({Role.TIME}), unit=TimeUnit.MILLISECONDS),
            ColumnSpec(name="customer", kind=Kind.CATEGORICAL, roles=frozenset({Role.KEY})),
            ColumnSpec(name="email", kind=Kind.TEXT, roles=frozenset({Role.PERSONAL})),
            ColumnSpec(name="amount", kind=Kind.NUMERIC, roles=scored),
            ColumnSpec(name="country", kind=Kind.CATEGORICAL, roles=scored),
            ColumnSpec(name="express", kind=Kind.BOOLEAN, roles=scored),
        ),
        budget=BudgetSpec(alerts_per_day=10),
    )


def orders(days: float, *, rows_a_day: int = 3_000, seed: int = 0, first_day: int = 0) -> pa.Table:
    """Orders in order of time, under the spec's schema."""
    rng = np.random.default_rng(seed)
    rows = round(days * rows_a_day)
    times = START_MS + first_day * DAY_MS + np.sort(rng.integers(0, round(days * DAY_MS), rows))
    customer = rng.integers(0, 200, rows)
    made = {
        "order_id": pa.array([f"o{seed}-{n}" for n in range(rows)]),
        "at": pa.array(times, pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "UTC")),
        "customer": pa.array([f"c{n}" for n in customer]),
        "email": pa.array([f"person{n}@example.org" for n in customer]),
        "amount": pa.array(rng.lognormal(3.0, 0.8, rows)),
        "country": pa.array(np.array(["BR", "PT", "DE", "FR"])[rng.choice(4, rows, p=[0.5, 0.3, 0.15, 0.05])]),
        "express": pa.array(rng.random(rows) < 0.2),
    }
    return pa.table(made).cast(orders_spec().schema())


def orders_window(days: float, *, seed: int = 0, first_day: int = 0, rows_a_day: int = 3_000) -> Window:
    table = orders(days, seed=seed, first_day=first_day, rows_a_day=rows_a_day)
    window = table_window(table, orders_spec().schema(), time="at")
    start = START_MS + first_day * DAY_MS
    return replace(window, start_ms=start, end_ms=start + round(days * DAY_MS))


@cache
def orders_suite() -> Suite:
    """Inferred from ten days of orders."""
    return infer(orders_window(10.0), stream="orders", window_hours=24.0, now_ms=START_MS).suite


def with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    at = table.column_names.index(name)
    return table.set_column(at, table.schema.field(at), values.cast(table.schema.field(at).type))


def without_some(table: pa.Table, name: str, share: float) -> pa.Table:
    """A share of a column's values gone."""
    kept = np.random.default_rng(5).random(table.num_rows) >= share
    values = table[name].to_numpy(zero_copy_only=False)
    return with_column(table, name, pa.array(values, mask=~kept))


def archive(lake: Lake, table: pa.Table, *, stream: str = "orders", first: int = 0) -> None:
    """One file of one partition."""
    times = table["at"].cast(pa.timestamp("ms", "UTC"))
    rows = table.num_rows
    system = {
        "_partition": pa.array(np.zeros(rows), pa.int32()),
        "_offset": pa.array(np.arange(first, first + rows)),
        "_row": pa.array(np.zeros(rows), pa.int32()),
        "_append_time": pa.array(np.asarray(times.cast(pa.int64())) + 300, pa.timestamp("ms", "UTC")),
        "_time": times,
        "_schema_version": pa.array(np.ones(rows), pa.int32()),
    }
    for name, values in system.items():
        table = table.append_column(name, values)
    path = Path(lake.real(stream)) / "topic" / "date=2026-01-05" / f"p0-{first}-{first + rows}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
