"""Parts of public sets as keyed streams, in the types and roles that a spec would give them."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from detectors.columns import Kind, Role, make_field

UTC = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedSet:
    """One stream, in order of time."""

    name: str
    table: pa.Table
    key: str
    time: str
    label: str | None


def fraud_stream(folder: Path, *, customers: int = 1_000, days: int = 30) -> KeyedSet:
    """Card payments of the first customers and days; terminals are a second key."""
    first = pa.scalar(1_522_540_800_000_000, pa.timestamp("us"))
    last = pa.scalar(first.value + days * 86_400_000_000, pa.timestamp("us"))
    rows = pq.read_table(
        folder / "fraud_handbook.parquet",
        filters=(pc.field("CUSTOMER_ID") < customers) & (pc.field("TX_DATETIME") < last),
    )
    feature = [Role.FEATURE]
    fields = [
        make_field("TRANSACTION_ID", Kind.TEXT, [Role.ID], arrow_type=pa.int64()),
        make_field("TX_DATETIME", Kind.TIME, [Role.TIME]),
        make_field("CUSTOMER_ID", Kind.CATEGORICAL, [Role.KEY], arrow_type=pa.int64()),
        make_field("TERMINAL_ID", Kind.CATEGORICAL, feature, arrow_type=pa.int64()),
        make_field("TX_AMOUNT", Kind.NUMERIC, feature),
        make_field("TX_FRAUD", Kind.CATEGORICAL, [Role.LABEL], arrow_type=pa.int64()),
    ]
    table = _typed(rows, fields, "TX_DATETIME")
    return KeyedSet(name="fraud", table=table, key="CUSTOMER_ID", time="TX_DATETIME", label="TX_FRAUD")


def incident_stream(folder: Path, *, every: int = 1) -> KeyedSet:
    """Incident handling: a key is a case, an event what was done to it; of every so manieth case."""
    rows = pq.read_table(folder / "bpic2013_incidents.parquet")
    moments = pc.strptime(
        pc.replace_substring_regex(rows["time:timestamp"], r"(\.\d+)?[+-]\d\d:\d\d$", ""), "%Y-%m-%dT%H:%M:%S", "us"
    )
    rows = rows.set_column(rows.column_names.index("time:timestamp"), "time:timestamp", moments)
    key, time = "case:concept:name", "time:timestamp"
    fields = []
    for name in rows.column_names:
        if name == time:
            fields.append(make_field(name, Kind.TIME, [Role.TIME]))
        else:
            fields.append(make_field(name, Kind.CATEGORICAL, [Role.KEY if name == key else Role.FEATURE]))
    number = pc.rank(rows[key].cast(pa.string()).combine_chunks(), tiebreaker="dense").to_numpy()
    return KeyedSet(
        name="incidents", table=_typed(rows.filter(number % every == 0), fields, time), key=key, time=time, label=None
    )


def connection_stream(folder: Path, *, every: int = 6) -> KeyedSet:
    """Connections of darpa98's first 16 days by destination, of every so manieth one; the clock counts minutes."""
    last = pa.scalar(datetime.datetime(1998, 6, 17), pa.timestamp("us"))
    rows = pq.read_table(
        folder / "darpa98.parquet", columns=["src", "dst", "ts", "label"], filters=pc.field("ts") < last
    )
    number = pc.rank(rows["dst"].cast(pa.string()).combine_chunks(), tiebreaker="dense").to_numpy()
    fields = [
        make_field("dst", Kind.CATEGORICAL, [Role.KEY]),
        make_field("src", Kind.CATEGORICAL, [Role.FEATURE]),
        make_field("ts", Kind.TIME, [Role.TIME]),
        make_field("label", Kind.CATEGORICAL, [Role.LABEL], arrow_type=pa.int64()),
    ]
    table = _typed(rows.filter(pa.array(number % every == 0)), fields, "ts")
    return KeyedSet(name="connections", table=table, key="dst", time="ts", label="label")


def _typed(rows: pa.Table, fields: list[pa.Field], time: str) -> pa.Table:
    """The columns of the fields, by time; clocks without a zone are taken as UTC."""
    schema = pa.schema(fields)
    columns = []
    for field in fields:
        column = rows[field.name]
        if field.name == time:
            column = column.cast(pa.timestamp("us"), safe=False).cast(UTC)
        columns.append(column.cast(field.type))
    return pa.table(columns, schema=schema).sort_by(time).combine_chunks()
