"""Child processes of the scoring benchmark, so that each measure has a process of its own.

`python -m bench.scoring_child CONFIG STREAM score|rss|bare|model EVENTS` prints one JSON object.
"""

import json
import resource
import sys
import threading
import time
from pathlib import Path

from pipeline.commands.context import Context, load

PATIENCE_SECONDS = 600.0


def score(context: Context, stream: str, events: int) -> dict[str, float]:
    """A whole scoring process: from its first committed batch to its last."""
    from pipeline.scoring.process import SWITCH_INTERVAL_SECONDS, WorkerProcess

    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    process = WorkerProcess(context, [stream])
    process.start()
    status, wait = process.workers[0].status, threading.Event()
    started = time.monotonic()
    while status.events == 0:
        wait.wait(0.001)
        check(process.workers[0].failure, started)
    first, begun, cpu = status.events, time.monotonic(), time.process_time()
    while status.events < events:
        wait.wait(0.005)
        check(process.workers[0].failure, started)
    seconds, cpu_seconds = time.monotonic() - begun, time.process_time() - cpu
    process.close()
    return {
        "events_per_second": (events - first) / seconds,
        "cpu_seconds_per_million": cpu_seconds / (events - first) * 1e6,
        "alerts": status.alerts,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def rss(context: Context, stream: str, events: int) -> dict[str, float]:
    """Resident memory of a scoring process as it works through its events."""
    from pipeline.scoring.process import WorkerProcess

    process = WorkerProcess(context, [stream])
    process.start()
    status, wait, started = process.workers[0].status, threading.Event(), time.monotonic()
    marks, found = {"hundred_thousand_mb": 100_000, "million_mb": 1_000_000, "end_mb": events}, dict[str, float]()
    while "end_mb" not in found:
        wait.wait(0.01)
        check(process.workers[0].failure, started)
        for name, at in marks.items():
            if name not in found and status.events >= min(at, events):
                found[name] = resident_mb()
    process.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found | {"peak_mb": peak, "flagged": status.flagged}


def resident_mb() -> float:
    """Memory this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024 / 1024


def check(failure: Exception | None, started: float) -> None:
    """Stop waiting for what will not come."""
    if failure is not None:
        raise failure
    if time.monotonic() - started > PATIENCE_SECONDS:
        raise TimeoutError("the scorer did not get through its events")


def bare(context: Context, stream: str, records: int) -> dict[str, float]:
    """kafka-python as its documentation uses it: polls, decodes nothing. From its first records to its last."""
    from kafka import KafkaConsumer, TopicPartition

    topic = context.specs[stream].topic
    consumer = KafkaConsumer(
        bootstrap_servers=list(context.settings.kafka.bootstrap),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    consumer.assign([TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)])
    consumer.seek_to_beginning()
    count, first, begun, cpu = 0, 0, 0.0, 0.0
    while count < records:
        polled = consumer.poll(timeout_ms=500, max_records=16_384)
        count += sum(map(len, polled.values()))
        if count and not first:
            first, begun, cpu = count, time.monotonic(), time.process_time()
    seconds = time.monotonic() - begun
    consumer.close(autocommit=False)
    return {
        "events_per_second": (count - first) / seconds,
        "cpu_seconds_per_million": (time.process_time() - cpu) / (count - first) * 1e6,
    }


def model(context: Context, stream: str, events: int) -> dict[str, float]:
    """The champion alone on decoded batches of the size a scorer uses, one thread."""
    import torch

    from bench.stage import event_table, typed

    torch.set_num_threads(1)
    spec = context.specs[stream]
    champion = context.catalogue().champion(stream)
    assert champion is not None
    detector = context.model_store().load(champion).detector
    size = spec.scoring.max_batch_events
    table = typed(event_table(min(events, 200_000), seed=1), spec)
    batches = table.combine_chunks().to_batches(max_chunksize=size)
    for batch in batches[:2]:
        detector.score(batch)
    begun, done = time.monotonic(), 0
    while done < events:
        for batch in batches:
            detector.score(batch)
            done += batch.num_rows
    return {"events_per_second": done / (time.monotonic() - begun)}


if __name__ == "__main__":
    config, stream, what, events = sys.argv[1:5]
    measure = {"score": score, "rss": rss, "bare": bare, "model": model}[what]
    sys.stdout.write(json.dumps(measure(load(Path(config)), stream, int(events))) + "\n")
