"""Produce to alert at 5,000 events/s, transactions on: from the event's own moment to the alert in a reader's hands.

Producer, scorer, reader and broker are processes of one machine, so that one clock measures both ends.
"""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.stage import Stage, apache_kafka, event_table, spec_document, typed
from pipeline.alerts.model import AlertStatus
from pipeline.alerts.wire import decode_alert
from pipeline.kafka.port import TopicPartition

EVENTS_PER_SECOND = 5_000
SECONDS = 60
MOST_P99_MS = 100.0
WARM_UP_SECONDS = 5
SETTLE_SECONDS = 4.0


def run(console: Console, *, quick: bool = False) -> bool:
    """Print the table. True where the 99th percentile is within the limit."""
    seconds = SECONDS // 4 if quick else SECONDS
    with apache_kafka() as bootstrap, tempfile.TemporaryDirectory() as folder:
        document = spec_document("latency", "json", alerts={"storm": {"keys": 1_000_000}})
        stage = Stage(Path(folder) / "latency", bootstrap, "latency", document)
        stage.train(typed(event_table(40_000), stage.spec))
        latencies = np.sort(_measure(stage, seconds))
    p50, p90, p99, worst = (float(np.quantile(latencies, q)) for q in (0.5, 0.9, 0.99, 1.0))
    table = Table("events/s", "seconds", "alerts", "p50 ms", "p90 ms", "p99 ms", "worst ms", "limit: p99 ms")
    cells = [f"{v:.1f}" for v in (p50, p90, p99, worst)]
    table.add_row(f"{EVENTS_PER_SECOND:,}", str(seconds), str(len(latencies)), *cells, f"{MOST_P99_MS:.0f}")
    console.print(table)
    return p99 <= MOST_P99_MS


def _measure(stage: Stage, seconds: int) -> list[float]:
    """Latencies in milliseconds, the first seconds left out."""
    arguments = [str(stage.config), stage.stream]
    scorer = subprocess.Popen(
        [sys.executable, "-m", "pipeline.scoring.process", stage.stream, "--config", arguments[0]]
    )
    wait, total = threading.Event(), seconds + WARM_UP_SECONDS
    while stage.spec.alerts_topic not in _existing(stage):
        wait.wait(0.2)
    wait.wait(SETTLE_SECONDS)
    producer = subprocess.Popen(
        [sys.executable, "-m", "bench.latency_child", *arguments, str(EVENTS_PER_SECOND), str(total)]
    )
    try:
        return _read_alerts(stage, producer)
    finally:
        for process in (producer, scorer):
            process.terminate()
            process.wait(60)


class _Listener:
    def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Nothing is held for them."""

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Read from the beginning."""


def _read_alerts(stage: Stage, producer: "subprocess.Popen[bytes]") -> list[float]:
    source = stage.broker.source(group="bench-latency")
    latencies: list[float] = []
    first, ended = 0, 0.0
    while ended == 0.0 or time.monotonic() < ended + 3.0:
        if not ended and producer.poll() is not None:
            ended = time.monotonic()
        if not first:
            source.subscribe([stage.spec.alerts_topic], _Listener())
            first = time.time_ns() // 1_000_000
        polled = source.poll(timeout_seconds=0.05, max_records=1_000)
        now_ms = time.time_ns() / 1e6
        for block in polled.blocks:
            for value in block.values:
                alert = decode_alert(value or b"")
                if alert.status is AlertStatus.OPEN and alert.started_ms > first + WARM_UP_SECONDS * 1_000:
                    latencies.append(now_ms - alert.started_ms)
    source.close()
    return latencies


_known: set[str] = set()


def _existing(stage: Stage) -> set[str]:
    """The alerts topic, once it was seen: asking for it again would cost what is measured."""
    if not _known:
        admin = stage.broker.admin()
        _known.update(admin.describe([stage.spec.alerts_topic]))
        admin.close()
    return _known
