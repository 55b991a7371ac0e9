"""Scores and alerts hold every event once, whatever is killed."""

import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial

import pyarrow as pa
import pytest

from pipeline.alerts.model import AlertStatus
from pipeline.scoring.supervisor import EXIT_FENCED, Supervisor
from tests.integration import deadly_worker
from tests.integration.service import Service, events, eventually, pause

MakeService = Callable[..., Service]
PARTITIONS = 3


def assert_each_once(service: Service, partitions: int, count: int) -> None:
    places = Counter(service.scored(partitions))
    twice = [place for place, times in places.items() if times > 1]
    assert not twice, f"scored twice: {twice[:5]}"
    lacking = [(p, o) for p in range(partitions) for o in range(count // partitions) if (p, o, 0) not in places]
    assert len(places) == count, f"{count - len(places)} events were not scored, {lacking[:1]} to {lacking[-1:]}"


def assert_alerts_consistent(service: Service) -> None:
    """Revisions of each alert are published once, in order, without a hole."""
    revisions: dict[str, list[int]] = {}
    for alert in service.alerts():
        revisions.setdefault(alert.id, []).append(alert.revision)
    assert revisions, "nothing alerted"
    first = min(r[0] for r in revisions.values())
    wrong = {i: r for i, r in revisions.items() if r != list(range(first, first + len(r)))}
    assert not wrong, f"revisions published twice or not at all: {list(wrong.items())[:3]}"


def kill_at_random(service: Service, total: int, *, times: int, seed: int) -> None:
    """Kill the only worker again and again while it works; a new one takes its slot each time."""
    rng = random.Random(seed)
    worker = service.start_worker()
    for _ in range(times):
        eventually("the worker commits", partial(moved_on, service, service.committed(), total))
        pause(rng.random() * 0.3)
        worker.kill()
        worker.wait(30)
        worker = service.start_worker()
    eventually("everything is scored", lambda: done(service, total))
    worker.terminate()
    assert worker.wait(40) == 0


def done(service: Service, total: int) -> bool:
    return service.committed() >= total


def moved_on(service: Service, before: int, total: int) -> bool:
    return service.committed() > before or done(service, total)


def run_kills(service: Service, *, times: int, per_kill: int) -> None:
    service.train()
    total = times * per_kill
    feeder = threading.Thread(target=service.send_events, args=(total,), kwargs={"partitions": PARTITIONS})
    feeder.start()
    kill_at_random(service, total, times=times, seed=1)
    feeder.join()
    assert_each_once(service, PARTITIONS, total)
    assert_alerts_consistent(service)


def test_killed_twenty_times_under_load(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=PARTITIONS, scoring={"max_batch_events": 100})
    run_kills(service, times=20, per_kill=2_000)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_killed_a_hundred_times_under_load(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=PARTITIONS, scoring={"max_batch_events": 100})
    run_kills(service, times=100, per_kill=2_000)


def test_one_of_two_dies_for_good_and_another_joins(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=PARTITIONS, scoring={"max_batch_events": 50})
    service.train()
    service.send_events(6_000, partitions=PARTITIONS)
    first, second = service.start_worker(slot=0), service.start_worker(slot=1)
    eventually("scoring begins", lambda: service.committed() > 0)
    first.kill()
    first.wait(30)
    service.send_events(3_000, partitions=PARTITIONS, seed=2)
    eventually("the survivor takes over", lambda: done(service, 9_000))
    service.start_worker(slot=2)
    service.send_events(3_000, partitions=PARTITIONS, seed=3)
    eventually("both score", lambda: done(service, 12_000))
    second.terminate()
    assert second.wait(40) == 0
    service.send_events(3_000, partitions=PARTITIONS, seed=4)
    eventually("the newcomer is left with everything", lambda: done(service, 15_000))
    assert_each_once(service, PARTITIONS, 15_000)
    assert_alerts_consistent(service)


def test_scaled_from_three_workers_to_one(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=PARTITIONS)
    service.train()
    three = service.start("score", service.stream, "--workers", "3")
    service.send_events(3_000, partitions=PARTITIONS)
    eventually("three score", lambda: done(service, 3_000))
    three.terminate()
    assert three.wait(60) == 0
    one = service.start("score", service.stream, "--workers", "1")
    service.send_events(3_000, partitions=PARTITIONS, seed=2)
    eventually("one scores everything", lambda: done(service, 6_000))
    one.terminate()
    assert one.wait(60) == 0
    assert_each_once(service, PARTITIONS, 6_000)


def test_a_supervisor_restarts_what_dies(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=1)
    service.train()
    service.start("score", service.stream)
    service.send_events(500, partitions=1)
    eventually("scoring begins", lambda: done(service, 500))
    [beat] = service.catalogue().workers()
    os.kill(beat.pid, signal.SIGKILL)
    service.send_events(500, partitions=1, seed=2)
    eventually("a new worker scores", lambda: done(service, 1_000))
    assert_each_once(service, 1, 1_000)


def test_two_hosts_of_one_name_do_not_both_score(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=1)
    service.train()
    first = service.start_worker()
    service.send_events(500, partitions=1)
    eventually("the first scores", lambda: done(service, 500))
    service.start_worker()
    assert first.wait(60) == EXIT_FENCED
    service.send_events(500, partitions=1, seed=2)
    eventually("the second scores", lambda: done(service, 1_000))
    assert_each_once(service, 1, 1_000)


def test_the_event_that_kills_the_process_is_found(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=1, scoring={"max_batch_events": 64})
    service.train()
    rows = [json.dumps(row).encode() for row in events(300, seed=5).to_pylist()]
    rows[123] = rows[123].replace(b'"customer"', b'"' + deadly_worker.DEADLY + b'": 1, "customer"')
    service.send(rows, partitions=1)
    stop = threading.Event()
    workers = deadly_worker.workers(service)
    supervisor = Supervisor(workers, workers=1, stop=stop)
    running = threading.Thread(target=supervisor.run)
    running.start()
    try:
        eventually("the stream goes on", lambda: done(service, 300), seconds=200)
    finally:
        stop.set()
        running.join()
    assert_each_once(service, 1, 299)
    [(_, value)] = service.read(service.spec.dead_letters_topic, 1)
    assert value == rows[123]


def test_bad_records_of_either_codec_harm_no_neighbour(kafka_bootstrap: str, make_service: MakeService) -> None:
    for codec in ("json", "arrow"):
        service = make_service(kafka_bootstrap, partitions=1, format=codec)
        service.train()
        table = events(400, seed=6, anomalies=0.01)
        good: list[bytes | None]
        if codec == "json":
            good = [json.dumps(row).encode() for row in table.to_pylist()]
        else:
            good = [ipc(table.slice(start, 20)) for start in range(0, 400, 20)]
        bad: list[bytes | None] = [b"", None, b"\xff\xfe{", b'{"amount": NaN}', b"x" * 10_000, b"[]"]
        service.send([v for pair in zip(good, bad * 100, strict=False) for v in pair], partitions=1)
        service.start("score", service.stream, "--accept-rejects")
        eventually("everything is read", partial(done, service, 2 * len(good)))
        assert_each_once(service, 1, 400)
        assert len(list(service.read(service.spec.dead_letters_topic, 1))) == len(good)
        service.stop()


def ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def test_a_stream_that_no_longer_fits_is_paused_and_pages(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=1)
    service.train()
    service.start("score", service.stream)
    service.send([b'{"amount": "a string now"}'] * 2_000, partitions=1)
    eventually("someone is paged", lambda: any(a.kind.value == "rejects" for a in service.alerts()))
    assert not list(service.read(service.spec.dead_letters_topic, 1))
    assert service.committed() == 0
    eventually("status says why", lambda: any(b.state.get("paused") for b in service.catalogue().workers()))


def test_open_alerts_survive_a_restart_and_are_resolved(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=1, alerts={"group_gap_seconds": 5.0})
    service.train()
    worker = service.start_worker()
    anomaly = json.dumps({"customer": "c1", "amount": 99_999.0, "country": "DE"}).encode()
    service.send([anomaly], partitions=1)
    eventually("it alerts", lambda: len(service.alerts()) == 1)
    worker.kill()
    worker.wait(30)
    service.start_worker()
    eventually("it is resolved", lambda: service.alerts()[-1].status is AlertStatus.RESOLVED)
    assert [a.revision for a in service.alerts()] == sorted({a.revision for a in service.alerts()})
    assert len({a.id for a in service.alerts()}) == 1
