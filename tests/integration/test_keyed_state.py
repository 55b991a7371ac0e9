"""Scores that rest on a key's past are those of an uninterrupted run, whatever is killed, aborted or damaged."""

import json
import random
from functools import partial
from pathlib import Path

import numpy as np
from kafka import KafkaAdminClient, TopicPartition

from pipeline.scoring.supervisor import Worker
from pipeline.state.enricher import Enricher
from pipeline.state.recipe import Recipe
from pipeline.state.snapshots import SnapshotStore
from tests.integration.keyed import (
    CONTEXT,
    archived,
    assert_scored_as_offline,
    feeding,
    live_scores,
    send,
    snapshots,
    train,
)
from tests.integration.service import Service, eventually, pause
from tests.integration.test_exactly_once import MakeService, done, moved_on

PARTITIONS = 3


def make(make_service: MakeService, bootstrap: str, *, partitions: int = PARTITIONS, **more: object) -> Service:
    return make_service(bootstrap, partitions=partitions, scoring={"max_batch_events": 100}, **(CONTEXT | more))


def stop(worker: Worker) -> None:
    worker.terminate()
    assert worker.wait(40) == 0


def kill(worker: Worker) -> None:
    worker.kill()
    worker.wait(30)


def test_killed_under_load_again_and_again(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make(make_service, kafka_bootstrap)
    train(service)
    rng, total = random.Random(1), 4_000
    feeder = feeding(service, total, partitions=PARTITIONS)
    worker = service.start_worker()
    for _ in range(3):
        eventually("the worker commits", partial(moved_on, service, service.committed(), total))
        pause(rng.random() * 0.3)
        kill(worker)
        worker = service.start_worker()
    feeder.join()
    eventually("everything is scored", lambda: done(service, total))
    stop(worker)
    assert snapshots(service)
    assert_scored_as_offline(service, total, partitions=PARTITIONS, lake=archived(service, total))


def test_partitions_change_hands(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make(make_service, kafka_bootstrap)
    train(service)
    send(service, 2_000, partitions=PARTITIONS)
    first, second = service.start_worker(slot=0), service.start_worker(slot=1)
    eventually("scoring begins", lambda: service.committed() > 0)
    send(service, 1_000, partitions=PARTITIONS, seed=2)
    kill(first)
    eventually("the survivor takes over", lambda: done(service, 3_000))
    third = service.start_worker(slot=2)
    send(service, 1_000, partitions=PARTITIONS, seed=3)
    stop(second)
    eventually("the newcomer is left with everything", lambda: done(service, 4_000))
    stop(third)
    assert_scored_as_offline(service, 4_000, partitions=PARTITIONS)


def test_snapshots_damaged_or_ahead_of_what_is_committed_are_not_used(
    kafka_bootstrap: str, make_service: MakeService
) -> None:
    service = make(make_service, kafka_bootstrap, partitions=1)
    train(service)
    worker = service.start_worker()
    send(service, 900, partitions=1)
    eventually("it is scored", lambda: done(service, 900))
    stop(worker)
    newest = snapshots(service)[-1]
    assert newest.name.startswith(f"{900:019d}")
    (newest / "weights.safetensors").write_bytes(b"cut")
    write_ahead(service, newest.parent, 1_000)
    send(service, 900, partitions=1, seed=2)
    worker = service.start_worker()
    eventually("it goes on", lambda: done(service, 1_800))
    stop(worker)
    assert_scored_as_offline(service, 1_800, partitions=1)


def write_ahead(service: Service, folder: Path, position: int) -> None:
    """A whole snapshot, of an offset that is not committed and of rows that never were."""
    recipe = Recipe.of(service.spec)
    enricher = Enricher(recipe, position=position)
    store = SnapshotStore(folder.parent.parent, recipe)
    store.write(folder.parent.name, 0, enricher.snapshot())


def test_what_the_log_no_longer_holds_is_said_and_scoring_goes_on(
    kafka_bootstrap: str, make_service: MakeService
) -> None:
    service = make(make_service, kafka_bootstrap, partitions=1, state={"snapshot_seconds": 3_600})
    train(service)
    worker = service.start_worker()
    send(service, 500, partitions=1)
    eventually("it is scored", lambda: done(service, 500))
    kill(worker)
    admin = KafkaAdminClient(bootstrap_servers=service.bootstrap)
    admin.delete_records({TopicPartition(service.spec.topic, 0): 400})
    admin.close()
    send(service, 500, partitions=1, seed=2)
    service.start_worker()
    eventually("it goes on", lambda: done(service, 1_000))
    eventually("status says so", lambda: said(service) == (1, 1))
    scores = live_scores(service, 1)
    assert len(scores) == 1_000
    assert np.isfinite(list(scores.values())).all()


def said(service: Service) -> tuple[object, object]:
    states = [beat.state for beat in service.catalogue().workers()]
    return (states[-1]["incomplete_state"], states[-1]["warming_up"]) if states else (None, None)


def test_a_model_of_other_context_is_refused(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make(make_service, kafka_bootstrap, partitions=1)
    train(service)
    changed = json.loads(json.dumps(CONTEXT["context"]))
    changed[0]["half_lives_seconds"] = [7, 600]
    service.write_spec(service.document | {"context": changed})
    worker = service.start_worker()
    send(service, 300, partitions=1)

    def refused() -> bool:
        states = [beat.state for beat in service.catalogue().workers()]
        return any("eddyline train" in str(s["last_error"]) and "no model yet" in str(s["waiting"]) for s in states)

    eventually("it waits, and says to train again", refused)
    assert service.committed() == 0
    stop(worker)
