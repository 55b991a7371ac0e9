"""What keyed context costs a scorer: Arrow blocks decoded, enriched and scored, beside the same without context."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from rich.console import Console
from rich.table import Table

from bench.stage import arrow_records, event_table, spec_document, typed
from detectors.columns import Role
from detectors.registry import detector_class
from detectors.thresholds import Budget, calibrate
from pipeline.clock import SystemClock
from pipeline.config import KafkaSettings, StreamSpec
from pipeline.intake import Intake
from pipeline.kafka.kafka_python import KafkaPythonBroker
from pipeline.kafka.port import Block, TopicPartition
from pipeline.lake import Lake
from pipeline.model_store import Bundle
from pipeline.scoring.forward import Forward
from pipeline.state.enricher import Enricher
from pipeline.state.keeper import StateKeeper
from pipeline.state.recipe import recipe_of

EVENTS = 2_000_000
RECORD_ROWS = 4_000
BLOCK_RECORDS = 5
LEARNED = slice(100_000, 140_000)
RUNS = 3
LEAST_RATIO = 0.5
SOURCE = TopicPartition("keyed-events", 0)


def run(console: Console, *, quick: bool = False) -> bool:
    """Print the table. True where context leaves at least `LEAST_RATIO` of the throughput in every pair of runs."""
    torch.set_num_threads(1)
    rows = event_table(EVENTS // (5 if quick else 1), seed=3)
    table = Table("events", "detector", "plain, rows/CPU s", "with context", "ratio", "limit")
    ratios = []
    for _ in range(1 if quick else RUNS):
        plain, keyed = (_rows_per_second(rows, name) for name in ("plain", "context"))
        ratios.append(keyed / plain)
        cells = (f"{rows.num_rows:,}", "vae", f"{plain:,.0f}", f"{keyed:,.0f}", f"{ratios[-1]:.2f}", f"{LEAST_RATIO}")
        table.add_row(*cells)
    console.print(table)
    return min(ratios) >= LEAST_RATIO


def _rows_per_second(events: pa.Table, name: str) -> float:
    """Rows a CPU second, all threads counted, over the last three quarters of the events: keys have a past by then."""
    more = {"context": [{"key": "customer"}]} if name == "context" else {}
    spec = StreamSpec.model_validate(spec_document("keyed", "arrow", **more))
    rows = typed(events, spec)
    bundle = _bundle(spec, rows)
    values = list(arrow_records(rows, RECORD_ROWS))
    with tempfile.TemporaryDirectory() as folder:
        keeper = _keeper(spec, Path(folder))
        passes = Forward(Intake(spec), spec.columns_with(Role.KEY), keeper.enrich if keeper is not None else None)
        blocks = list(_blocks(values))
        first = len(blocks) // 4
        for block in blocks[:first]:
            list(passes.run([block], bundle, poison=False))
        began = time.process_time()
        scored = sum(len(p.scores_B) for b in blocks[first:] for p in passes.run([b], bundle, poison=False))
        seconds = time.process_time() - began
        passes.close()
        if keeper is not None:
            keeper.close()
    return scored / seconds


def _blocks(values: list[bytes]) -> Iterator[Block]:
    for start in range(0, len(values), BLOCK_RECORDS):
        part = values[start : start + BLOCK_RECORDS]
        offsets = np.arange(start, start + len(part))
        stamps = np.full(len(part), 2_000_000_000_000)
        yield Block(source=SOURCE, offsets=offsets, timestamps_ms=stamps, keys=[None] * len(part), values=part)


def _keeper(spec: StreamSpec, folder: Path) -> StateKeeper | None:
    """The scorer's, begun at offset 0, where no broker is asked."""
    broker = KafkaPythonBroker(KafkaSettings())
    keeper = StateKeeper.of(spec, Lake(folder), broker=broker, clock=SystemClock())
    if keeper is not None:
        keeper.recover({SOURCE: 0}, "bench")
    return keeper


def _bundle(spec: StreamSpec, rows: pa.Table) -> Bundle:
    [batch] = rows.combine_chunks().to_batches()
    recipe = recipe_of(spec)
    if recipe is not None:
        times = np.asarray(batch["time"].cast(pa.int64())) // 1000
        batch = Enricher(recipe).advance(batch, times, next_offset=0)
    learned = batch.slice(LEARNED.start, LEARNED.stop - LEARNED.start)
    detector = detector_class("vae")(seed=0, time_budget_seconds=15.0)  # type: ignore[call-arg]
    detector.fit(pa.Table.from_batches([learned]))
    scores = detector.score(learned)
    budget = Budget(share_of_events=0.0005)
    threshold = calibrate(scores, budget=budget, times_ms=None, groups=None, gap_seconds=1.0)
    return Bundle(
        model_id="bench",
        stream=spec.stream,
        detector=detector,
        threshold=threshold,
        schema=spec.enriched_schema(),
        created_ms=0,
        facts={},
    )
