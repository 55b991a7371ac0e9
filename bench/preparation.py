"""What preparation finds in public tables, what it costs, and what comes back; and how fast anomalies are put in."""

import os
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from synth.anomalies import parse_anomalies, with_anomalies
from synth.preparation import Preparation

SETS: dict[str, str | None] = {
    "adult_48842": "income",
    "bank_marketing": "y",
    "kdd99_10pct": "label",
    "fraud_handbook": "TX_FRAUD",
    "bpic2013_incidents": None,
    "jumpstarter_d2": "label",
    "nab": "label",
    "adbench/Cardiotocography": "label",
    "adbench/magic.gamma": "label",
    "adbench/fault": "label",
    "adbench/campaign": "label",
    "adbench/WDBC": "label",
    "adbench/InternetAds": "label",
}
MOST_ROWS = 50_000
MOST_SECONDS = 3.0
"""CPU, for a fit on at most so many rows and 60 columns."""
REQUEST = "2%:point,contextual"


def run(console: Console, *, quick: bool = False) -> bool:
    """Print one table; False where a fit took too long, or a row did not come back."""
    folder = os.environ.get("EDDYLINE_DATA")
    if not folder:
        console.print("preparation: left out, EDDYLINE_DATA names no folder of data sets")
        return True
    shown = Table(title=f"preparation, at most {MOST_ROWS:,} rows, CPU seconds", title_justify="left")
    for heading in (
        "set",
        "rows × columns",
        "learned",
        "relations",
        "fit s",
        "back, rows/s",
        "same",
        "anomalies, rows/s",
    ):
        shown.add_column(heading, justify="left" if heading == "set" else "right")
    held = True
    for name, label in list(SETS.items())[: 3 if quick else None]:
        held &= _add(shown, Path(folder) / f"{name}.parquet", label)
    console.print(shown)
    return held


def _add(shown: Table, path: Path, label: str | None) -> bool:
    table = pq.read_table(path).slice(0, MOST_ROWS)
    started = time.process_time()
    prepared = Preparation.fit(table, label=label, seed=0)
    seconds = time.process_time() - started
    learned = prepared.learned(table)
    started = time.process_time()
    back = prepared.restored(learned, seed=0)
    rate = table.num_rows / (time.process_time() - started)
    # Made anew, or moments written as text whose offsets differed (the notes say so).
    anew = {rule.column for rule in prepared.rules if not rule.needs and not rule.fields() and rule.name != "constant"}
    anew |= {
        name for name in prepared.readings if any(n.startswith(f"{name}: ") and " now" in n for n in prepared.notes)
    }
    same = all(_equal(table, back, name) for name in table.column_names if name not in anew)
    started = time.process_time()
    with_anomalies(table, parse_anomalies(REQUEST), seed=0, label=label)
    injected = table.num_rows / (time.process_time() - started)
    relations = sum(bool(rule.needs) for rule in prepared.rules)
    shown.add_row(
        path.stem, f"{table.num_rows:,} × {table.num_columns}", str(learned.num_columns), str(relations),
        f"{seconds:.2f}", f"{rate:,.0f}", "yes" if same else "no", f"{injected:,.0f}",
    )  # fmt: skip
    return same and (seconds <= MOST_SECONDS or table.num_columns > 60)


def _equal(table: pa.Table, back: pa.Table, name: str) -> bool:
    return bool(back[name].combine_chunks().equals(table[name].combine_chunks()))
