"""The repartition step end to end: split and one context in one process, from the source topic to the joined one."""

import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.stage import Stage, apache_kafka, arrow_records, event_table, spec_document, typed
from pipeline.codecs.registry import make_codec
from pipeline.commands.context import load
from pipeline.repartition.process import SWITCH_INTERVAL_SECONDS, RepartitionProcess

EVENTS = {"json": 300_000, "arrow": 2_000_000}
ARROW_ROWS = 4_000
PATIENCE_SECONDS = 300.0


def run(console: Console, *, quick: bool = False) -> bool:
    """Print the table. True: there is no limit to miss."""
    table = Table("events", "rows", "rows/s", "CPU s per million", "source rows/s at 1 CPU")
    with apache_kafka() as bootstrap, tempfile.TemporaryDirectory() as folder:
        for format, events in EVENTS.items():
            rows = events // (10 if quick else 1)
            seconds, cpu_seconds = _through(Path(folder) / format, bootstrap, format, rows)
            table.add_row(
                format,
                f"{rows:,}",
                f"{rows / seconds:,.0f}",
                f"{cpu_seconds / rows * 1e6:.1f}",
                f"{rows / cpu_seconds:,.0f}",
            )
    console.print(table)
    return True


def _through(folder: Path, bootstrap: str, format: str, events: int) -> tuple[float, float]:
    """Seconds, and CPU seconds of the process, until all events are in the joined topic."""
    stream = f"repartition-{format}"
    context = [{"key": "merchant", "half_lives_seconds": [60], "repartition": True}]
    stage = Stage(folder, bootstrap, stream, spec_document(stream, format, context=context))
    rows = typed(event_table(events, seed=2), stage.spec)
    stage.send(arrow_records(rows, ARROW_ROWS) if format == "arrow" else iter(make_codec(stage.spec).encode(rows)))
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    process, stop = RepartitionProcess(load(stage.config), [stream]), threading.Event()
    thread = threading.Thread(target=process.run, args=(stop,))
    last, wait, began = process.workers[-1].progress, threading.Event(), time.monotonic()
    thread.start()
    while last.events == 0 and time.monotonic() < began + PATIENCE_SECONDS:
        wait.wait(0.005)
    first, began, cpu = last.events, time.monotonic(), time.process_time()
    while last.events < events and time.monotonic() < began + PATIENCE_SECONDS:
        wait.wait(0.005)
    seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu
    stop.set()
    thread.join()
    share = (last.events - first) / events
    return seconds / share, cpu_seconds / share
