"""End to end: JSON beside a bare poll loop over the same topic, Arrow beside the model alone. All in transactions."""

import tempfile
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.stage import Stage, apache_kafka, arrow_records, event_table, spec_document, typed

JSON_EVENTS = 600_000
ARROW_EVENTS = 6_000_000
ARROW_ROWS = 4_000
RUNS = 3
LEAST_RATIO = 0.8


def run(console: Console, *, quick: bool = False) -> bool:
    """Print the table. True where both ratios reach their limit."""
    scale = 10 if quick else 1
    with apache_kafka() as bootstrap, tempfile.TemporaryDirectory() as folder:
        results = [
            _json(Path(folder), bootstrap, JSON_EVENTS // scale),
            _arrow(Path(folder), bootstrap, ARROW_EVENTS // scale),
        ]
    table = Table(
        "events", "scored/s", "limit/s", "limit is", "ratio (3 pairs, median)", "CPU s per million", "peak MB"
    )
    reached = True
    for name, ours, limit, what in results:
        ratios = [a["events_per_second"] / b["events_per_second"] for a, b in zip(ours, limit, strict=True)]
        ratio = median(ratios)
        reached &= ratio >= LEAST_RATIO
        table.add_row(
            name,
            f"{median(o['events_per_second'] for o in ours):,.0f}",
            f"{median(o['events_per_second'] for o in limit):,.0f}",
            what,
            f"{ratio:.2f} ({', '.join(f'{r:.2f}' for r in ratios)}; at least {LEAST_RATIO})",
            f"{median(o['cpu_seconds_per_million'] for o in ours):.1f}",
            f"{max(o['peak_mb'] for o in ours):,.0f}",
        )
    console.print(table)
    return reached


Result = tuple[str, list[dict[str, float]], list[dict[str, float]], str]


def _json(folder: Path, bootstrap: str, events: int) -> Result:
    from pipeline.codecs.registry import make_codec

    ours, limit = [], []
    source = event_table(events, seed=2)
    for number in range(RUNS):
        stream = f"json{number}"
        stage = Stage(folder / stream, bootstrap, stream, spec_document(stream, "json"))
        rows = typed(source, stage.spec)
        stage.train(rows.slice(0, 40_000))
        stage.send(iter(make_codec(stage.spec).encode(rows)))
        limit.append(stage.child("bench.scoring_child", "bare", str(events)))
        ours.append(stage.child("bench.scoring_child", "score", str(events)))
    return "JSON, 12 columns", ours, limit, "bare kafka-python poll loop"


def _arrow(folder: Path, bootstrap: str, events: int) -> Result:
    ours, limit = [], []
    for number in range(RUNS):
        stream = f"arrow{number}"
        document = spec_document(stream, "arrow")
        stage = Stage(folder / stream, bootstrap, stream, document)
        rows = typed(event_table(200_000, seed=3), stage.spec)
        stage.train(rows.slice(0, 40_000))
        for _ in range(max(1, events // rows.num_rows)):
            stage.send(arrow_records(rows, ARROW_ROWS))
        total = max(1, events // rows.num_rows) * rows.num_rows
        limit.append(stage.child("bench.scoring_child", "model", str(total)))
        ours.append(stage.child("bench.scoring_child", "score", str(total)))
    return f"Arrow, {ARROW_ROWS:,} rows a record", ours, limit, "the model alone"
