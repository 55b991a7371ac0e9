"""Produces JSON events dated now at a steady rate, one in a thousand far out of line, each of another customer.

`python -m bench.latency_child CONFIG STREAM EVENTS_PER_SECOND SECONDS`
"""

import json
import sys
import threading
import time
from pathlib import Path

from bench.stage import PARTITIONS, event_table
from pipeline.commands.context import load
from pipeline.kafka.port import OutRecord

TICK_SECONDS = 0.002
ANOMALY_EVERY = 997


def main(config: str, stream: str, per_second: str, seconds: str) -> None:
    """Send until the time is up."""
    context = load(Path(config))
    topic, rate = context.specs[stream].topic, int(per_second)
    rows = event_table(50_000, seed=9).to_pylist()
    producer, wait = context.broker().producer(), threading.Event()
    begun, sent = time.monotonic(), 0
    for tick in range(int(float(seconds) / TICK_SECONDS)):
        due = begun + tick * TICK_SECONDS
        if due > time.monotonic():
            wait.wait(due - time.monotonic())
        for _ in range(round(rate * TICK_SECONDS)):
            row = rows[sent % len(rows)] | {"event_id": f"e{sent}", "time": time.time_ns() // 1_000_000}
            if sent % ANOMALY_EVERY == 0:
                row |= {"amount": 1e7, "customer": f"odd{sent}", "country": "XX"}
            producer.send(OutRecord(topic, json.dumps(row).encode(), partition=sent % PARTITIONS))
            sent += 1
    producer.close()
    lag_ms = (time.monotonic() - begun - float(seconds)) * 1_000
    sys.stderr.write(f"sent {sent} events, {lag_ms:.0f} ms behind at the end\n")


if __name__ == "__main__":
    main(*sys.argv[1:5])
