"""Data quality: planted faults named and clean windows passed on public sets, and a full run on 1,000,000 × 20 rows.

Sets need EDDYLINE_DATA; the simulated stream and the speed do not. The timed run is a process of its own, so that its
wall time, CPU time and peak memory hold the import of Great Expectations and the reading of the archive.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.quality_sets import SETS, QualitySet, full_windows, payments, planted
from bench.quality_unseen import UNSEEN
from pipeline.expectations.asked import asked_of
from pipeline.expectations.diagnosis import reasons
from pipeline.expectations.inference import infer
from pipeline.expectations.judge import judged
from pipeline.expectations.suite import Suite
from pipeline.expectations.window import Window

ROWS, COLUMNS = 1_000_000, 20
MOST_SECONDS, MOST_MEBIBYTES = 60.0, 2048.0
FAULTS = ("nulls", "units ×1000", "cents ×100", "swapped", "stale clock", "duplicated hour")


def run(console: Console, *, quick: bool = False) -> bool:
    """The tables; False where a fault was missed, a clean window failed or the run was too slow or too large.

    Sets that were not looked at while the rules were chosen are told apart and decide nothing.
    """
    good = _faults(console, "planted faults: named / planted, and clean windows that failed", _sets(console))
    if folder := os.environ.get("EDDYLINE_DATA"):
        _faults(console, "the same on sets not looked at before", [make(Path(folder)) for make in UNSEEN.values()])
    return _speed(console, rows=ROWS // 10 if quick else ROWS) and good


def _faults(console: Console, title: str, sets: "list[QualitySet]") -> bool:
    table = Table(title=title, title_justify="left")
    for heading in ("set", "reference rows", "expectations", "false failures", *FAULTS):
        table.add_column(heading, justify="right")
    good = True
    for of in sets:
        suite = infer(of.reference, stream=of.name, window_hours=of.window_hours, now_ms=0).suite
        failed = sum(bool(_reasons(window, suite)) for window in of.later)
        named, tried = Counter[str](), Counter[str]()
        for window in full_windows(of):
            for one in planted(of, window):
                tried[one.fault] += 1
                said = _reasons(one.window, suite)
                named[one.fault] += any(all(name in reason for name in one.names) for reason in said)
        good &= failed == 0 and named == tried
        cells = [f"{named[fault]} / {tried[fault]}" if tried[fault] else "–" for fault in FAULTS]
        counts = f"{of.reference.rows:,}", str(len(asked_of(suite))), f"{failed} / {len(of.later)}"
        table.add_row(of.name, *counts, *cells)
    console.print(table)
    return good


def _sets(console: Console) -> "list[QualitySet]":
    folder = os.environ.get("EDDYLINE_DATA")
    if folder is None:
        console.print("quality: public sets left out, EDDYLINE_DATA names no folder of data sets")
        return [payments()]
    return [*(make(Path(folder)) for make in SETS.values()), payments()]


def _reasons(window: Window, suite: Suite) -> tuple[str, ...]:
    return reasons(list(judged(window, suite, asked_of(suite))), window, suite)


def _speed(console: Console, *, rows: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.quality_child", folder, str(rows), str(COLUMNS)]
        subprocess.run([*command, "prepare"], check=True)
        finished = subprocess.run([*command, "run"], check=True, capture_output=True, text=True)
    figures = json.loads(finished.stdout.splitlines()[-1])
    table = Table(title=f"a full run, {rows:,} × {COLUMNS} archived rows, 2 cores", title_justify="left")
    for heading in ("expectations", "verdict", "wall s", "CPU s", "peak MiB", "import s", "read s", "judge s"):
        table.add_column(heading, justify="right")
    table.add_row(
        str(figures["expectations"]), figures["verdict"], f"{figures['wall']:.1f}", f"{figures['cpu']:.1f}",
        f"{figures['peak_mebibytes']:.0f}", f"{figures['import']:.1f}", f"{figures['read']:.1f}",
        f"{figures['judge']:.1f}",
    )  # fmt: skip
    console.print(table)
    return bool(figures["wall"] <= MOST_SECONDS and figures["peak_mebibytes"] <= MOST_MEBIBYTES)
