"""What one core does without Kafka: decoding, and each detector with its encoding; fit and score, one thread."""

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.json as pa_json
import torch
from rich.console import Console
from rich.table import Table

from bench.stage import arrow_records, event_table, spec_document, typed
from detectors.registry import DETECTORS
from pipeline.codecs.registry import make_codec
from pipeline.config import StreamSpec

ROWS = 200_000
BLOCK = 16_384
RUNS = 5


def run(console: Console, *, quick: bool = False) -> bool:
    """Print two tables; they have peers but no limit."""
    torch.set_num_threads(1)
    rows = ROWS // 10 if quick else ROWS
    spec = StreamSpec.model_validate(spec_document("intake", "json"))
    events = typed(event_table(rows), spec)
    console.print(_decoding(spec, events))
    console.print(_detectors(events))
    return True


def _best(action: Callable[[], object], rows: int) -> float:
    """Rows a second in the best of a few runs."""
    seconds = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begun)
    return rows / min(seconds)


def _decoding(spec: StreamSpec, events: pa.Table) -> Table:
    table = Table("decoding, 12 columns", "rows/s", title=f"blocks of {BLOCK:,} rows")
    values = list(make_codec(spec).encode(events))
    blocks = [values[start : start + BLOCK] for start in range(0, len(values), BLOCK)]
    mean = np.mean([len(v) for v in values])
    codec = make_codec(spec)
    table.add_row(f"JSON, {mean:.0f} bytes", f"{_best(lambda: [codec.decode(b) for b in blocks], len(values)):,.0f}")
    joined = [b"\n".join(block) for block in blocks]
    peer = _best(lambda: [_pyarrow_json(raw) for raw in joined], len(values))
    table.add_row("peer: pyarrow.json alone, no checks, schema inferred", f"{peer:,.0f}")
    arrow = make_codec(StreamSpec.model_validate(spec_document("intake", "arrow")))
    records = list(arrow_records(events, 2_000))
    table.add_row("Arrow IPC, 2,000 rows a record", f"{_best(lambda: arrow.decode(records), len(values)):,.0f}")
    return table


def _pyarrow_json(raw: bytes) -> pa.Table:
    options = pa_json.ReadOptions(use_threads=False, block_size=len(raw) + 1)
    return pa_json.read_json(pa.BufferReader(raw), read_options=options)


def _detectors(events: pa.Table) -> Table:
    table = Table("detector", "fit s", "rows/s, encoding included", title=f"{events.num_rows:,} rows, 9 features")
    batches = events.combine_chunks().to_batches(max_chunksize=BLOCK)
    for kind in (detector for detector in DETECTORS if not detector.windowed):
        detector = kind()
        begun = time.perf_counter()
        detector.fit(events)
        fitted = time.perf_counter() - begun
        speed = _best(lambda d=detector: [d.score(b) for b in batches], events.num_rows)  # type: ignore[misc]
        table.add_row(kind.name, f"{fitted:.1f}", f"{speed:,.0f}")
    return table
