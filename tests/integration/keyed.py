"""A service whose events are scored together with their customer's past, and what its scores should have been."""

import functools
import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from detectors.base import Detector, FloatArray
from detectors.pca import PcaDetector
from detectors.thresholds import Budget, Threshold, calibrate
from pipeline.config import StreamSpec
from pipeline.intake import Intake
from pipeline.jobs.enriched_rows import enriched_rows
from pipeline.kafka.port import Block, OutRecord, TopicPartition
from pipeline.lake import Lake
from pipeline.model_store import Bundle, ModelStore
from pipeline.state.enricher import Enricher
from pipeline.state.fitting import FACT, enrichment_fact
from pipeline.state.recipe import Recipe
from tests.integration.service import Service, events, eventually, spec_document

Place = tuple[int, int]
"""Partition and offset."""
CONTEXT = {
    "context": [{"key": "customer", "half_lives_seconds": [5, 600], "numeric": ["amount"], "categorical": ["country"]}],
    "state": {"snapshot_events": 400, "snapshot_seconds": 0.5},
    "archive": {"roll_seconds": 1.0},
}


@functools.cache
def fitted() -> tuple[Detector, Threshold]:
    """A small model of enriched events."""
    spec = StreamSpec.model_validate(spec_document("s", **CONTEXT))
    [batch] = events(4_000).cast(spec.schema()).combine_chunks().to_batches()
    times = np.arange(4_000, dtype=np.int64) * 20
    table = pa.Table.from_batches([Enricher(Recipe.of(spec)).advance(batch, times, next_offset=0)])
    detector = PcaDetector(seed=0)
    detector.fit(table)
    scores = np.concatenate([detector.score(part) for part in table.to_batches()])
    return detector, calibrate(scores, budget=Budget(alerts_per_day=None, share_of_events=0.001))


def train(service: Service) -> Bundle:
    """A model of enriched events, in service."""
    detector, threshold = fitted()
    bundle = ModelStore(service.folder / "models").save(
        stream=service.stream,
        detector=detector,
        threshold=threshold,
        schema=service.spec.enriched_schema(),
        created_ms=0,
        facts={FACT: enrichment_fact(service.spec)},
    )
    catalogue = service.catalogue()
    catalogue.add_model(bundle)
    catalogue.set_champion(service.stream, bundle.model_id, "test", 0)
    catalogue.close()
    return bundle


def send(service: Service, count: int, *, partitions: int, seed: int = 1) -> None:
    """Events, each customer's in one partition."""
    producer = service.broker.producer()
    for row in events(count, seed=seed, anomalies=0.01).to_pylist():
        partition = int(row["customer"][1:]) % partitions
        value = json.dumps(row).encode()
        producer.send(OutRecord(service.spec.topic, value, key=row["customer"].encode(), partition=partition))
    producer.close()


def feeding(service: Service, count: int, *, partitions: int) -> threading.Thread:
    """A thread that sends."""
    thread = threading.Thread(target=send, args=(service, count), kwargs={"partitions": partitions})
    thread.start()
    return thread


def live_scores(service: Service, partitions: int) -> dict[Place, float]:
    """Every score on the scores topic; fails where one is there twice."""
    found: dict[Place, float] = {}
    for _, value in service.read(service.spec.scores_topic, partitions):
        with pa.ipc.open_stream(value) as reader:
            table = reader.read_all()
        partition = int(table.schema.metadata[b"eddyline.partition"])
        for offset, score in zip(table["offset"].to_pylist(), table["score_nats"].to_pylist(), strict=True):
            assert (partition, offset) not in found, f"scored twice: {partition}, {offset}"
            found[partition, offset] = score
    return found


def archived(service: Service, count: int) -> Lake:
    """The service's lake, once the archiver has all events in it."""
    archiver = service.start("archive", service.stream)
    lake = Lake(service.folder / "lake")
    rows: Callable[[], int] = lambda: sum(f.next_offset - f.first for f in lake.files(service.stream))  # noqa: E731
    eventually("everything is archived", lambda: rows() >= count)
    archiver.terminate()
    assert archiver.wait(60) == 0
    return lake


def scores_by_archive(service: Service, lake: Lake, detector: Detector) -> dict[Place, float]:
    """What an uninterrupted run over the archive gives every event."""
    offsets: dict[str, list[int]] = {}
    for rows in lake.iterate_in_order(service.stream, columns=["_offset"]):
        offsets.setdefault(f"{rows.topic_id}/{rows.partition}", []).extend(rows.batch["_offset"].to_pylist())
    columns = [column.name for column in service.spec.columns]
    scores: dict[str, list[FloatArray]] = {}
    recipe = Recipe.of(service.spec)
    for part in enriched_rows(service.spec, recipe, lake, columns=columns, start_ms=None, end_ms=None):
        scores.setdefault(part.partition, []).append(detector.score(part.batch))
    found: dict[Place, float] = {}
    for name, places in offsets.items():
        partition = int(name.rpartition("/")[2])
        values = np.concatenate(scores[name])
        found |= {(partition, offset): float(v) for offset, v in zip(places, values, strict=True)}
    return found


def scores_by_log(service: Service, detector: Detector, partitions: int) -> dict[Place, float]:
    """What an uninterrupted run over the topic gives every event."""
    intake, recipe = Intake(service.spec), Recipe.of(service.spec)
    enrichers: dict[int, Enricher] = {}
    found: dict[Place, float] = {}

    def take(block: Block) -> None:
        partition, taken = block.source.partition, intake.take(block)
        enricher = enrichers.setdefault(partition, Enricher(recipe))
        batch = enricher.advance(taken.batch, taken.time_ms, next_offset=block.next_offset)
        places = [(partition, offset) for offset in taken.offsets.tolist()]
        found.update(zip(places, detector.score(batch).tolist(), strict=True))

    topic = [TopicPartition(service.spec.topic, p) for p in range(partitions)]
    service.broker.read_all(topic, take, timeout_seconds=40)
    return found


def assert_scored_as_offline(service: Service, count: int, *, partitions: int, lake: Lake | None = None) -> None:
    """Every event once, with the score that the archive (or, without one, the topic itself) gives it."""
    live, detector = live_scores(service, partitions), fitted()[0]
    assert len(live) == count, f"{count - len(live)} events were not scored"
    expected = (
        scores_by_log(service, detector, partitions) if lake is None else scores_by_archive(service, lake, detector)
    )
    assert live.keys() == expected.keys()
    wrong = {place: (live[place], v) for place, v in expected.items() if not np.isclose(live[place], v, rtol=1e-4)}
    assert not wrong, f"{len(wrong)} of {count} scores differ, such as {list(wrong.items())[:3]}"


def snapshots(service: Service) -> list[Path]:
    """Snapshots of the service's state, by partition and offset."""
    return sorted((service.folder / "lake" / "metadata" / "state" / service.stream).glob("*/p*/*-*"))
