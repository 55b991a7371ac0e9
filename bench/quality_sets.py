"""Public sets and a simulated stream as windows: a first part to infer a suite from, later parts to hold against it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from detectors.columns import Kind, Role, make_field
from pipeline.expectations.window import Window, table_window

DAY_MS = 86_400_000
UTC = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySet:
    """One set, cut into what a suite is inferred from and clean windows after it."""

    name: str
    reference: Window
    later: tuple[Window, ...]
    window_hours: float
    units: str | None
    """The column whose unit shifts."""
    swapped: tuple[str, str] | None
    """Columns that change places."""
    nulls: str
    """The column that loses 30% of its values."""
    time: str | None


def fraud(folder: Path) -> QualitySet:
    """Simulated card payments: 30 days to infer from, 30 days after."""
    table = pq.read_table(folder / "fraud_handbook.parquet")
    fields = [
        make_field("TRANSACTION_ID", Kind.TEXT, [Role.ID]),
        make_field("TX_DATETIME", Kind.TIME, [Role.TIME]),
        make_field("CUSTOMER_ID", Kind.CATEGORICAL, [Role.KEY], arrow_type=pa.int64()),
        make_field("TERMINAL_ID", Kind.CATEGORICAL, [Role.FEATURE], arrow_type=pa.int64()),
        make_field("TX_AMOUNT", Kind.NUMERIC, [Role.FEATURE]),
        make_field("TX_FRAUD", Kind.CATEGORICAL, [Role.LABEL], arrow_type=pa.int64()),
    ]
    return by_day(
        "fraud", table, fields, "TX_DATETIME", reference=30, later=30, units="TX_AMOUNT",
        swapped=("CUSTOMER_ID", "TERMINAL_ID"), nulls="TX_AMOUNT",
    )  # fmt: skip


def darpa(folder: Path) -> QualitySet:
    """Network connections with a clock of minutes: 10 days to infer from, 5 after."""
    first = pa.scalar(DAY_MS * 1000 * 16, pa.int64())
    table = pq.read_table(folder / "darpa98.parquet")
    start = pc.min(table["ts"].cast(pa.int64())).as_py()
    table = table.filter(pc.less(table["ts"].cast(pa.int64()), pa.scalar(start + first.as_py())))
    fields = [
        make_field("src", Kind.CATEGORICAL, [Role.KEY, Role.FEATURE]),
        make_field("dst", Kind.CATEGORICAL, [Role.FEATURE]),
        make_field("ts", Kind.TIME, [Role.TIME]),
    ]
    return by_day(
        "darpa98", table, fields, "ts", reference=10, later=5, units=None, swapped=("src", "dst"), nulls="dst"
    )


def jumpstarter(folder: Path) -> QualitySet:
    """Service metrics every five minutes, the part without labelled faults: 12 days to infer from, 8 after."""
    table = pq.read_table(folder / "jumpstarter_d2.parquet", filters=pc.field("split") == "train")
    step = table["t"].cast(pa.int64()).to_numpy()
    moments = (step * 300_000_000 + 1_599_955_200_000_000).astype("datetime64[us]")
    table = table.append_column("time", pa.array(moments))
    metrics = [make_field(f"m{n}", Kind.NUMERIC, [Role.FEATURE]) for n in range(19)]
    fields = [make_field("service", Kind.CATEGORICAL, [Role.KEY]), make_field("time", Kind.TIME, [Role.TIME]), *metrics]
    return by_day(
        "jumpstarter", table, fields, "time", reference=12, later=8, units="m3", swapped=("m0", "m7"), nulls="m5"
    )


def adult(folder: Path) -> QualitySet:
    """A table of people without times: shuffled; 60% to infer from, four windows after."""
    return _table(
        "adult", folder / "adult_48842.parquet", units="fnlwgt", swapped=("age", "hours_per_week"), nulls="occupation"
    )


def bank(folder: Path) -> QualitySet:
    """A marketing campaign without times, as `adult`."""
    return _table(
        "bank", folder / "bank_marketing.parquet", units="duration", swapped=("housing", "contact"), nulls="job"
    )


def payments() -> QualitySet:
    """The demo's simulated payments: 14 days to infer from, 7 after."""
    from pipeline.demo.payments import SimulationConfig, simulate, stream_spec

    table = simulate(SimulationConfig(days=21.0))
    spec = stream_spec()
    fields = list(spec.schema())
    return by_day(
        "payments", table, fields, "time", reference=14, later=7, units="amount_eur",
        swapped=("category", "channel"), nulls="amount_eur",
    )  # fmt: skip


def by_day(
    name: str,
    table: pa.Table,
    fields: Sequence[pa.Field],
    time: str,
    *,
    reference: int,
    later: int,
    units: str | None,
    swapped: tuple[str, str] | None,
    nulls: str,
) -> QualitySet:
    """The first days of a table under a schema to infer from, the days after as windows."""
    schema = pa.schema(fields)
    moments = table[time]
    table = table.set_column(
        table.column_names.index(time), time, moments.cast(pa.timestamp("us"), safe=False).cast(UTC)
    )
    table = table.select(schema.names).cast(schema)
    order = pc.array_sort_indices(table[time])
    whole = table_window(table.take(order), schema, time=time)
    times = whole.times_ms
    assert times is not None
    assert whole.start_ms is not None
    start = whole.start_ms // DAY_MS * DAY_MS
    days = [(start + n * DAY_MS, start + (n + 1) * DAY_MS) for n in range(reference + later)]

    def part(low: int, high: int) -> Window:
        return whole.part((times >= low) & (times < high), start_ms=low, end_ms=high)

    return QualitySet(
        name=name,
        reference=part(start, days[reference][0]),
        later=tuple(part(low, high) for low, high in days[reference:]),
        window_hours=24.0,
        units=units,
        swapped=swapped,
        nulls=nulls,
        time=time,
    )


