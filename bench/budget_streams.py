"""Public sets as scored streams, for `bench budget`: what a detector trained on the first part says of the rest.

Each stream is cut in order of time, its anomalies left in: the first part is learned from and, its newest quarter,
calibrated on; the rest is streamed. Tables without an order are cut as halves of a seeded shuffle. A budget that is
recalibrated needs a clock: kdd99 was taken over seven weeks, and its rows are spread evenly over them; tables are
spread over thirty days.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from detectors.columns import Kind, Role, make_field

FloatArray = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

TABLES = ("ALOI", "campaign", "celeba", "magic.gamma", "mnist", "optdigits", "skin", "SpamBase")
"""Those of ADBench with at least 2,000 ordinary rows, a budget being rare events."""
DAY_MS = 86_400_000
KDD_DAYS, TABLE_DAYS = 49, 30
KEYS_KEPT = 4
"""One in so many customers, sources: a benchmark has minutes."""
NAB_FIRST_SHARE = 0.15
NAB_DAYS = 30
STEP_MS = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RawStream:
    """Rows in order of time; the first `first` are learned from."""

    name: str
    features: pd.DataFrame
    labels: Mask
    first: int
    times_ms: Int64Array
    share: float
    """The budget: alerts per event."""
    groups: npt.NDArray[np.object_] | None = None
    gap_seconds: float = 300.0
    calibration_share: float = 0.25
    """Of the first rows."""

    @property
    def cut(self) -> int:
        """Rows before are fitted on; from here to `first` calibrated on."""
        return self.first - round(self.first * self.calibration_share)

    def table(self) -> pa.Table:
        """The features as a detector takes them."""
        fields, columns = [], []
        for name in self.features:
            numeric = pd.api.types.is_numeric_dtype(self.features[name])
            fields.append(make_field(str(name), Kind.NUMERIC if numeric else Kind.CATEGORICAL, [Role.FEATURE]))
            values = self.features[name].astype("float64") if numeric else self.features[name].astype("str")
            columns.append(pa.array(values, from_pandas=True).cast(fields[-1].type))
        return pa.table(columns, schema=pa.schema(fields))


def raw_streams(folder: Path) -> Iterator[RawStream]:
    """Every stream of the benchmark."""
    yield from _connections(folder)
    yield _payments(folder)
    yield _flows(folder)
    yield _services(folder)
    yield _series(folder)
    for name in TABLES:
        yield _shuffled(folder, name)


def _connections(folder: Path) -> Iterator[RawStream]:
    """Slices of kdd99: no clock, no key."""
    every = pq.read_table(folder / "kdd99_10pct.parquet").to_pandas()
    for service, share in (("http", 0.005), ("smtp", 0.015)):
        rows = every[every["service"] == service]
        labels = (rows["label"] != "normal.").to_numpy()
        yield RawStream(
            name=service,
            features=rows.drop(columns="label"),
            labels=labels,
            first=int(0.3 * len(rows)),
            times_ms=_even_clock(len(rows), KDD_DAYS),
            share=share,
        )


def _payments(folder: Path) -> RawStream:
    rows = pq.read_table(folder / "fraud_handbook.parquet").to_pandas()
    rows = rows[rows["CUSTOMER_ID"] % KEYS_KEPT == 0]
    day = (rows["TX_DATETIME"] - rows["TX_DATETIME"].min()).dt.days
    rows = rows[day < 90].sort_values("TX_DATETIME", kind="stable")
    times = rows["TX_DATETIME"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    own = rows.groupby("CUSTOMER_ID")["TX_AMOUNT"]
    usual = own.transform(lambda amounts: amounts.expanding().mean().shift())
    features = pd.DataFrame(
        {
            "amount": rows["TX_AMOUNT"],
            "hour": rows["TX_DATETIME"].dt.hour,
            "over_usual": rows["TX_AMOUNT"] / usual.clip(lower=1.0),
            "seconds_since_last": rows.groupby("CUSTOMER_ID")["TX_DATETIME"].diff().dt.total_seconds(),
        }
    )
    first = int(np.searchsorted(times, times[0] + 60 * DAY_MS))
    labels, keys = rows["TX_FRAUD"].to_numpy() > 0, rows["CUSTOMER_ID"].to_numpy().astype(object)
    return RawStream(
        name="fraud", features=features, labels=labels, first=first, times_ms=times, share=0.002, groups=keys
    )


def _flows(folder: Path) -> RawStream:
    """darpa98: counts so far in the minute, of the source, the destination and the pair."""
    rows = pq.read_table(folder / "darpa98.parquet").slice(0, 794_822).to_pandas()
    learned = np.arange(len(rows)) < 394_822
    kept = pd.util.hash_array(rows["src"].to_numpy(dtype=object)) % KEYS_KEPT == 0
    rows, learned = rows[kept], learned[kept]
    features = pd.DataFrame(
        {
            f"{'_'.join(key)}_in_minute": np.log1p(rows.groupby([*key, "ts"]).cumcount())
            for key in (["src"], ["dst"], ["src", "dst"])
        }
    )
    for name in ("src", "dst"):
        features[f"{name}_seen"] = np.log1p(rows.groupby(name).cumcount())
    times = rows["ts"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    return RawStream(
        name="darpa98",
        features=features,
        labels=rows["label"].to_numpy() > 0,
        first=int(learned.sum()),
        times_ms=times,
        share=0.003,
        groups=rows["src"].to_numpy(dtype=object),
    )


def _services(folder: Path) -> RawStream:
    """jumpstarter: 19 metrics of 30 services, each scaled by its service's first 20 days."""
    rows = pq.read_table(folder / "jumpstarter_d2.parquet").to_pandas()
    learned = (rows["split"] == "train").to_numpy()
    step = rows["t"].to_numpy() + np.where(learned, 0, 5_760)
    order = np.lexsort((rows["service"].to_numpy(dtype=str), step))
    rows, learned, step = rows.iloc[order], learned[order], step[order]
    metrics = [name for name in rows if str(name).startswith("m")]
    values, service = rows[metrics].astype("float64"), rows["service"].to_numpy(dtype=object)
    before = values[learned].groupby(service[learned])
    center, spread = before.mean().loc[service].to_numpy(), before.std().loc[service].to_numpy()
    features = ((values - center) / np.where(spread > 0, spread, 1.0)).clip(-50.0, 50.0)
    labels = rows["label"].fillna(0).to_numpy() > 0
    times = step.astype(np.int64) * STEP_MS
    return RawStream(
        name="services",
        features=features,
        labels=labels,
        first=int(learned.sum()),
        times_ms=times,
        share=0.002,
        groups=service,
        gap_seconds=600.0,
    )


