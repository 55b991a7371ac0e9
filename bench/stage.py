"""What benchmarks share: a broker, a service in a temporary folder, events in topics, a trained champion."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml

from pipeline.config import KafkaSettings, StreamSpec
from pipeline.kafka.kafka_python import KafkaPythonBroker
from pipeline.kafka.port import OutRecord, TopicRequest

SCRIPT = Path(__file__).parent.parent / "scripts" / "kafka"
PARTITIONS = 2


@contextmanager
def apache_kafka() -> Iterator[str]:
    """The address of Apache Kafka: the one in the environment, or one of this run's own."""
    if os.environ.get("EDDYLINE_KAFKA_BOOTSTRAP"):
        yield os.environ["EDDYLINE_KAFKA_BOOTSTRAP"]
        return
    with tempfile.TemporaryDirectory(prefix="eddyline-bench-kafka-") as data:
        command = [sys.executable, str(SCRIPT)]
        started = subprocess.run(
            [*command, "start", "--port", "0", "--data", data], check=True, capture_output=True, text=True
        )
        try:
            yield started.stdout.strip()
        finally:
            subprocess.run([*command, "stop", "--data", data], check=False, capture_output=True)


def event_table(count: int, *, seed: int = 0, customers: int = 20_000, anomalies: float = 0.0) -> pa.Table:
    """Events of 12 columns, about 200 bytes each as JSON. A share of them has an amount far beyond all others."""
    rng = np.random.default_rng(seed)
    amount = rng.lognormal(3.0, 1.0, count).round(2)
    amount[rng.random(count) < anomalies] = 1e7
    return pa.table(
        {
            "event_id": pa.array([f"e{n:09d}" for n in range(count)]),
            "time": pa.array(1_767_571_200_000 + np.arange(count) * 10),
            "customer": pa.array([f"c{n}" for n in rng.integers(0, customers, count)]),
            "merchant": pa.array([f"m{n}" for n in rng.integers(0, 500, count)]),
            "amount": pa.array(amount),
            "country": pa.array(rng.choice(["BR", "DE", "FR", "GB", "US"], count)),
            "device": pa.array(rng.choice(list("abcdef"), count)),
            "channel": pa.array(rng.choice(["app", "pos", "web"], count)),
            "present": pa.array(rng.random(count) < 0.5),
            "items": pa.array(rng.integers(1, 9, count)),
            "age_days": pa.array(rng.integers(1, 4_000, count)),
            "discount": pa.array(rng.random(count).round(3)),
        }
    )


def spec_document(stream: str, format: str, **more: object) -> dict[str, object]:
    """The spec of those events."""
    feature = ["feature"]
    return {
        "stream": stream,
        "topic": f"{stream}-events",
        "format": format,
        "columns": [
            {"name": "event_id", "kind": "text", "roles": ["id"]},
            {"name": "time", "kind": "time", "roles": ["time"], "unit": "ms"},
            {"name": "customer", "kind": "text", "roles": ["key"]},
            {"name": "merchant", "kind": "categorical", "roles": feature},
            {"name": "amount", "kind": "numeric", "roles": feature},
            {"name": "country", "kind": "categorical", "roles": feature},
            {"name": "device", "kind": "categorical", "roles": feature},
            {"name": "channel", "kind": "categorical", "roles": feature},
            {"name": "present", "kind": "boolean", "roles": feature},
            {"name": "items", "kind": "numeric", "roles": feature, "integer": True},
            {"name": "age_days", "kind": "numeric", "roles": feature, "integer": True},
            {"name": "discount", "kind": "numeric", "roles": feature},
        ],
        "budget": {"share_of_events": 0.0001},
        "scoring": {"future_tolerance_seconds": 1e9},
        **more,
    }


@dataclass
class Stage:
    """A service of one stream in a folder of its own."""

    folder: Path
    bootstrap: str
    stream: str
    document: Mapping[str, object]

    def __post_init__(self) -> None:
        (self.folder / "streams").mkdir(parents=True, exist_ok=True)
        settings = {"instance": "bench", "kafka": {"bootstrap": [self.bootstrap]}, "metrics": {"port": 0}}
        self.config.write_text(yaml.safe_dump(settings))
        (self.folder / "streams" / f"{self.stream}.yaml").write_text(yaml.safe_dump(dict(self.document)))
        self.broker = KafkaPythonBroker(KafkaSettings(bootstrap=(self.bootstrap,)))
        admin = self.broker.admin()
        admin.create([TopicRequest(name=self.spec.topic, partitions=PARTITIONS)])
        admin.close()

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.folder / "eddyline.yaml"

    @property
    def spec(self) -> StreamSpec:
        """The stream's spec."""
        return StreamSpec.model_validate(self.document)

    def train(self, table: pa.Table) -> None:
        """A VAE fitted on `table`, in service, calibrated on the second half."""
        from detectors.thresholds import Budget, calibrate
        from detectors.vae import VaeDetector
        from pipeline.catalogue import Catalogue
        from pipeline.model_store import ModelStore

        detector = VaeDetector(seed=0, time_budget_seconds=30.0)
        detector.fit(table.slice(0, table.num_rows // 2))
        held_out = table.slice(table.num_rows // 2).combine_chunks().to_batches()
        scores = np.concatenate([detector.score(batch) for batch in held_out])
        share = self.spec.budget.share_of_events
        budget = Budget(alerts_per_day=None, share_of_events=share)
        threshold = calibrate(scores, budget=budget, times_ms=None, groups=None, gap_seconds=1.0)
        store = ModelStore(self.folder / "models")
        bundle = store.save(
            stream=self.stream,
            detector=detector,
            threshold=threshold,
            schema=self.spec.schema(),
            created_ms=0,
            facts={},
        )
        catalogue = Catalogue.open(f"sqlite:///{self.folder / 'eddyline.db'}")
        catalogue.add_model(bundle)
        catalogue.set_champion(self.stream, bundle.model_id, "benchmark", 0)
        catalogue.close()

    def send(self, values: Iterator[bytes], *, timestamp_ms: int | None = None) -> int:
        """Produce record values, round robin over the partitions. Returns their number."""
        producer = self.broker.producer()
        count = 0
        for value in values:
            record = OutRecord(self.spec.topic, value, partition=count % PARTITIONS, timestamp_ms=timestamp_ms)
            producer.send(record)
            count += 1
        producer.close()
        return count

    def child(self, module: str, *arguments: str) -> dict[str, float]:
        """Run `python -m module` for this stage and read the JSON object it prints last."""
        return in_child(module, str(self.config), self.stream, *arguments)


def in_child(module: str, *arguments: str) -> dict[str, float]:
    """Run `python -m module` and read the JSON object it prints last."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{module} failed:\n{done.stderr[-4000:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def typed(table: pa.Table, spec: StreamSpec) -> pa.Table:
    """A table as the stream's rows: its schema, times as timestamps."""
    columns = []
    for field in spec.schema():
        column = table[field.name]
        if pa.types.is_timestamp(field.type):
            column = column.cast(pa.timestamp("ms")).cast(pa.timestamp("us")).cast(field.type)
        columns.append(column.cast(field.type))
    return pa.table(columns, schema=spec.schema())


def arrow_records(table: pa.Table, rows: int) -> Iterator[bytes]:
    """A table as Arrow IPC records of `rows` rows."""
    for batch in table.to_batches(max_chunksize=rows):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        yield sink.getvalue().to_pybytes()
