"""A dataset played into Apache Kafka: every row once, in order of time, marked as synthetic."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipeline.commands.main import app
from pipeline.config import KafkaSettings
from pipeline.kafka.kafka_python import KafkaPythonBroker
from pipeline.kafka.port import Block, TopicPartition
from tests.pipeline.commands.test_synth import dataset, judged
from tests.pipeline.synthesis.making import drawn, passing

ROWS = 400


def test_every_row_arrives_once_in_order_and_says_what_it_is(
    kafka_bootstrap: str, unique: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "eddyline.yaml").write_text(f'instance: here\nkafka: {{bootstrap: ["{kafka_bootstrap}"]}}\n')
    (tmp_path / "streams").mkdir()
    pq.write_table(drawn(1_000, seed=3), tmp_path / "sales.parquet")
    monkeypatch.chdir(tmp_path)
    judged(monkeypatch, passing)

    def run(*arguments: str) -> None:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == 0, done.output

    topic = unique("sales.synthetic")
    run("synth", "train", "sales.parquet", "--model", "independent", "--label", "fraud", "--budget", "10s")
    run("synth", "generate", "sales", "--rows", str(ROWS))
    name = dataset(lambda *arguments: CliRunner().invoke(app, list(arguments)))
    run("replay", name, "--synthetic", "--topic", topic, "--time", "at")
    values: list[bytes] = []

    def take(block: Block) -> None:
        for value, headers in zip(block.values, block.headers, strict=True):
            assert ("origin", b"synthetic") in headers
            values.append(value or b"")

    broker = KafkaPythonBroker(KafkaSettings(bootstrap=(kafka_bootstrap,)))
    broker.read_all([TopicPartition(topic, 0)], take, timeout_seconds=40, headers=True)
    times = [json.loads(value)["at"] for value in values]
    assert len(times) == ROWS
    assert times == sorted(times)