def _table(name: str, path: Path, *, units: str, swapped: tuple[str, str], nulls: str) -> QualitySet:
    table = pq.read_table(path)
    fields = []
    for field in table.schema:
        if pa.types.is_integer(field.type):
            fields.append(make_field(field.name, Kind.NUMERIC, [Role.FEATURE], arrow_type=pa.int64()))
        else:
            fields.append(make_field(field.name, Kind.CATEGORICAL, [Role.FEATURE]))
    return shuffled(name, table.cast(pa.schema(fields)), units=units, swapped=swapped, nulls=nulls)


def shuffled(name: str, table: pa.Table, *, units: str, swapped: tuple[str, str], nulls: str) -> QualitySet:
    """A table without times: 60% of its rows at random to infer from, four tenths after."""
    order = np.random.default_rng(0).permutation(table.num_rows)
    whole = table_window(table.take(pa.array(order)), table.schema)
    place = np.arange(len(order)) / len(order)
    parts = [(0.6 + 0.1 * n, 0.7 + 0.1 * n) for n in range(4)]
    return QualitySet(
        name=name,
        reference=whole.part(place < 0.6),
        later=tuple(whole.part((place >= low) & (place < high)) for low, high in parts),
        window_hours=24.0,
        units=units,
        swapped=swapped,
        nulls=nulls,
        time=None,
    )


def full_windows(of: QualitySet, most: int = 3) -> list[Window]:
    """Some of the later windows, those with at least half the usual rows."""
    hours = of.reference.hours
    usual = of.reference.rows * (of.window_hours / hours if hours is not None else 1 / 6)
    full = [window for window in of.later if window.rows >= usual / 2]
    return full[:: max(1, len(full) // most)][:most]


SETS: dict[str, Callable[[Path], QualitySet]] = {
    "fraud": fraud, "darpa98": darpa, "jumpstarter": jumpstarter, "adult": adult, "bank": bank,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A window with one fault, and what a reason must say to name it."""

    fault: str
    window: Window
    names: tuple[str, ...]
    """All of them in one reason."""


def planted(of: QualitySet, window: Window, *, seed: int = 0) -> Iterator[Planted]:
    """Every fault that the set can have, one at a time."""
    table = window.table
    gone = np.random.default_rng(seed).random(window.looked_at) < 0.3
    nulls = pc.if_else(pa.array(gone), pa.scalar(None, table[of.nulls].type), table[of.nulls])
    yield Planted(fault="nulls", window=_with(window, {of.nulls: nulls}), names=(of.nulls, "missing"))
    if of.units is not None:
        for name, factor in (("units ×1000", 1000), ("cents ×100", 100)):
            values = pc.multiply(table[of.units], pa.scalar(factor, table[of.units].type))
            yield Planted(fault=name, window=_with(window, {of.units: values}), names=(of.units, "another unit"))
    if of.swapped is not None:
        one, other = of.swapped
        values = {one: table[other], other: table[one]}
        yield Planted(fault="swapped", window=_with(window, values), names=(one, other, "swapped"))
    if of.time is not None and window.times_ms is not None:
        yield from _of_time(of.time, window)


def _of_time(time: str, window: Window) -> Iterator[Planted]:
    times = window.times_ms
    assert times is not None
    stuck = np.arange(len(times)) >= round(0.6 * len(times))
    stopped = np.where(stuck, times[np.argmax(stuck)], times)
    yield Planted(fault="stale clock", window=_dated(window, time, stopped), names=("clock", "stands still"))
    hours = times // 3_600_000
    busiest = np.bincount(hours - hours.min()).argmax() + hours.min()
    again = np.flatnonzero(hours == busiest)
    order = np.sort(np.concatenate([np.arange(len(times)), again]), kind="stable")
    doubled = window.part(np.ones(len(times), np.bool_), start_ms=window.start_ms, end_ms=window.end_ms)
    doubled = replace(
        doubled, table=window.table.take(pa.array(order)), sources=np.zeros(len(order), np.int64), rows=len(order)
    )
    yield Planted(fault="duplicated hour", window=_dated(doubled, time, times[order]), names=("rows", "twice"))


def _dated(window: Window, time: str, times_ms: np.ndarray) -> Window:
    hours, counts = np.unique(times_ms // 3_600_000, return_counts=True)
    moments = pa.array((times_ms * 1000).astype("datetime64[us]")).cast(UTC)
    table = window.table.set_column(window.table.column_names.index(time), time, moments)
    hourly = {int(h): int(c) for h, c in zip(hours, counts, strict=True)}
    return replace(window, table=table, times_ms=times_ms, hourly=hourly)


def _with(window: Window, columns: dict[str, pa.ChunkedArray]) -> Window:
    table = window.table
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return replace(window, table=table)
