"""The broker that the tests stand on: it keeps what it was given, and says plainly why it cannot start."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from tests.kafka_fixture import SCRIPT, OwnKafka, run_script


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    kept = {k: v for k, v in os.environ.items() if k != "EDDYLINE_KAFKA_BOOTSTRAP"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=kept | environment)


def make_topic(bootstrap: str, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    admin.close()


def write(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    for value in values:
        producer.send(topic, value)
    producer.flush(30)
    producer.close()


def read(bootstrap: str, topic: str) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    end = consumer.end_offsets([partition])[partition]
    consumer.seek_to_beginning(partition)
    values: list[bytes] = []
    while consumer.position(partition) < end:
        for records in consumer.poll(timeout_ms=1000).values():
            values += [record.value for record in records]
    consumer.close()
    return values


def test_a_restarted_broker_keeps_its_address_and_its_records(
    own_kafka: OwnKafka, unique: Callable[[str], str]
) -> None:
    topic, before = unique("kept"), own_kafka.bootstrap
    make_topic(before, topic)
    write(before, topic, [b"one"])
    for kill in (False, True):
        own_kafka.stop(kill=kill)
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", int(before.split(":")[1])), timeout=5):
            pass
        own_kafka.start()
        assert own_kafka.bootstrap == before
        write(before, topic, [b"after kill" if kill else b"after stop"])
    assert read(before, topic) == [b"one", b"after stop", b"after kill"]


def test_two_brokers_run_side_by_side(kafka_bootstrap: str, own_kafka: OwnKafka, unique: Callable[[str], str]) -> None:
    assert own_kafka.bootstrap != kafka_bootstrap
    port = own_kafka.bootstrap.split(":")[1]
    assert own_kafka.bootstrap in run_script("status", "--port", port)
    assert run_script("env", "--port", port) == f"export EDDYLINE_KAFKA_BOOTSTRAP={own_kafka.bootstrap}"
    assert run_script("start", "--port", port) == own_kafka.bootstrap
    topic = unique("apart")
    make_topic(kafka_bootstrap, topic)
    make_topic(own_kafka.bootstrap, topic)
    write(own_kafka.bootstrap, topic, [b"mine"])
    assert read(kafka_bootstrap, topic) == []


def test_a_taken_port_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("start", "--port", port)
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
    assert "--port" in done.stderr


def test_without_java_the_message_names_the_package(tmp_path: Path) -> None:
    done = run("start", "--port", "0", "--data", str(tmp_path / "d"), PATH=str(tmp_path), JAVA_HOME="")
    assert done.returncode == 1
    assert "no java" in done.stderr
    assert "openjdk" in done.stderr


def test_without_maven_the_message_names_the_package(tmp_path: Path) -> None:
    java = shutil.which("java")
    if java is None:
        pytest.skip("no java on this machine")
    (tmp_path / "java").symlink_to(java)
    done = run(
        "start",
        "--port=0",
        f"--data={tmp_path / 'd'}",
        PATH=str(tmp_path),
        JAVA_HOME="",
        EDDYLINE_KAFKA_HOME=str(tmp_path / "home"),
    )
    assert done.returncode == 1
    assert "no mvn" in done.stderr
    assert "EDDYLINE_KAFKA_BOOTSTRAP" in done.stderr


def test_an_address_in_the_environment_that_does_not_answer_is_said() -> None:
    done = run("start", EDDYLINE_KAFKA_BOOTSTRAP="127.0.0.1:9")
    assert done.returncode == 1
    assert "127.0.0.1:9 does not answer" in done.stderr


def test_nothing_running_is_another_status_than_an_error(tmp_path: Path) -> None:
    assert run("status", "--data", str(tmp_path)).returncode == 3
    assert run("stop", "--data", str(tmp_path)).returncode == 0
