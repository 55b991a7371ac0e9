"""Resident memory of one scoring process: from 10^5 to 10^7 events, and with a million customers, many flagged."""

import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.stage import Stage, apache_kafka, arrow_records, event_table, spec_document, typed

EVENTS = 10_000_000
KEYED_EVENTS = 2_000_000
CHUNK = 200_000
MOST_GROWTH = 1.25
"""Of resident memory from 10^6 to 10^7 events: buffers are warm by 10^6."""


def run(console: Console, *, quick: bool = False) -> bool:
    """Print the table. True where memory is flat."""
    scale = 10 if quick else 1
    table = Table("events", "customers", "flagged", "MB at 10^5", "MB at 10^6", "MB at the end", "peak MB", "growth")
    flat = True
    with apache_kafka() as bootstrap, tempfile.TemporaryDirectory() as folder:
        for name, total, customers, anomalies in (
            ("long", EVENTS // scale, 20_000, 0.0001),
            ("keyed", KEYED_EVENTS // scale, 1_000_000, 0.2),
        ):
            stage = Stage(Path(folder) / name, bootstrap, name, spec_document(name, "arrow"))
            stage.train(typed(event_table(40_000), stage.spec))
            for number in range(total // CHUNK):
                chunk = event_table(CHUNK, seed=number, customers=customers, anomalies=anomalies)
                stage.send(arrow_records(typed(chunk, stage.spec), 2_000))
            found = stage.child("bench.scoring_child", "rss", str(total // CHUNK * CHUNK))
            growth = found["end_mb"] / found["million_mb"]
            flat &= growth <= MOST_GROWTH
            cells = [f"{found[k]:,.0f}" for k in ("hundred_thousand_mb", "million_mb", "end_mb", "peak_mb")]
            limit = f"{growth:.2f} (at most {MOST_GROWTH})"
            table.add_row(f"{total:,}", f"{customers:,}", f"{found['flagged']:,.0f}", *cells, limit)
    console.print(table)
    return flat
