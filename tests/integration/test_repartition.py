"""The context of a key that is not the topic's own: every event once, its context right, whatever is killed."""

import random

import pyarrow as pa
import pytest

from detectors.base import Detector
from pipeline.commands.context import load
from pipeline.deadletters import parse_dead_letter
from pipeline.intake import Intake
from pipeline.kafka.port import Block, OutRecord, TopicPartition
from pipeline.lake import Lake
from pipeline.repartition.plan import downstream
from pipeline.scoring.supervisor import EXIT_FENCED
from pipeline.state.enricher import Enricher
from pipeline.state.recipe import Recipe
from tests.integration.repartitioned import (
    CONTEXT,
    assert_whole_and_right,
    blocks_of,
    feeding,
    joined,
    make,
    moved,
    places_of,
    send,
    start,
    stop,
    wait_for_all,
)
from tests.integration.service import Service, eventually, pause
from tests.integration.test_exactly_once import MakeService

Place = tuple[int, int, int]
"""Partition, offset and row in the joined topic."""
PARTITIONS = 3


def letters(service: Service) -> list[tuple[int, int]]:
    """Where every dead letter came from."""
    found: list[tuple[int, int]] = []

    def take(block: Block) -> None:
        for key, value, headers in zip(block.keys, block.values, block.headers, strict=True):
            letter = parse_dead_letter(key, value, headers)
            assert letter.topic == service.spec.topic
            found.append((letter.partition, letter.offset))

    topic = [TopicPartition(service.spec.dead_letters_topic, 0)]
    service.broker.read_all(topic, take, timeout_seconds=40, headers=True)
    return found


def test_context_of_one_partition_is_that_of_the_whole_stream_in_order(
    kafka_bootstrap: str, make_service: MakeService
) -> None:
    service = make(make_service, kafka_bootstrap, partitions=1)
    send(service, 1_000, partitions=1)
    worker = start(service)
    wait_for_all(service, 1_000, partitions=1)
    stop(worker)
    rows = assert_whole_and_right(service, 1_000, partitions=1)
    stated = service.spec.model_copy(
        update={"context": (service.spec.context[0].model_copy(update={"repartition": False}),)}
    )
    intake, state = Intake(stated), Enricher(Recipe.of(stated))
    parts = []
    for block in blocks_of(service, service.spec.topic, 1)[0]:
        taken = intake.take(block)
        parts.append(state.advance(taken.batch, taken.time_ms, next_offset=block.next_offset))
    whole = pa.Table.from_batches(parts)
    derived = [name for name in whole.schema.names if name.startswith("terminal.")]
    assert derived
    assert rows.select(derived).to_pylist() == whole.select(derived).to_pylist()


def test_killed_under_load_again_and_again(kafka_bootstrap: str, make_service: MakeService) -> None:
    country = {"key": "country", "half_lives_seconds": [60], "repartition": True}
    service = make(make_service, kafka_bootstrap, partitions=PARTITIONS, context=[*CONTEXT, country])
    rng, total = random.Random(1), 6_000
    feeder = feeding(service, total, partitions=PARTITIONS)
    worker = start(service)
    for _ in range(5):
        before = moved(service)
        eventually("events move", lambda before=before: moved(service) > before)  # type: ignore[misc]
        pause(rng.random() * 0.5)
        worker.kill()
        worker.wait(30)
        send(service, 50, partitions=PARTITIONS, first=total, seed=rng.randrange(1_000))
        total += 50
        worker = start(service)
    feeder.join()
    wait_for_all(service, total, partitions=PARTITIONS)
    stop(worker)
    assert_whole_and_right(service, total, partitions=PARTITIONS)


