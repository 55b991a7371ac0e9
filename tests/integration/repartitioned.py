"""A service whose terminals have context though its topic is keyed by customer, and what that context should be."""

import json
import threading
from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, Role
from pipeline.errors import BrokerUnavailableError
from pipeline.intake import Intake
from pipeline.kafka.port import Block, OutRecord, TopicPartition
from pipeline.repartition.plan import downstream, hops_of
from pipeline.repartition.process import PRELOADED, run_worker
from pipeline.repartition.topics import ensure_step_topics
from pipeline.scoring.forked import forked_workers
from pipeline.scoring.supervisor import Worker
from pipeline.state.enricher import Enricher
from pipeline.state.recipe import Recipe
from tests.integration.service import Service, eventually

Place = tuple[int, int]
"""Partition and offset in the source topic."""
FEATURE = [Role.FEATURE.value]
COLUMNS = [
    {"name": "customer", "kind": Kind.CATEGORICAL.value, "roles": [Role.KEY.value]},
    {"name": "terminal", "kind": Kind.CATEGORICAL.value},
    {"name": "amount", "kind": Kind.NUMERIC.value, "roles": FEATURE},
    {"name": "country", "kind": Kind.CATEGORICAL.value, "roles": FEATURE},
    {"name": "when", "kind": Kind.TIME.value, "roles": [Role.TIME.value]},
]
CONTEXT = [
    {"key": "terminal", "half_lives_seconds": [60], "numeric": ["amount"], "repartition": True},
    {"key": "customer", "half_lives_seconds": [60], "numeric": ["amount"]},
]
STATE = {"snapshot_events": 4, "snapshot_seconds": 0.5}
TERMINALS = 40


def make(make_service: Callable[..., Service], bootstrap: str, *, partitions: int, **more: object) -> Service:
    """The service, its step's topics made."""
    stated = {"columns": COLUMNS, "context": CONTEXT, "state": STATE, "archive": {"roll_seconds": 1.0}}
    service = make_service(bootstrap, partitions=partitions, **(stated | more))
    ensure_step_topics(service.spec, service.broker)
    return service


