"""A service in a folder of its own, for tests that run the real commands against the real broker."""

import functools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml

from detectors.base import Detector
from detectors.columns import Kind, Role
from detectors.thresholds import Budget, Threshold, calibrate
from detectors.vae import VaeDetector
from pipeline.alerts.model import Alert
from pipeline.alerts.wire import decode_alert
from pipeline.catalogue import Catalogue
from pipeline.config import KafkaSettings, StreamSpec
from pipeline.errors import BrokerUnavailableError
from pipeline.kafka.kafka_python import KafkaPythonBroker
from pipeline.kafka.port import Block, OutRecord, TopicPartition, TopicRequest
from pipeline.model_store import Bundle, ModelStore
from pipeline.scoring.forked import forked_workers
from pipeline.scoring.names import group_name
from pipeline.scoring.supervisor import Worker

DEADLINE_SECONDS = 90.0
POLL_SECONDS = 0.1


def eventually(what: str, found: Callable[[], bool], *, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until something is so, and fail by its name when it does not come about."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        pause()


def pause(seconds: float = POLL_SECONDS) -> None:
    """Let other processes run for a moment."""
    threading.Event().wait(seconds)


def spec_document(stream: str, **more: object) -> dict[str, object]:
    """A small keyed stream of mixed types."""
    feature, key = [Role.FEATURE.value], [Role.KEY.value]
    return {
        "stream": stream,
        "topic": f"{stream}-events",
        "columns": [
            {"name": "customer", "kind": Kind.CATEGORICAL.value, "roles": key},
            {"name": "amount", "kind": Kind.NUMERIC.value, "roles": feature},
            {"name": "country", "kind": Kind.CATEGORICAL.value, "roles": feature},
        ],
        "budget": {"share_of_events": 0.01},
        **more,
    }


def events(count: int, *, seed: int = 0, anomalies: float = 0.0) -> pa.Table:
    """Ordinary events; a share of them with an amount far beyond the others, which alert."""
    rng = np.random.default_rng(seed)
    amount = rng.normal(100.0, 10.0, count).round(2)
    amount[rng.random(count) < anomalies] = 99_999.0
    return pa.table(
        {
            "customer": [f"c{n}" for n in rng.integers(0, 500, count)],
            "amount": amount,
            "country": rng.choice(["BR", "DE", "FR"], count).tolist(),
        }
    )


@functools.cache
def fitted(seed: int) -> tuple[Detector, Threshold]:
    """A small model of ordinary events: fitted once a session and seed."""
    schema = StreamSpec.model_validate(spec_document("s")).schema()
    table = events(4_000, seed=seed).cast(schema)
    detector = VaeDetector(seed=seed, time_budget_seconds=20.0)
    detector.fit(table)
    scores = np.concatenate([detector.score(batch) for batch in table.to_batches()])
    budget = Budget(alerts_per_day=None, share_of_events=0.001)
    return detector, calibrate(scores, budget=budget, times_ms=None, groups=None, gap_seconds=1.0)


@dataclass
class Service:
    """Settings, one stream, and the processes a test starts."""

    folder: Path
    bootstrap: str
    stream: str
    document: dict[str, object]
    catalogue_url: str | None = None
    """SQLite in the folder where None."""
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "streams").mkdir(parents=True, exist_ok=True)
        settings = {
            "instance": "host-a",
            "kafka": {"bootstrap": [self.bootstrap], "connect_timeout_seconds": 5},
            "metrics": {"port": 0},
            **({"catalogue": self.catalogue_url} if self.catalogue_url is not None else {}),
        }
        self.config.write_text(yaml.safe_dump(settings))
        self.write_spec(self.document)
        self.broker = KafkaPythonBroker(KafkaSettings(bootstrap=(self.bootstrap,)))

    @property
    def config(self) -> Path:
        return self.folder / "eddyline.yaml"

    @property
    def spec(self) -> StreamSpec:
        return StreamSpec.model_validate(self.document)

    def write_spec(self, document: Mapping[str, object]) -> None:
        self.document = dict(document)
        (self.folder / "streams" / f"{self.stream}.yaml").write_text(yaml.safe_dump(self.document))

    def create_topic(self, partitions: int) -> None:
        admin = self.broker.admin()
        admin.create([TopicRequest(name=self.spec.topic, partitions=partitions)])
        admin.close()

    def train(self, *, seed: int = 0) -> Bundle:
        """A model fitted on ordinary events, in service."""
        bundle = self.save_model(seed=seed)
        catalogue = self.catalogue()
        catalogue.add_model(bundle)
        catalogue.set_champion(self.stream, bundle.model_id, "test", 0)
        catalogue.close()
        return bundle

    def save_model(self, *, seed: int = 0) -> Bundle:
        detector, threshold = fitted(seed)
        return ModelStore(self.folder / "models").save(
            stream=self.stream,
            detector=detector,
            threshold=threshold,
            schema=self.spec.schema(),
            created_ms=seed,
            facts={},
        )

    def catalogue(self) -> Catalogue:
        return Catalogue.open(self.catalogue_url or f"sqlite:///{self.folder / 'eddyline.db'}")

    def send(
        self, values: Sequence[bytes | None], *, partitions: int, keys: Sequence[bytes | None] | None = None
    ) -> None:
        producer = self.broker.producer()
        for number, value in enumerate(values):
            key = keys[number] if keys else (b"tombstone" if value is None else None)
            producer.send(OutRecord(self.spec.topic, value, key=key, partition=number % partitions))
        producer.close()

    def send_events(self, count: int, *, partitions: int, seed: int = 1, anomalies: float = 0.01) -> None:
        rows = events(count, seed=seed, anomalies=anomalies).to_pylist()
        self.send([json.dumps(row).encode() for row in rows], partitions=partitions)

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        """Start `eddyline …` in the service's folder; its log lies beside."""
        log = (self.folder / f"{command[0]}-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.commands.main", *command, "--config", str(self.config)],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={k: v for k, v in os.environ.items() if not k.startswith("EDDYLINE_")} | {"OMP_NUM_THREADS": "1"},
        )
        self.processes.append(process)
        return process

    def start_worker(self, *, slot: int = 0) -> Worker:
        """One scoring worker without a supervisor, so that a test can kill exactly it."""
        worker = forked_workers([self.stream], config=self.config)(slot)
        self.workers.append(worker)
        return worker

    def logs(self) -> str:
        return "\n".join(p.read_text(errors="replace") for p in sorted(self.folder.glob("*.log")))

    def stop(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait(30)
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # -- what came out -------------------------------------------------------------------------------------------

    def read(self, topic: str, partitions: int) -> Iterator[tuple[bytes | None, bytes | None]]:
        """Every committed record of a topic."""
        found: list[tuple[bytes | None, bytes | None]] = []

        def keep(block: Block) -> None:
            found.extend(zip(block.keys, block.values, strict=True))

        admin = self.broker.admin()
        known = admin.describe([topic])
        admin.close()
        if known:
            self.broker.read_all([TopicPartition(topic, p) for p in range(partitions)], keep, timeout_seconds=40)
        yield from found

    def scored(self, partitions: int) -> list[tuple[int, int, int]]:
        """(partition, offset, row) of every score on the scores topic, repeats included."""
        places = []
        for _, value in self.read(self.spec.scores_topic, partitions):
            assert value is not None
            with pa.ipc.open_stream(value) as reader:
                table = reader.read_all()
            partition = int(table.schema.metadata[b"eddyline.partition"])
            offsets, rows = table["offset"].to_pylist(), table["row"].to_pylist()
            places += [(partition, o, r) for o, r in zip(offsets, rows, strict=True)]
        return places

    def models_used(self, partitions: int) -> list[str]:
        """The model of every scores record, in partition order."""
        used = []
        for _, value in self.read(self.spec.scores_topic, partitions):
            assert value is not None
            with pa.ipc.open_stream(value) as reader:
                used.append(reader.schema.metadata[b"eddyline.model"].decode())
        return used

    def alerts(self) -> list[Alert]:
        """Every message on the alerts topic."""
        return [decode_alert(value) for _, value in self.read(self.spec.alerts_topic, 1) if value is not None]

    def committed(self) -> int:
        """Sum of the scorers' committed offsets: cheap, for waiting. 0 while the broker is away."""
        try:
            admin = self.broker.admin()
            try:
                offsets = admin.group_offsets(group_name(self.stream))
            finally:
                admin.close()
        except BrokerUnavailableError:
            return 0
        return sum(c.offset for c in offsets.values())
