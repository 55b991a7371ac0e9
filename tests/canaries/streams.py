"""A small keyed stream with its model, on a broker in memory."""

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, Role
from detectors.pca import PcaDetector
from detectors.thresholds import Budget, calibrate
from pipeline.canaries.past import Pasts
from pipeline.canaries.plan import canary_plan
from pipeline.canaries.reader import StretchReader
from pipeline.canaries.tally import Tally
from pipeline.canaries.worker import CanaryWorker, group_name
from pipeline.catalogue import CanaryCount, Catalogue
from pipeline.clock import ManualClock
from pipeline.config import BudgetSpec, CanarySpec, ColumnSpec, StreamSpec
from pipeline.intake import Intake
from pipeline.kafka.port import OutRecord, TopicPartition
from pipeline.lake import Lake
from pipeline.model_store import Bundle
from pipeline.scoring.champion import ChampionWatch
from pipeline.state.enricher import Enricher
from pipeline.state.recipe import Recipe
from tests.fakes import MemoryBroker, block_of

FEATURE = frozenset({Role.FEATURE})
SPEC = StreamSpec(
    stream="payments",
    topic="events",
    columns=(
        ColumnSpec(name="customer", kind=Kind.CATEGORICAL, roles=frozenset({Role.KEY})),
        ColumnSpec(name="amount", kind=Kind.NUMERIC, roles=FEATURE),
        ColumnSpec(name="country", kind=Kind.CATEGORICAL, roles=FEATURE),
    ),
    budget=BudgetSpec(share_of_events=0.01),
    canaries=CanarySpec(per_hour=360.0),
)


def fill(broker: MemoryBroker, count: int, *, seed: int = 0, partitions: int = 2) -> None:
    """Ordinary events of 40 customers, each in one partition."""
    rng = np.random.default_rng(seed)
    producer = broker.producer()
    for n in range(count):
        customer = int(rng.integers(40))
        event = {
            "customer": f"c{customer}",
            "amount": float(rng.normal(100, 10)),
            "country": str(rng.choice(["SE", "NO"])),
        }
        stamp = broker.now_ms + n * 100
        record = OutRecord("events", json.dumps(event).encode(), partition=customer % partitions, timestamp_ms=stamp)
        producer.send(record)


def bundle_of(spec: StreamSpec, broker: MemoryBroker, *, model_id: str = "m1") -> Bundle:
    """A model of what lies in partition 0."""
    taken = Intake(spec).take(block_of(TopicPartition("events", 0), broker.log("events").records))
    batch = taken.batch
    if spec.is_enriched:
        batch = Enricher(Recipe.of(spec)).advance(batch, taken.time_ms, next_offset=0)
    detector = PcaDetector(seed=0)
    detector.fit(pa.Table.from_batches([batch]))
    threshold = calibrate(
        detector.score(batch), budget=Budget(share_of_events=0.01), times_ms=None, groups=None, gap_seconds=1.0
    )
    return Bundle(
        model_id=model_id,
        stream=spec.stream,
        detector=detector,
        threshold=threshold,
        schema=spec.enriched_schema(),
        created_ms=0,
        facts={},
    )


class OneModel:
    """A catalogue and a store of one champion."""

    def __init__(self, bundle: Bundle | None) -> None:
        self.bundle = bundle

    def champion(self, stream: str) -> str | None:
        return None if self.bundle is None else self.bundle.model_id

    def load(self, model_id: str, *, device: str = "cpu") -> Bundle:
        assert self.bundle is not None
        return self.bundle


@dataclass
class Birds:
    """One worker with all it needs, stepped by hand."""

    broker: MemoryBroker
    spec: StreamSpec
    models: OneModel
    catalogue: Catalogue
    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)

    def worker(self) -> CanaryWorker:
        champions = ChampionWatch([self.spec.stream], self.models, self.models)
        champions.check()
        reader = StretchReader(self.spec, self.broker.source(group=group_name(self.spec.stream)), self.clock)
        reader.subscribe()
        return CanaryWorker(
            self.spec,
            canary_plan(self.spec, self.spec),
            reader=reader,
            partitions=len(self.broker.topics["events"].logs),
            champions=champions,
            pasts=Pasts.of(self.spec, Lake(self.folder)),
            tally=Tally(self.spec.stream, self.catalogue, self.clock),
            clock=self.clock,
            stop=threading.Event(),
        )

    def steps(self, worker: CanaryWorker, count: int, *, seconds: float = 60.0) -> None:
        for _ in range(count):
            worker.step()
            self.clock.advance(seconds)

    def counts(self) -> list[CanaryCount]:
        return self.catalogue.canary_counts(self.spec.stream, 0)

    def total(self) -> int:
        return sum(count.injected for count in self.counts())


def content(broker: MemoryBroker) -> dict[str, list[object]]:
    """Everything in every topic."""
    return {name: [log.records[:] for log in topic.logs] for name, topic in broker.topics.items()}
