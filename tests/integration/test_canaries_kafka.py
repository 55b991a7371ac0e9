"""Canaries beside a scorer on Apache Kafka: counted once, in nobody's topics, in nobody's alerts."""

import json
import re
from functools import partial
from itertools import pairwise

import pyarrow as pa

from tests.integration.keyed import CONTEXT, send, train
from tests.integration.service import Service, eventually
from tests.integration.test_exactly_once import MakeService, done

PARTITIONS = 2
FIELDS = ("partition", "start", "end", "injected", "caught")


def copies(service: Service) -> list[dict[str, int]]:
    """Every copy that any process of the canaries scored, from their logs."""
    found = []
    for path in sorted(service.folder.glob("canaries-*.log")):
        for line in path.read_text(errors="replace").splitlines():
            if '"canaries scored"' in line and line.endswith("}"):
                document = json.loads(line)
                found.append({name: int(document[name]) for name in FIELDS})
    return found


def joined(service: Service, pid: int) -> bool:
    catalogue = service.catalogue()
    beats = [beat for beat in catalogue.workers() if beat.role == "canaries" and beat.pid == pid]
    catalogue.close()
    return any(beat.state["assigned"] == PARTITIONS for beat in beats)


def send_some(service: Service, *, seed: int) -> int:
    """A few hundred events; returns how many. Endless sending is ended by the scorer's deadline."""
    assert seed < 60_000, "no copy was ever scored"
    send(service, 600, partitions=PARTITIONS, seed=seed)
    return 600


def counted(service: Service) -> dict[str, int]:
    catalogue = service.catalogue()
    counts = catalogue.canary_counts(service.stream, 0)
    catalogue.close()
    return {"injected": sum(c.injected for c in counts), "caught": sum(c.caught for c in counts)}


def topics(service: Service) -> dict[str, list[tuple[bytes | None, bytes | None]]]:
    """Everything in every topic of the stream, byte by byte."""
    spec = service.spec
    names = {spec.topic: PARTITIONS, spec.scores_topic: PARTITIONS, spec.episodes_topic: PARTITIONS}
    names |= {spec.alerts_topic: 1, spec.dead_letters_topic: 1}
    return {name: list(service.read(name, partitions)) for name, partitions in names.items()}


def flagged(service: Service) -> set[tuple[int, int]]:
    """Partition and offset of every event that the scorer flagged."""
    places = set()
    for _, value in service.read(service.spec.scores_topic, PARTITIONS):
        assert value is not None
        with pa.ipc.open_stream(value) as reader:
            table = reader.read_all()
        partition = int(table.schema.metadata[b"eddyline.partition"])
        rows = zip(table["offset"].to_pylist(), table["flagged"].to_pylist(), strict=True)
        places |= {(partition, offset) for offset, is_flagged in rows if is_flagged}
    return places


def test_counts_match_what_was_put_in_through_a_kill_and_alerts_are_the_true_ones(
    kafka_bootstrap: str, make_service: MakeService
) -> None:
    document = {**CONTEXT, "canaries": {"per_hour": 200_000.0}}
    service = make_service(kafka_bootstrap, partitions=PARTITIONS, scoring={"max_batch_events": 200}, **document)
    train(service)
    worker = service.start_worker()
    birds = service.start("canaries", service.stream)
    eventually("the canaries have their partitions", partial(joined, service, birds.pid))
    sent = 0
    while not copies(service):
        sent += send_some(service, seed=sent + 1)
        eventually("the scorer has them", partial(done, service, sent))
    birds.kill()
    birds.wait(30)
    worker.terminate()
    assert worker.wait(40) == 0
    send(service, 1_200, partitions=PARTITIONS, seed=sent + 1)
    as_they_were, before = topics(service), len(copies(service))
    birds = service.start("canaries", service.stream)
    eventually("the next canaries score a copy", lambda: len(copies(service)) > before)
    birds.terminate()
    assert birds.wait(60) == 0
    assert topics(service) == as_they_were, "canaries left something in a topic"
    _never_twice(service)
    alerts = service.alerts()
    assert alerts
    assert {(a.partition, a.first_offset) for a in alerts} <= flagged(service), "an alert about no true event"
    assert not re.search(r"unseen-[0-9a-f]{6}", json.dumps([a.event for a in alerts]))


def _never_twice(service: Service) -> None:
    """Stretches do not overlap, and each was counted once at most: a kill may lose one, never double it."""
    found = copies(service)
    for partition in range(PARTITIONS):
        spans = sorted((c["start"], c["end"]) for c in found if c["partition"] == partition)
        assert all(before[1] <= after[0] for before, after in pairwise(spans)), spans
    counts = counted(service)
    for name in ("injected", "caught"):
        said = sum(c[name] for c in found)
        most = max(c[name] for c in found)
        assert said - most <= counts[name] <= said
    assert counts["injected"] > 0
