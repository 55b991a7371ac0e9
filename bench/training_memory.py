"""Training on an archive far larger than memory: peak resident memory and seconds, with and without keyed context."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from bench.stage import in_child
from pipeline.archive.partition import file_schema
from pipeline.config import StreamSpec
from pipeline.lake import Lake
from pipeline.lake.layout import relative_name

ROWS = 10_000_000
FEATURES = 20
PARTITIONS = 2
CUSTOMERS = 100_000
FILE_ROWS = 1_000_000
GROUP_ROWS = 100_000
START_MS = 1_767_571_200_000
MOST_MB = 2_048
CONTEXT = [{"key": "customer", "numeric": ["x00"], "categorical": ["code"]}]
TIME_BUDGET_SECONDS = 60


def run(console: Console, *, quick: bool = False) -> bool:
    """Print the table. True where memory stays below its limit."""
    rows = ROWS // 10 if quick else ROWS
    table = Table("rows", "features", "context", "peak MB", "limit MB", "seconds", "fit s", "rows fitted", "held out")
    within = True
    with tempfile.TemporaryDirectory(prefix="eddyline-bench-training-") as folder:
        fill(Path(folder), rows)
        for name in ("plain", "context"):
            found = in_child("bench.training_child", folder, name)
            within &= found["peak_mb"] <= MOST_MB
            cells = (f"{found[key]:,.0f}" for key in ("seconds", "fit_seconds", "fit_rows", "calibration_rows"))
            kind = "customer" if name == "context" else "none"
            table.add_row(f"{rows:,}", str(FEATURES), kind, f"{found['peak_mb']:,.0f}", f"{MOST_MB:,}", *cells)
    console.print(table)
    return within


def spec_of(name: str) -> StreamSpec:
    """The stream, with or without context."""
    numbers = [{"name": f"x{n:02d}", "kind": "numeric", "roles": ["feature"]} for n in range(FEATURES - 2)]
    return StreamSpec.model_validate(
        {
            "stream": "training",
            "topic": "training",
            "columns": [
                {"name": "time", "kind": "time", "roles": ["time"], "unit": "ms"},
                {"name": "customer", "kind": "categorical", "roles": ["key"]},
                *numbers,
                {"name": "code", "kind": "categorical", "roles": ["feature"]},
                {"name": "present", "kind": "boolean", "roles": ["feature"]},
            ],
            "budget": {"alerts_per_day": 20},
            "context": CONTEXT if name == "context" else [],
            "detector": {"time_budget_seconds": TIME_BUDGET_SECONDS},
        }
    )


def fill(folder: Path, rows: int) -> None:
    """An archive as the archiver writes it: files by partition, row groups in order of offset."""
    lake, spec = Lake(folder / "lake"), spec_of("plain")
    schema = file_schema(spec.schema())
    for partition in range(PARTITIONS):
        total = rows // PARTITIONS
        for first in range(0, total, FILE_ROWS):
            after = min(first + FILE_ROWS, total)
            name = relative_name(
                append_ms=START_MS + first * PARTITIONS, partition=partition, first=first, next_offset=after
            )
            path = lake.real(spec.stream) / "topic" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with pq.ParquetWriter(path, schema, compression="zstd") as writer:
                for start in range(first, after, GROUP_ROWS):
                    writer.write_batch(_events(schema, partition, start, min(GROUP_ROWS, after - start)))


def _events(schema: pa.Schema, partition: int, start: int, count: int) -> pa.RecordBatch:
    rng = np.random.default_rng([partition, start])
    times = pa.array(START_MS + (np.arange(start, start + count) * PARTITIONS + partition))
    base = rng.normal(size=count)
    columns: dict[str, pa.Array] = {
        "time": times.cast(pa.timestamp("ms", tz="UTC")),
        "customer": pa.array(
            [f"c{n}" for n in rng.integers(0, CUSTOMERS // PARTITIONS, count) * PARTITIONS + partition]
        ),
        "code": pa.array([f"k{n}" for n in rng.geometric(0.02, count)]),
        "present": pa.array(rng.random(count) < 0.5),
        "_partition": pa.array(np.full(count, partition)),
        "_offset": pa.array(np.arange(start, start + count)),
        "_row": pa.array(np.zeros(count, np.int32)),
        "_append_time": times.cast(pa.timestamp("ms", tz="UTC")),
        "_time": times.cast(pa.timestamp("ms", tz="UTC")),
        "_schema_version": pa.array(np.ones(count, np.int32)),
    }
    for number in range(FEATURES - 2):
        columns[f"x{number:02d}"] = pa.array(np.round(base * (number % 3) + rng.normal(size=count), 4))
    return pa.RecordBatch.from_arrays([columns[f.name].cast(f.type) for f in schema], schema=schema)
