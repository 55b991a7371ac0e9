"""Two public sets of telemetry as streams of many keys: JumpStarter's services and the Numenta Anomaly Benchmark.

Each key is cut in order of time, with what is anomalous left in: the first part is learned from, the rest is scored.
All keys of a set are one stream, as an operator would run them: one model, one recipe.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from detectors.columns import Kind, Role, make_field
from detectors.windows.enrichment import WindowEnrichment
from detectors.windows.settings import WindowSettings

BATCH_ROWS = 4_096
FIRST_STEP_MS = 1_767_225_600_000
JUMPSTARTER_STEP_MS = 300_000
JUMPSTARTER_TRAINING_STEPS = 5_760
NAB_FIRST_SHARE = 0.15
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSet:
    """A stream's rows, key after key and in order of time within each."""

    name: str
    rows: pa.Table
    """Key, time and metrics, with kinds and roles."""
    labels: BoolArray
    first: BoolArray
    """The rows to learn from."""
    keys: npt.NDArray[np.str_]
    metrics: tuple[str, ...]

    def scored(self) -> dict[str, npt.NDArray[np.int64]]:
        """The rows to score of each key that has rows of both kinds among them."""
        rows = {str(key): np.flatnonzero((self.keys == key) & ~self.first) for key in np.unique(self.keys)}
        return {key: at for key, at in rows.items() if self.labels[at].any() and not self.labels[at].all()}

    def few(self, keys: int, *, seed: int = 5) -> "WindowSet":
        """The same with some of the keys that are scored, drawn at random."""
        names = np.random.default_rng(seed).permutation(sorted(self.scored()))[:keys]
        keep = np.isin(self.keys, names)
        rows = self.rows.filter(pa.array(keep)).combine_chunks()
        return replace(self, rows=rows, labels=self.labels[keep], first=self.first[keep], keys=self.keys[keep])

    def enriched(self, length: int) -> Iterator[pa.RecordBatch]:
        """The rows with their windows, batch by batch; rows are the steps."""
        settings = WindowSettings(key=("key",), length=length, metrics=self.metrics, max_keys=1_000)
        enrichment = WindowEnrichment(settings, self.rows.schema)
        for batch in self.rows.to_batches(max_chunksize=BATCH_ROWS):
            times = batch["time"].view(pa.int64()).to_numpy() // 1_000
            yield enrichment.advance(batch, times)

    def training_table(self, length: int, *, most: int, seed: int = 0) -> pa.Table:
        """`most` of the rows to learn from, drawn evenly at random, with their windows."""
        rows = np.flatnonzero(self.first)
        if len(rows) > most:
            rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
        chosen = np.zeros(len(self.first), dtype=np.bool_)
        chosen[rows] = True
        parts, start = [], 0
        for batch in self.enriched(length):
            parts.append(batch.filter(pa.array(chosen[start : start + batch.num_rows])))
            start += batch.num_rows
        return pa.Table.from_batches(parts)


def jumpstarter(folder: Path) -> WindowSet:
    """30 services, 19 metrics each, a row every 5 minutes: 20 days to learn from, 25 days to score."""
    table = pq.read_table(folder / "jumpstarter_d2.parquet")
    first = np.asarray(table["split"].to_pylist()) == "train"
    step = table["t"].to_numpy() + np.where(first, 0, JUMPSTARTER_TRAINING_STEPS)
    times_ms = FIRST_STEP_MS + step * JUMPSTARTER_STEP_MS
    metrics = tuple(f"m{n}" for n in range(19))
    return _window_set("jumpstarter", table, "service", times_ms, first, metrics)


def nab(folder: Path) -> WindowSet:
    """58 series of one value each, clocks from 5 minutes to an hour, some irregular: the first 15 % to learn from."""
    table = pq.read_table(folder / "nab.parquet")
    times_ms = table["timestamp"].cast(pa.timestamp("ms")).cast(pa.int64()).to_numpy()
    keys = np.asarray(table["series"].to_pylist())
    first = np.zeros(len(keys), dtype=np.bool_)
    for key in np.unique(keys):
        at = np.flatnonzero(keys == key)
        at = at[np.argsort(times_ms[at], kind="stable")]
        first[at[: int(NAB_FIRST_SHARE * len(at))]] = True
    return _window_set("nab", table, "series", times_ms, first, ("value",))


def _window_set(
    name: str, table: pa.Table, key: str, times_ms: npt.NDArray[np.int64], first: BoolArray, metrics: tuple[str, ...]
) -> WindowSet:
    keys = np.asarray(table[key].to_pylist())
    order = np.lexsort((times_ms, keys))
    schema = pa.schema(
        [
            make_field("key", Kind.CATEGORICAL, [Role.KEY]),
            make_field("time", Kind.TIME, [Role.TIME, Role.FEATURE]),
            *(make_field(metric, Kind.NUMERIC, [Role.FEATURE]) for metric in metrics),
        ]
    )
    times = pa.array(times_ms[order]).cast(pa.timestamp("ms", tz="UTC")).cast(pa.timestamp("us", tz="UTC"))
    values = [pa.array(table[metric].to_numpy()[order].astype(np.float64)) for metric in metrics]
    rows = pa.table([pa.array(keys[order].tolist()), times, *values], schema=schema)
    labels = table["label"].to_numpy()[order].astype(bool)
    return WindowSet(name=name, rows=rows, labels=labels, first=first[order], keys=keys[order], metrics=metrics)


def halves(keys: npt.NDArray[np.str_], *, seed: int = 0) -> tuple[frozenset[str], frozenset[str]]:
    """The keys that settings were chosen on, and the others: a seeded draw."""
    names = sorted(set(keys.tolist()))
    order = np.random.default_rng(seed).permutation(len(names))
    chosen = frozenset(names[i] for i in order[: len(names) // 2])
    return chosen, frozenset(names) - chosen
