"""Keyed context alone: rows a second of one core's time, bytes a key and a snapshot's, at the default settings."""

import time

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from detectors.columns import Kind, Role, make_field
from detectors.context import ContextEnrichment, ContextSettings, context_settings_defaults

ROWS = 2_000_000
BLOCK = 8_192
KEYS = (1_000, 100_000, 1_000_000)
LEAST_ROWS_PER_SECOND = 400_000
"""As fast as the scorer it feeds must be, so that context costs at most half of the throughput."""
DAY_MS = 86_400_000

SCHEMA = pa.schema(
    [
        make_field("card", Kind.TEXT, [Role.KEY]),
        make_field("amount", Kind.NUMERIC, [Role.FEATURE]),
        make_field("distance", Kind.NUMERIC, [Role.FEATURE]),
        make_field("terminal", Kind.CATEGORICAL, [Role.FEATURE]),
        make_field("country", Kind.CATEGORICAL, [Role.FEATURE]),
    ]
)


def run(console: Console, *, quick: bool = False) -> bool:
    """Print one table; False where a limit was missed."""
    settings = context_settings_defaults(SCHEMA)
    columns = len(ContextEnrichment(settings, SCHEMA).fields)
    title = f"2 numeric and 2 categorical columns, {columns} appended, blocks of {BLOCK:,} rows"
    table = Table("keys", "rows/s of CPU, cold", "known keys", "bytes a key", "snapshot MB", "its seconds", title=title)
    kept = True
    for keys in KEYS:
        cells, speed = _measure(settings, keys, ROWS // 10 if quick else ROWS)
        table.add_row(f"{keys:,}", *cells)
        kept &= quick or speed >= LEAST_ROWS_PER_SECOND
    console.print(table)
    return kept


def _measure(settings: ContextSettings, keys: int, rows: int) -> tuple[list[str], float]:
    """The table's cells for so many keys, and the rows a second of keys that are known."""
    batches, times_ms = _events(keys, rows)
    made = ContextEnrichment(settings, SCHEMA)
    made.advance(batches[0].slice(0, 1), times_ms[:1])  # compiles
    cold = rows / _cpu_seconds(made, batches, times_ms)
    warm = rows / _cpu_seconds(made, batches, times_ms + 30 * DAY_MS)
    begun = time.thread_time()
    tensors, _ = made.snapshot()
    seconds = time.thread_time() - begun
    snapshot_bytes = sum(array.nbytes for array in tensors.values())
    cells = [
        f"{cold:,.0f}",
        f"{warm:,.0f}",
        f"{made.nbytes / made.keys:,.0f}",
        f"{snapshot_bytes / 1e6:,.0f}",
        f"{seconds:.2f}",
    ]
    return cells, warm


def _cpu_seconds(made: ContextEnrichment, batches: list[pa.RecordBatch], times_ms: npt.NDArray[np.int64]) -> float:
    begun = time.thread_time()
    at = 0
    for batch in batches:
        made.advance(batch, times_ms[at : at + batch.num_rows])
        at += batch.num_rows
    return time.thread_time() - begun


def _events(keys: int, rows: int) -> tuple[list[pa.RecordBatch], npt.NDArray[np.int64]]:
    """Events of keys drawn evenly (the worst case for a cache), every key at least once where rows allow it."""
    generator = np.random.default_rng(0)
    key_B = np.concatenate([generator.permutation(min(keys, rows)), generator.integers(0, keys, max(0, rows - keys))])
    arrays = [
        _names("card-", key_B),
        pa.array(generator.lognormal(3, 1, rows)),
        pa.array(generator.exponential(10, rows)),
        _names("terminal-", generator.integers(0, 5_000, rows)),
        _names("C", generator.integers(0, 30, rows)),
    ]
    table = pa.table(arrays, schema=SCHEMA).combine_chunks()
    return table.to_batches(max_chunksize=BLOCK), np.sort(generator.integers(0, 30 * DAY_MS, rows))


def _names(prefix: str, numbers: npt.NDArray[np.int64]) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")