def _series(folder: Path) -> RawStream:
    """nab: every series' value and its change, scaled by the series' first 15%; series side by side, over 30 days."""
    rows = pq.read_table(folder / "nab.parquet").to_pandas()
    rows["share"] = rows.groupby("series").cumcount() / rows.groupby("series")["value"].transform("size")
    rows = rows.sort_values("share", kind="stable")
    learned = (rows["share"] < NAB_FIRST_SHARE).to_numpy()
    rows["change"] = rows.groupby("series")["value"].diff().fillna(0.0)
    before, series = rows[learned].groupby("series")[["value", "change"]], rows["series"].to_numpy(dtype=object)
    center, spread = before.median().loc[series].to_numpy(), before.std().loc[series].to_numpy()
    features = (rows[["value", "change"]] - center) / np.where(spread > 0, spread, 1.0)
    return RawStream(
        name="nab",
        features=features.clip(-50.0, 50.0),
        labels=rows["label"].to_numpy() > 0,
        first=int(learned.sum()),
        times_ms=(rows["share"].to_numpy() * NAB_DAYS * DAY_MS).astype(np.int64),
        share=0.005,
        groups=series,
        gap_seconds=600.0,
    )


def _shuffled(folder: Path, name: str) -> RawStream:
    rows = pq.read_table(folder / "adbench" / f"{name}.parquet").to_pandas()
    rows = rows.sample(frac=1.0, random_state=0)
    labels = rows["label"].to_numpy() > 0
    return RawStream(
        name=name,
        features=rows.drop(columns="label"),
        labels=labels,
        first=len(rows) // 2,
        times_ms=_even_clock(len(rows), TABLE_DAYS),
        share=0.01,
        gap_seconds=0.0,
        calibration_share=0.5,
    )


def _even_clock(rows: int, days: int) -> Int64Array:
    return np.linspace(0, days * DAY_MS, rows).astype(np.int64)