def test_partitions_change_hands_and_a_taken_slot_is_given_up(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make(make_service, kafka_bootstrap, partitions=PARTITIONS)
    send(service, 1_000, partitions=PARTITIONS)
    first, second = start(service, slot=0), start(service, slot=1)
    eventually("events move", lambda: moved(service) > 0)
    send(service, 1_000, partitions=PARTITIONS, first=1_000, seed=2)
    newer = start(service, slot=0)
    assert first.wait(60) == EXIT_FENCED
    second.kill()
    second.wait(30)
    send(service, 1_000, partitions=PARTITIONS, first=2_000, seed=3)
    wait_for_all(service, 3_000, partitions=PARTITIONS)
    stop(newer)
    assert_whole_and_right(service, 3_000, partitions=PARTITIONS)


def test_what_is_bad_becomes_one_dead_letter(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make(make_service, kafka_bootstrap, partitions=1)
    send(service, 100, partitions=1)
    producer = service.broker.producer()
    producer.send(OutRecord(service.spec.topic, b"no event", partition=0))
    producer.close()
    send(service, 100, partitions=1, first=100, seed=2)
    worker = start(service)
    wait_for_all(service, 201, partitions=1)
    stop(worker)
    assert sorted(place[1] for place in places_of(joined(service, 1))) == [*range(100), *range(101, 201)]
    assert letters(service) == [(0, 100)]


def test_a_stream_that_does_not_fit_its_spec_is_paused(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make(make_service, kafka_bootstrap, partitions=1)
    service.send([b"no event"] * 200, partitions=1)
    worker = start(service)

    def paused() -> bool:
        beats = [beat for beat in service.catalogue().workers() if beat.role == "repartition"]
        return any("eddyline deadletters list" in str(beat.state["paused"]) for beat in beats)

    eventually("it says so", paused)
    assert moved(service) == 0
    stop(worker)


def run(service: Service, *command: str) -> None:
    assert service.start(*command).wait(120) == 0, command


def scores_by_archive(service: Service, detector: Detector) -> dict[Place, float]:
    """What the archive gives every event, by its place in the joined topic."""
    seen, lake = downstream(service.spec), Lake(service.folder / "lake")
    columns = [column.name for column in seen.columns]
    found: dict[Place, float] = {}
    state: dict[int, Enricher] = {}
    for part in lake.iterate_in_order(service.stream):
        enricher = state.setdefault(part.partition, Enricher(Recipe.of(seen)))
        times = part.batch["_time"].cast(pa.int64()).to_numpy()
        rows = enricher.advance(part.batch.select(columns), times, next_offset=0)
        places = [
            (part.partition, o, r)
            for o, r in zip(*(part.batch[c].to_pylist() for c in ("_offset", "_row")), strict=True)
        ]
        found |= dict(zip(places, detector.score(rows).tolist(), strict=True))
    return found


def test_from_archive_to_scores(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make(make_service, kafka_bootstrap, partitions=PARTITIONS, detector={"name": "pca"})
    run(service, "topics", "create", service.stream)
    service.start("repartition", service.stream)
    service.start("archive", service.stream)
    count = 3_000
    send(service, count, partitions=PARTITIONS)
    lake = Lake(service.folder / "lake")
    eventually("everything is archived", lambda: archived_rows(lake, service.stream) >= count)
    run(service, "train", service.stream)
    service.start_worker()
    eventually("everything is scored", lambda: len(service.scored(PARTITIONS)) >= count)
    catalogue = service.catalogue()
    model = load(service.config).model_store().load(str(catalogue.champion(service.stream)))
    hops = {str(beat.state["hop"]) for beat in catalogue.workers() if beat.role == "repartition"}
    assert hops == {"split", "by.terminal"}
    assert {"terminal.count_1m", "customer.count_1m"} <= set(model.detector.feature_names)
    assert live_scores(service) == pytest.approx(scores_by_archive(service, model.detector), rel=1e-4, abs=1e-6)


def archived_rows(lake: Lake, stream: str) -> int:
    return sum(part.batch.num_rows for part in lake.iterate_in_order(stream, columns=["_offset"]))


def live_scores(service: Service) -> dict[Place, float]:
    """Every score on the scores topic; fails where one is there twice."""
    found: dict[Place, float] = {}
    for _, value in service.read(service.spec.scores_topic, PARTITIONS):
        with pa.ipc.open_stream(value) as reader:
            table = reader.read_all()
        partition = int(table.schema.metadata[b"eddyline.partition"])
        for offset, row, score in zip(*(table[c].to_pylist() for c in ("offset", "row", "score_nats")), strict=True):
            assert (partition, offset, row) not in found
            found[partition, offset, row] = score
    return found
