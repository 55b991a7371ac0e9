"""Several streams in one process: their heartbeats, their end, and what one's failure does to the others."""

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from detectors.columns import Kind, Role
from pipeline.archive.service import run_archivers
from pipeline.catalogue import Catalogue, WorkerBeat
from pipeline.clock import SystemClock
from pipeline.config import BudgetSpec, ColumnSpec, MetricsSettings, ServicePorts, Settings, StreamSpec
from pipeline.errors import ConfigError
from pipeline.kafka.port import OutRecord
from pipeline.lake import Lake
from tests.alerts.notify.receiver import free_port
from tests.fakes import MemoryBroker


def spec(stream: str) -> StreamSpec:
    value = ColumnSpec(name="value", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE}))
    return StreamSpec(stream=stream, topic=f"{stream}-topic", columns=(value,), budget=BudgetSpec(alerts_per_day=1.0))


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue.open(f"sqlite:///{tmp_path}/c.db")
    yield opened
    opened.close()


class Running(threading.Thread):
    """The service on a thread."""

    def __init__(
        self, broker: MemoryBroker, lake: Lake, catalogue: Catalogue, streams: list[str], *, port: int = 0
    ) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.asked, self.error = threading.Event(), ""
        self._arguments = broker, lake, catalogue, streams

    def run(self) -> None:
        broker, lake, catalogue, streams = self._arguments
        try:
            run_archivers(
                Settings(metrics=MetricsSettings(port=self.port)),
                [spec(s) for s in streams],
                broker=broker,
                lake=lake,
                catalogue=catalogue,
                clock=SystemClock(),
                instance="here",
                stop=self.asked,
            )
        except ConfigError as error:
            self.error = str(error)


def beats_with_rows(catalogue: Catalogue, rows: int) -> list[WorkerBeat]:
    waiting, beats = threading.Event(), catalogue.workers()
    for _ in range(600):
        beats = catalogue.workers()
        if len(beats) == 2 and all(beat.state["open_rows"] == rows for beat in beats):
            return beats
        waiting.wait(0.05)
    raise AssertionError(f"no such heartbeats: {beats}")


def test_every_stream_is_archived_and_heard_of_and_none_is_missed_afterwards(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    broker, lake = MemoryBroker(), Lake(tmp_path / "lake")
    for stream in ("one", "two"):
        broker.add_topic(f"{stream}-topic")
        for n in range(5):
            broker.append(OutRecord(f"{stream}-topic", b'{"value": %d}' % n))
    running = Running(broker, lake, catalogue, ["one", "two"])
    running.start()
    beats = beats_with_rows(catalogue, 5)
    assert [(b.worker_id, b.role, b.stream) for b in beats] == [
        ("eddyline.one.archive.here.0", "archive", "one"),
        ("eddyline.two.archive.here.0", "archive", "two"),
    ]
    running.asked.set()
    running.join(60)
    assert running.error == ""
    assert [lake.read_real(s)["value"].to_pylist() for s in ("one", "two")] == [[0, 1, 2, 3, 4]] * 2
    assert catalogue.workers() == [], "who stopped on purpose is not missed"
    [version] = catalogue.schema_versions("one")
    assert (version.version, version.columns) == (1, {"value": "double"})


def test_one_streams_failure_ends_the_process_in_order_and_stays_visible(tmp_path: Path, catalogue: Catalogue) -> None:
    broker, lake = MemoryBroker(), Lake(tmp_path / "lake")
    broker.add_topic("one-topic")
    running = Running(broker, lake, catalogue, ["one", "two"])
    running.start()
    running.join(60)
    assert "two-topic of stream two does not exist" in running.error
    assert [(b.stream, "does not exist" in b.state["last_error"]) for b in catalogue.workers()] == [("two", True)]


def answer(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_metrics_and_health_tell_what_is_archived_and_what_is_not(tmp_path: Path, catalogue: Catalogue) -> None:
    broker, lake, port = MemoryBroker(), Lake(tmp_path / "lake"), free_port()
    for stream in ("one", "two"):
        broker.add_topic(f"{stream}-topic")
    for n in range(5):
        broker.append(OutRecord("one-topic", b'{"value": %d}' % n))
    broker.append(OutRecord("one-topic", b"not json"))
    for _ in range(200):
        broker.append(OutRecord("two-topic", b"not json"))
    running = Running(broker, lake, catalogue, ["one", "two"], port=port - ServicePorts.ARCHIVE)
    running.start()
    waiting = threading.Event()
    for _ in range(600):
        if any(b.state["paused"] for b in catalogue.workers()) and any(b.state["events"] for b in catalogue.workers()):
            break
        waiting.wait(0.05)
    status, text = answer(port, "/metrics")
    assert status == 200
    for line in (
        'eddyline_archive_read_events_total{stream="one"} 6.0',
        'eddyline_archive_rejects_total{stream="one"} 1.0',
        'eddyline_archive_open_events{stream="one"} 5.0',
        'eddyline_archive_events_total{stream="one"} 0.0',
        'eddyline_archive_lag_events{stream="one"} 0.0',
        'eddyline_archive_paused{stream="one"} 0.0',
        'eddyline_archive_paused{stream="two"} 1.0',
    ):
        assert line in text
    assert answer(port, "/healthz") == (200, '{"status": "ok", "reasons": {}}')
    status, text = answer(port, "/readyz")
    assert status == 503
    assert list(json.loads(text)["reasons"]) == ["two"]
    running.asked.set()
    running.join(60)


def test_a_taken_port_is_said_before_anything_is_archived(tmp_path: Path, catalogue: Catalogue) -> None:
    broker, lake, port = MemoryBroker(), Lake(tmp_path / "lake"), free_port()
    broker.add_topic("one-topic")
    with socket.socket() as held:
        held.bind(("127.0.0.1", port))
        held.listen()
        running = Running(broker, lake, catalogue, ["one"], port=port - ServicePorts.ARCHIVE)
        running.start()
        running.join(60)
    assert f"127.0.0.1:{port}" in running.error
    assert "metrics.port" in running.error
    assert catalogue.workers() == []