def send(service: Service, count: int, *, partitions: int, first: int = 0, seed: int = 1) -> None:
    """Events in order of their time, each customer's in one partition."""
    rng = np.random.default_rng(seed)
    producer = service.broker.producer()
    for number in range(first, first + count):
        customer = int(rng.integers(0, 200))
        event = {
            "customer": f"c{customer}",
            "terminal": f"t{rng.integers(0, TERMINALS)}",
            "amount": round(float(rng.normal(100.0, 10.0)), 2),
            "country": str(rng.choice(["BR", "DE", "FR"])),
            "when": f"2024-03-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        }
        value = json.dumps(event).encode()
        producer.send(OutRecord(service.spec.topic, value, key=b"c%d" % customer, partition=customer % partitions))
    producer.close()


def feeding(service: Service, count: int, *, partitions: int) -> threading.Thread:
    """A thread that sends."""
    thread = threading.Thread(target=send, args=(service, count), kwargs={"partitions": partitions})
    thread.start()
    return thread


def start(service: Service, *, slot: int = 0) -> Worker:
    """One worker of the step, without a supervisor."""
    spawn = forked_workers([service.stream], config=service.config, run=run_worker, preloaded=PRELOADED)
    worker = spawn(slot)
    service.workers.append(worker)
    return worker


def stop(worker: Worker) -> None:
    worker.terminate()
    assert worker.wait(40) == 0


def blocks_of(service: Service, topic: str, partitions: int) -> dict[int, list[Block]]:
    """A whole topic, by partition."""
    found: dict[int, list[Block]] = {}

    def take(block: Block) -> None:
        found.setdefault(block.source.partition, []).append(block)

    service.broker.read_all([TopicPartition(topic, p) for p in range(partitions)], take, timeout_seconds=40)
    return found


def joined(service: Service, partitions: int) -> pa.Table:
    """The rows of the joined topic as scorers read them, in order, with the partition they lie in."""
    seen = downstream(service.spec)
    intake = Intake(seen)
    parts = []
    for partition, blocks in blocks_of(service, seen.topic, partitions).items():
        for block in blocks:
            taken = intake.take(block)
            assert not taken.rejects
            rows = pa.Table.from_batches([taken.batch])
            parts.append(rows.append_column("partition", pa.array([partition] * taken.batch.num_rows, pa.int64())))
    return pa.concat_tables(parts) if parts else pa.table({"partition": []})


def places_of(rows: pa.Table, partition: str = "partition") -> list[Place]:
    return list(zip(rows[partition].to_pylist(), rows["_source_offset"].to_pylist(), strict=True))


def committed(service: Service, hop: int) -> dict[TopicPartition, int]:
    """What a hop has committed; nothing while the broker is away."""
    try:
        admin = service.broker.admin()
        try:
            offsets = admin.group_offsets(hops_of(service.spec)[hop].group)
        finally:
            admin.close()
    except BrokerUnavailableError:
        return {}
    return {partition: c.offset for partition, c in offsets.items()}


def moved(service: Service) -> int:
    """Records moved by all hops: cheap, for waiting."""
    return sum(sum(committed(service, hop).values()) for hop in range(len(hops_of(service.spec))))


def wait_for_all(service: Service, count: int, *, partitions: int) -> None:
    """Until the step has gone through everything sent."""
    eventually("the split is through", lambda: sum(committed(service, 0).values()) >= count)
    for number, hop in enumerate(hops_of(service.spec)[1:], 1):
        eventually(f"{hop.name} is through", lambda n=number, h=hop: _is_through(service, n, h.reads.topic, partitions))  # type: ignore[misc]


def _is_through(service: Service, hop: int, topic: str, partitions: int) -> bool:
    """A hop's groups stand at the ends, but for the marker of the last transaction."""
    admin = service.broker.admin()
    ends = admin.latest_offsets([TopicPartition(topic, p) for p in range(partitions)])
    admin.close()
    at = committed(service, hop)
    return all(at.get(partition, 0) >= end - 1 for partition, end in ends.items() if end)


def expected(service: Service, partitions: int) -> dict[Place, dict[str, object]]:
    """What an undisturbed run over the repartitioned topics derives of every event."""
    found: dict[Place, dict[str, object]] = {}
    for hop in hops_of(service.spec)[1:]:
        recipe, intake = Recipe.of(hop.reads), Intake(hop.reads)
        for blocks in blocks_of(service, hop.reads.topic, partitions).values():
            state = Enricher(recipe)
            for block in blocks:
                taken = intake.take(block)
                rows = state.advance(taken.batch, taken.time_ms, next_offset=block.next_offset)
                derived = rows.select([f.name for part in recipe.fresh() for f in part.fields])
                places = places_of(pa.Table.from_batches([rows]), "_source_partition")
                for place, values in zip(places, derived.to_pylist(), strict=True):
                    found.setdefault(place, {}).update(values)
    return found


def assert_whole_and_right(service: Service, count: int, *, partitions: int) -> pa.Table:
    """Every event once, at home, as it came, with the context that an undisturbed run derives. Returns the rows."""
    rows = joined(service, partitions)
    places = places_of(rows)
    twice = [place for place, times in Counter(places).items() if times > 1]
    assert not twice, f"joined twice: {twice[:5]}"
    assert len(places) == count, f"{count - len(places)} events were lost"
    intake, own = Intake(service.spec), [column.name for column in service.spec.columns]
    came: dict[Place, dict[str, object]] = {}
    for partition, blocks in blocks_of(service, service.spec.topic, partitions).items():
        for block in blocks:
            taken = intake.take(block)
            values = taken.batch.to_pylist()
            came |= {(partition, o): v for o, v in zip(taken.offsets.tolist(), values, strict=True)}
    assert dict(zip(places, rows.select(own).to_pylist(), strict=True)) == came, "home, and as they came"
    should = expected(service, partitions)
    derived = rows.select(sorted(next(iter(should.values())))).to_pylist()
    wrong = [(p, is_, should[p]) for p, is_ in zip(places, derived, strict=True) if is_ != should[p]]
    assert not wrong, f"{len(wrong)} of {count} contexts differ, such as {wrong[:2]}"
    return rows
