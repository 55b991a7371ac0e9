"""The archive on Apache Kafka: every committed event once, whatever happens to its writer or its topic."""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.archive import Archiver, Progress
from pipeline.config import KafkaSettings
from pipeline.kafka.kafka_python import KafkaPythonBroker
from pipeline.kafka.port import Block, OutRecord, TopicPartition, TopicRequest, TransactionalSink
from pipeline.lake import Lake
from tests.integration.archive_worker import STEPS, archiver_for

PARTITIONS = 3
DEATHS = 20
"""Twelve right after each step of closing a file, where it hurts most; the rest at any moment."""


@pytest.fixture
def broker(kafka_bootstrap: str) -> KafkaPythonBroker:
    return KafkaPythonBroker(KafkaSettings(bootstrap=(kafka_bootstrap,)))


@pytest.fixture
def topic(broker: KafkaPythonBroker, unique: Callable[[str], str]) -> str:
    name = unique("numbers")
    admin = broker.admin()
    admin.create([TopicRequest(name=name, partitions=PARTITIONS)])
    admin.close()
    return name


class Load(threading.Thread):
    """Produces numbers until stopped, in transactions, which leave markers (holes in the offsets) between them."""

    def __init__(self, broker: KafkaPythonBroker, topic: str) -> None:
        super().__init__(daemon=True)
        self._broker, self._topic, self._stop_event = broker, topic, threading.Event()
        self.produced = 0

    def run(self) -> None:
        sink = self._broker.transactional_sink(transactional_id=f"{self._topic}-load")
        while not self._stop_event.wait(0.02):
            produce(sink, self._topic, self.produced, 60, PARTITIONS)
            self.produced += 60
        sink.close()

    def stop(self) -> None:
        self._stop_event.set()
        self.join(60)


def produce(sink: TransactionalSink, topic: str, first: int, count: int, partitions: int) -> None:
    numbers = range(first, first + count)
    sink.commit([OutRecord(topic, str(n).encode(), partition=n % partitions) for n in numbers], {}, None)


@pytest.fixture
def load(broker: KafkaPythonBroker, topic: str) -> Iterator[Load]:
    thread = Load(broker, topic)
    thread.start()
    yield thread
    thread.stop()


def held(broker: KafkaPythonBroker, topic: str, partitions: int = PARTITIONS) -> dict[tuple[int, int], float]:
    """(partition, offset) → number, of every committed record."""
    found: dict[tuple[int, int], float] = {}

    def take(block: Block) -> None:
        for offset, value in zip(block.offsets.tolist(), block.values, strict=True):
            found[block.source.partition, offset] = float(value or b"nan")

    broker.read_all([TopicPartition(topic, p) for p in range(partitions)], take, timeout_seconds=60)
    return found


def archived(lake: Lake, topic: str, topic_id: str = "*") -> list[tuple[tuple[int, int], float]]:
    """Every row of every file, duplicates and all."""
    rows: list[tuple[tuple[int, int], float]] = []
    for path in sorted(lake.real(topic).glob(f"{topic_id}/date=*/*.parquet")):
        table = pq.read_table(path, partitioning=None)
        places = zip(table["_partition"].to_pylist(), table["_offset"].to_pylist(), strict=True)
        rows += zip(places, table["value"].to_pylist(), strict=True)
    return rows


def start(lake: Path, bootstrap: str, topic: str, *death: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.integration.archive_worker", str(lake), bootstrap, topic, *death]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "begun":
            return process
    if death:
        return process
    raise AssertionError("the archiver ended before it began")


def lives_for(process: "subprocess.Popen[str]", seconds: float) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(seconds)


def turn_until(archiver: Archiver, done: Callable[[], bool], turns: int = 400) -> None:
    """Turn until something holds; a turn that finds nothing takes a fifth of a second."""
    for _ in range(turns):
        archiver.turn()
        if done():
            return
    raise AssertionError(f"not within {turns} turns: {archiver.progress.state()}")


@pytest.mark.timeout(280)
def test_twenty_deaths_at_random_moments_archive_every_event_once(
    broker: KafkaPythonBroker, kafka_bootstrap: str, topic: str, load: Load, tmp_path: Path
) -> None:
    rng = random.Random(20)
    for death in range(DEATHS):
        if death < len(STEPS) * 3:
            step = list(STEPS)[death % len(STEPS)]
            process = start(tmp_path, kafka_bootstrap, topic, step, str(rng.randint(1, 12)))
            process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL
        else:
            process = start(tmp_path, kafka_bootstrap, topic)
            lives_for(process, rng.uniform(0.0, 0.7))
            process.kill()
            process.communicate()
    load.stop()
    said: list[Progress] = []
    archiver = archiver_for(Lake(tmp_path), kafka_bootstrap, topic, said)
    archiver.open()
    turn_until(archiver, lambda: archiver.progress.lag == 0 and archiver.progress.partitions == PARTITIONS)
    archiver.drain()
    archiver.close()
    expected = held(broker, topic)
    rows = archived(Lake(tmp_path), topic)
    assert len(rows) == len(expected) == load.produced
    assert dict(rows) == expected
    assert list(tmp_path.glob("**/*.tmp")) == []
    assert Lake(tmp_path).ledger(topic).gaps() == []


def test_sigterm_commits_what_is_open_and_ends_well(
    broker: KafkaPythonBroker, kafka_bootstrap: str, topic: str, load: Load, tmp_path: Path
) -> None:
    process = start(tmp_path, kafka_bootstrap, topic)
    for _ in range(300):
        lives_for(process, 0.2)
        if archived(Lake(tmp_path), topic):
            break
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
    rows = archived(Lake(tmp_path), topic)
    assert len(rows) == len(dict(rows)) > 0
    assert list(tmp_path.glob("**/*.tmp")) == []


def test_a_topic_made_anew_and_grown_while_it_is_read(
    broker: KafkaPythonBroker, kafka_bootstrap: str, topic: str, tmp_path: Path
) -> None:
    admin, lake = broker.admin(), Lake(tmp_path)
    sink = broker.transactional_sink(transactional_id=f"{topic}-load")
    produce(sink, topic, 0, 30, PARTITIONS)
    old_id = admin.describe([topic])[topic].topic_id
    archiver = archiver_for(lake, kafka_bootstrap, topic, [])
    archiver.open()
    turn_until(archiver, lambda: len(archived(lake, topic, old_id)) == 30)
    before = dict(archived(lake, topic, old_id))
    sink.close()
    admin.delete([topic])
    admin.create([TopicRequest(name=topic, partitions=PARTITIONS)])
    sink = broker.transactional_sink(transactional_id=f"{topic}-load-anew")
    produce(sink, topic, 0, 600, PARTITIONS)
    new_id = admin.describe([topic])[topic].topic_id
    turn_until(archiver, lambda: len(archived(lake, topic, new_id)) == 600)
    admin.grow(topic, 5)
    sink.close()
    sink = broker.transactional_sink(transactional_id=f"{topic}-load-grown")
    produce(sink, topic, 0, 100, 5)
    turn_until(archiver, lambda: len(archived(lake, topic, new_id)) == 700)
    archiver.drain()
    archiver.close()
    rows = archived(lake, topic, new_id)
    assert len(rows) == len(dict(rows)) == 700
    assert dict(rows) == held(broker, topic, 5)
    assert dict(archived(lake, topic, old_id)) == before
    admin.close()
    sink.close()
