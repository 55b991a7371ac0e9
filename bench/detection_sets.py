"""Labelled public sets by their protocols, as enriched tables: train on the first part, anomalies left in.

| set | training part | scored part | keys of the context |
|---|---|---|---|
| kdd99, one service | first 30% | the rest | none: it has neither clock nor key |
| darpa98 | 1–16 June 1998 | the next 400,000 rows | source, destination, and the pair |
| fraud | first 60 days | the next 30 days | customer, terminal |

Context is derived row by row in the stream's order and goes on through the scored part, as it does in service. The
files are looked for in the folder that EDDYLINE_DATA names.
"""

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from detectors.columns import Kind, Role, make_field
from detectors.context import ContextEnrichment, ContextSettings, context_settings_defaults

BoolArray = npt.NDArray[np.bool_]

DARPA_TRAIN_ROWS = 394_822
DARPA_TEST_ROWS = 400_000
FRAUD_TRAIN_DAYS, FRAUD_TEST_DAYS = 60, 30
KDD_TRAIN_SHARE = 0.3
DARPA_KEYS = (("src",), ("dst",), ("src", "dst"))
FRAUD_KEYS = (("CUSTOMER_ID",), ("TERMINAL_ID",))


@dataclass(frozen=True, slots=True)
class DetectionSet:
    """One set by its protocol. Labels are for evaluation, those of training too; no detector is handed them."""

    name: str
    train: pa.Table
    test: pa.Table
    train_labels: BoolArray
    test_labels: BoolArray


def kdd99(service: str, *, folder: Path | None = None) -> DetectionSet:
    """The connections of one service ("http", "smtp"); categories as such, everything else as numbers."""
    table = pq.read_table(_data_folder(folder) / "kdd99_10pct.parquet")
    table = table.filter(pc.equal(table["service"].cast(pa.string()), service))
    labels = pc.not_equal(table["label"].cast(pa.string()), "normal.").to_numpy()
    fields, columns = [], []
    for field in table.drop_columns(["label"]).schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        fields.append(make_field(field.name, Kind.NUMERIC if number else Kind.CATEGORICAL, [Role.FEATURE]))
        columns.append(table[field.name].cast(fields[-1].type))
    cut = int(KDD_TRAIN_SHARE * len(labels))
    return _cut(f"kdd99 {service}", pa.table(columns, schema=pa.schema(fields)), labels, cut)


def darpa98(
    *, context: bool = True, settings: Sequence[ContextSettings] | None = None, folder: Path | None = None
) -> DetectionSet:
    """DARPA 1998 flows. Without context a row is its time of day, its source and its destination."""
    path = _data_folder(folder) / "darpa98.parquet"
    raw = pq.read_table(path, columns=["src", "dst", "ts", "label"]).slice(0, DARPA_TRAIN_ROWS + DARPA_TEST_ROWS)
    fields = [
        make_field("src", Kind.CATEGORICAL, [Role.KEY] if context else [Role.KEY, Role.FEATURE]),
        make_field("dst", Kind.CATEGORICAL, [Role.KEY] if context else [Role.KEY, Role.FEATURE]),
        make_field("ts", Kind.TIME, [Role.TIME, Role.FEATURE]),
    ]
    columns = [raw["src"].cast(pa.string()), raw["dst"].cast(pa.string()), raw["ts"].cast(fields[2].type)]
    table = pa.table(columns, schema=pa.schema(fields))
    if context:
        table = enriched(table, "ts", settings or default_settings(table.schema, DARPA_KEYS))
    return _cut("darpa98", table, raw["label"].to_numpy() != 0, DARPA_TRAIN_ROWS)


def fraud(
    *, context: bool = True, settings: Sequence[ContextSettings] | None = None, folder: Path | None = None
) -> DetectionSet:
    """The Fraud Detection Handbook's simulated payments. Without context a row is its amount and its time."""
    columns = ["TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD"]
    raw = pq.read_table(_data_folder(folder) / "fraud_handbook.parquet", columns=columns)
    raw = raw.set_column(0, "TX_DATETIME", raw["TX_DATETIME"].cast(pa.timestamp("us", tz="UTC"), safe=False))
    first = pc.min(raw["TX_DATETIME"]).as_py().replace(hour=0, minute=0, second=0, microsecond=0)
    end = first + datetime.timedelta(days=FRAUD_TRAIN_DAYS)
    raw = raw.filter(pc.less(raw["TX_DATETIME"], end + datetime.timedelta(days=FRAUD_TEST_DAYS)))
    fields = [
        make_field("TX_DATETIME", Kind.TIME, [Role.TIME, Role.FEATURE]),
        make_field("CUSTOMER_ID", Kind.CATEGORICAL, [Role.KEY], arrow_type=pa.int64()),
        make_field("TERMINAL_ID", Kind.CATEGORICAL, [Role.KEY], arrow_type=pa.int64()),
        make_field("TX_AMOUNT", Kind.NUMERIC, [Role.FEATURE]),
    ]
    labels = raw["TX_FRAUD"].to_numpy() != 0
    cut = pc.sum(pc.less(raw["TX_DATETIME"], end)).as_py()
    table = pa.table([raw[f.name].cast(f.type) for f in fields], schema=pa.schema(fields))
    if context:
        table = enriched(table, "TX_DATETIME", settings or default_settings(table.schema, FRAUD_KEYS))
    return _cut("fraud", table, labels, cut)


def default_settings(schema: pa.Schema, keys: Sequence[tuple[str, ...]]) -> list[ContextSettings]:
    """What a spec that names no more than these keys would get."""
    return [context_settings_defaults(schema, key=key) for key in keys]


def enriched(table: pa.Table, time: str, settings: Sequence[ContextSettings]) -> pa.Table:
    """`table` with every context's columns appended, its rows taken in their order as one partition."""
    times_ms = table[time].cast(pa.timestamp("ms", tz="UTC"), safe=False).cast(pa.int64()).to_numpy()
    batch = table.combine_chunks().to_batches()[0]
    for one in settings:
        batch = ContextEnrichment(one, table.schema).advance(batch, times_ms)
    return pa.Table.from_batches([batch])


def _cut(name: str, table: pa.Table, labels: BoolArray, cut: int) -> DetectionSet:
    return DetectionSet(name, table.slice(0, cut), table.slice(cut), labels[:cut], labels[cut:])


def _data_folder(folder: Path | None) -> Path:
    named = folder or os.environ.get("EDDYLINE_DATA")
    if not named:
        raise FileNotFoundError("EDDYLINE_DATA names no folder: set it to the one that holds the public data sets")
    return Path(named)
