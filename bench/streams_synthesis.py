"""Keyed streams made as keyed streams: sequence measures beside ceilings and floors, seconds and rows a second.

Three public sets in part: card payments (a rate and terminals of each customer), incidents (a process that ends) and
connections (bursts, a clock of minutes). Beside ours a stream whose columns are drawn each by itself: the same keys,
lengths and order of time, nothing learned of what goes with what.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import torch
from rich.console import Console
from rich.table import Table

from bench.stream_sets import KeyedSet, connection_stream, fraud_stream, incident_stream
from synth.fidelity.intervals import Score
from synth.fidelity.sequences import SequenceFidelity, sequence_measures
from synth.independent import IndependentGenerator
from synth.streams import StreamGenerator
from synth.token_generator import TokenGenerator

BUDGET_SECONDS, QUICK_SECONDS = 200.0, 20.0
LEAST_HISTORIES = {"fraud": 0.7, "incidents": 0.3, "connections": 0.6}
"""What whole histories must score at least; see docs/decisions/0021-event-streams.md."""
MODELS: tuple[tuple[str, type[TokenGenerator] | None], ...] = (("stream", None), ("rows apart", IndependentGenerator))


def run(console: Console, *, quick: bool = False) -> bool:
    """Print a table for each set; False where whole histories are told apart more easily than they should be."""
    torch.set_num_threads(1)
    folder = os.environ.get("EDDYLINE_DATA")
    if not folder:
        console.print("streams_synthesis: left out, EDDYLINE_DATA names no folder of data sets")
        return True
    kept = True
    for one in _sets(Path(folder), quick=quick):
        found = {name: _measured(one, model, quick=quick) for name, model in MODELS}
        console.print(_table(one, found))
        kept &= quick or found["stream"][0].histories.value >= LEAST_HISTORIES[one.name]
    return kept


def _sets(folder: Path, *, quick: bool) -> Iterator[KeyedSet]:
    yield fraud_stream(folder, customers=200 if quick else 1_000)
    yield incident_stream(folder, every=10 if quick else 1)
    if not quick:
        yield connection_stream(folder)


def _measured(
    one: KeyedSet, model: type[TokenGenerator] | None, *, quick: bool
) -> tuple[SequenceFidelity, dict[str, str]]:
    """The measures of as many events as the set has, and what they cost."""
    budget = QUICK_SECONDS if quick else BUDGET_SECONDS
    stream = StreamGenerator(
        seed=0, time_budget_seconds=budget, key=one.key, time=one.time, row_model=model, event_model=model
    )
    report = stream.fit(one.table, label=one.label)
    begun = time.process_time()
    made = stream.sample(one.table.num_rows, seed=1)
    rows_a_second = made.num_rows / (time.process_time() - begun)
    fidelity = sequence_measures(one.table, made, key=one.key, time=one.time, seed=2)
    costs = {"CPU s": f"{report.cpu_seconds:,.0f}", "epochs": f"{report.epochs:.1f}", "rows/s": f"{rows_a_second:,.0f}"}
    return fidelity, costs


def _table(one: KeyedSet, found: dict[str, tuple[SequenceFidelity, dict[str, str]]]) -> Table:
    title = f"{one.name}: {one.table.num_rows:,} events, {_keys(one.table, one.key):,} keys"
    table = Table("", *found, "ceiling", "floor", title=title)
    scores = {name: _scores(fidelity) for name, (fidelity, _) in found.items()}
    first = scores["stream"]
    for name in first:
        table.add_row(
            name, *(_shown(s[name]) for s in scores.values()), _plain(first[name].ceiling), _plain(first[name].floor)
        )
    for name in found["stream"][1]:
        table.add_row(name, *(costs[name] for _, costs in found.values()), "", "")
    ours = found["stream"][0]
    attributes = [_plain(fidelity.shared_attributes) for fidelity, _ in found.values()]
    table.add_row("shared keys", *(_plain(f.shared_keys) for f, _ in found.values()), "", "")
    table.add_row("shared attributes", *attributes, _plain(ours.shared_attributes_real), "")
    return table


def _scores(fidelity: SequenceFidelity) -> dict[str, Score]:
    """All scores by name."""
    names = ("gaps", "key_gaps", "burstiness", "memory", "lengths", "rhythm")
    found: dict[str, Score] = {name: getattr(fidelity, name) for name in names}
    for part in ("transitions", "returns", "autocorrelation"):
        found |= {f"{part} {column}": score for column, score in getattr(fidelity, part).items()}
    return found | {"whole histories": fidelity.histories}


def _shown(score: Score) -> str:
    return f"{score.value:.3f} [dim]{score.low:.3f} to {score.high:.3f}[/dim]"


def _plain(value: float) -> str:
    return "" if value != value else f"{value:.3f}"


def _keys(table: pa.Table, key: str) -> int:
    return len(table[key].unique())
