"""Sets that nobody looked at while the rules of expectations were chosen: what is found on them is out of sample."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.quality_sets import DAY_MS, QualitySet, by_day, shuffled
from detectors.columns import Kind, Role, make_field
from pipeline.expectations.window import table_window

MOST_ATTACKS = 0.01
"""The share of attacks up to which a window of connections counts as clean."""


def kdd_http(folder: Path) -> QualitySet:
    """Web connections in their own order, no clock: the first 30%, then tenths with at most 1% of attacks."""
    table = pq.read_table(folder / "kdd99_10pct.parquet", filters=pc.field("service") == "http")
    attack = pc.not_equal(table["label"], "normal.").to_numpy()
    table = table.drop_columns(["label", "service"])
    fields = [
        make_field(field.name, Kind.CATEGORICAL, [Role.FEATURE])
        if pa.types.is_large_string(field.type)
        else make_field(field.name, Kind.NUMERIC, [Role.FEATURE])
        for field in table.schema
    ]
    schema = pa.schema(fields)
    whole = table_window(table.cast(schema), schema)
    place = np.arange(whole.rows) / whole.rows
    parts = [(place >= 0.3 + 0.1 * n) & (place < 0.4 + 0.1 * n) for n in range(7)]
    return QualitySet(
        name="kdd99 http",
        reference=whole.part(place < 0.3),
        later=tuple(whole.part(part) for part in parts if attack[part].mean() <= MOST_ATTACKS),
        window_hours=24.0,
        units="src_bytes",
        swapped=("src_bytes", "dst_bytes"),
        nulls="count",
        time=None,
    )


def magic(folder: Path) -> QualitySet:
    """Light pulses of a telescope, numbers alone: shuffled; 60% to infer from, four windows after."""
    table = pq.read_table(folder / "adbench" / "magic.gamma.parquet").drop_columns(["label"])
    fields = [make_field(name, Kind.NUMERIC, [Role.FEATURE]) for name in table.column_names]
    return shuffled("magic.gamma", table.cast(pa.schema(fields)), units="x0", swapped=("x0", "x3"), nulls="x5")


def incidents(folder: Path) -> QualitySet:
    """Steps of incidents: the 28 days before 60% of the rows had come to infer from, 14 days after."""
    table = pq.read_table(folder / "bpic2013_incidents.parquet")
    moments = pc.assume_timezone(
        pc.strptime(pc.utf8_slice_codeunits(table["time:timestamp"], 0, 19), "%Y-%m-%dT%H:%M:%S", "us"), "UTC"
    )
    names = ("org:group", "resource country", "org:role", "concept:name", "impact", "product", "lifecycle:transition")
    made = {"case": table["case:concept:name"], "time": moments, **{name: table[name] for name in names}}
    since = np.sort(moments.cast(pa.int64()).to_numpy())[round(0.6 * table.num_rows)] // 1000 // DAY_MS - 28
    known = pa.table(made).filter(pc.greater_equal(moments.cast(pa.int64()), pa.scalar(int(since) * DAY_MS * 1000)))
    fields = [
        make_field("case", Kind.CATEGORICAL, [Role.KEY]),
        make_field("time", Kind.TIME, [Role.TIME]),
        *(make_field(name, Kind.CATEGORICAL, [Role.FEATURE]) for name in names),
    ]
    return by_day(
        "incidents", known, fields, "time", reference=28, later=14, units=None,
        swapped=("resource country", "impact"), nulls="product",
    )  # fmt: skip


UNSEEN: dict[str, Callable[[Path], QualitySet]] = {"kdd99 http": kdd_http, "magic.gamma": magic, "incidents": incidents}
