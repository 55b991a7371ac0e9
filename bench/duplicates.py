"""Finding duplicates: `python -m bench.duplicates --rows 1e6` on rows of 20 columns with planted copies."""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from detectors.columns import Kind, Role
from pipeline.config import BudgetSpec, ColumnSpec, StreamSpec
from pipeline.duplicates.find import FindOptions, find_in_archive
from pipeline.duplicates.rows import duplicate_rows
from pipeline.lake import SYSTEM_FIELDS, Lake

LEVELS = (3, 5, 10, 20, 50, 1_000, 10_000, 100_000)
NUMBERS = 10
FILE_ROWS = 100_000
MS = pa.timestamp("ms", tz="UTC")


def spec() -> StreamSpec:
    """An id, a time, eight names and ten numbers."""
    feature = frozenset({Role.FEATURE})
    columns = [
        ColumnSpec(name="id", kind=Kind.TEXT, roles=frozenset({Role.ID})),
        ColumnSpec(name="at", kind=Kind.TIME, roles=frozenset({Role.TIME})),
        *(ColumnSpec(name=f"name_{n}", kind=Kind.CATEGORICAL, roles=feature) for n in range(len(LEVELS))),
        *(ColumnSpec(name=f"number_{n}", kind=Kind.NUMERIC, roles=feature) for n in range(NUMBERS)),
    ]
    return StreamSpec(stream="s", topic="s", columns=tuple(columns), budget=BudgetSpec(alerts_per_day=1))


def archived(folder: Path, rows: int) -> Lake:
    """Rows of which the newest hundredth are copies, and the hundredth before differ in one number from others."""
    rng = np.random.default_rng(0)
    copies = rows // 100
    source = np.arange(rows)
    source[-2 * copies :] = rng.integers(0, rows - 2 * copies, 2 * copies)
    ids = source.copy()
    near = slice(rows - 2 * copies, rows - copies)
    ids[near] = np.arange(rows)[near]
    columns: dict[str, Any] = {
        "id": np.char.add("event-", ids.astype(str)),
        "at": pa.array(source * 100_000 + 1_767_225_600_000_000).cast(pa.timestamp("us", tz="UTC")),
    }
    for n, levels in enumerate(LEVELS):
        columns[f"name_{n}"] = np.char.add("level-", rng.integers(0, levels, rows)[source].astype(str))
    for n in range(NUMBERS):
        columns[f"number_{n}"] = rng.lognormal(size=rows)[source]
    columns["number_3"][near] += 1.0
    lake = Lake(folder)
    for first in range(0, rows, FILE_ROWS):
        part = slice(first, min(first + FILE_ROWS, rows))
        _write(lake, {name: values[part] for name, values in columns.items()}, first)
    return lake


def _write(lake: Lake, columns: dict[str, Any], first: int) -> None:
    size = len(columns["id"])
    times = columns["at"].cast(pa.int64()).to_numpy() // 1000
    system = {
        "_partition": np.zeros(size, np.int32),
        "_offset": np.arange(first, first + size),
        "_row": np.zeros(size, np.int32),
        "_append_time": pa.array(times).cast(MS),
        "_time": pa.array(times).cast(MS),
        "_schema_version": np.ones(size, np.int32),
    }
    path = lake.real("s") / "t" / "date=2026-01-01" / f"p0-{first}-{first + size}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([*spec().schema(), *SYSTEM_FIELDS])
    pq.write_table(pa.table({**columns, **system}, schema=schema), path, row_group_size=20_000)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=1e5)
    rows = int(parser.parse_args().rows)
    table = Table("what", "rows found", "seconds", "processor seconds", "most memory, MiB")
    with tempfile.TemporaryDirectory() as folder:
        lake = archived(Path(folder), rows)
        asked: dict[str, Callable[[], int]] = {
            "left out of training": lambda: len(duplicate_rows(spec(), lake).places),
            "exact": lambda: find_in_archive(spec(), lake, options=FindOptions(near=None)).exact_rows,
            "exact and near": lambda: _both(lake),
        }
        for name, run in asked.items():
            wall, spent = time.perf_counter(), time.process_time()
            found = run()
            wall, spent = time.perf_counter() - wall, time.process_time() - spent
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            table.add_row(name, f"{found:,}", f"{wall:.1f}", f"{spent:.1f}", f"{memory:,.0f}")
    Console().print(table)


def _both(lake: Lake) -> int:
    report = find_in_archive(spec(), lake)
    return report.exact_rows + (report.near.rows if report.near is not None else 0)


if __name__ == "__main__":
    main()
