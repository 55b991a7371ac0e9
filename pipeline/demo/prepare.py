"""The demo's first half: the history through the topic into the archive, and a model learned from it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from detectors.columns import Role
from pipeline.clock import SystemClock
from pipeline.codecs.registry import make_codec
from pipeline.commands.context import Context
from pipeline.config import CodecFormat, StreamSpec
from pipeline.demo.archiving import Archiving, StoppedError
from pipeline.demo.plan import DemoPlan
from pipeline.event_files import BATCH_ROWS
from pipeline.jobs.train import Trained, TrainOptions, train
from pipeline.kafka.port import TopicRequest
from pipeline.lineage.windows import archive_window
from pipeline.pacing import Pace, Pacer
from pipeline.records import RecordMaker, Stamp
from pipeline.replay import Replay

PARTITIONS = 2
HISTORY_ROWS_PER_RECORD = 500
"""The history travels as Arrow records, many events each, so that nobody waits for it; the live part as JSON."""
Report = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the first half took."""

    replay_seconds: float
    archive_seconds: float
    trained: Trained


def partitions_of(plan: DemoPlan) -> int:
    """Two for a keyed stream, to show that keys stay together; one without keys."""
    return PARTITIONS if plan.spec.column_with(Role.KEY) is not None else 1


def create_topic(plan: DemoPlan, context: Context, name: str | None = None) -> str:
    """Create the source topic, or another that is like it; returns its id."""
    topic = name or plan.spec.topic
    admin = context.broker().admin()
    try:
        admin.create([TopicRequest(name=topic, partitions=partitions_of(plan))])
        return admin.describe([topic])[topic].topic_id
    finally:
        admin.close()


def prepare(plan: DemoPlan, context: Context, stop: threading.Event, report: Report) -> Prepared:
    """Replay and archive the history, then learn from it. Raises StoppedError when told to stop."""
    clock = SystemClock()
    create_topic(plan, context)
    started = clock.monotonic()
    replay_seconds = archive(plan, plan.history, past_spec(plan), context, stop, report)
    archive_seconds = clock.monotonic() - started

    def on_training(fraction: float, text: str) -> None:
        if stop.is_set():
            raise StoppedError("stopped while training; nothing was put into service")
        report(0.3 + 0.7 * fraction, text)

    lake = context.lake()
    trained = train(
        context.specs[plan.spec.stream],
        lake=lake,
        store=context.model_store(),
        catalogue=context.catalogue(),
        clock=clock,
        options=TrainOptions(),
        source=archive_window(lake, plan.spec.stream),
        report=on_training,
    )
    return Prepared(replay_seconds=replay_seconds, archive_seconds=archive_seconds, trained=trained)


def archive(
    plan: DemoPlan, events: pa.Table, spec: StreamSpec, context: Context, stop: threading.Event, report: Report
) -> float:
    """Send events into the topic of `spec` as if they were sent when they happened, and archive them. Returns the
    seconds that sending took. Raises StoppedError when told to stop."""
    archiving, wanted = Archiving(spec, context), events.num_rows
    archiving.start()
    try:
        seconds = _replay(plan, events, spec, context, stop, report)
        archiving.wait(
            wanted,
            stop,
            lambda taken: report(0.2 + 0.1 * taken / wanted, f"archiving {taken:,} of {wanted:,} events to Parquet"),
        )
    finally:
        archiving.close()
    archiving.check()
    return seconds


def _replay(
    plan: DemoPlan, events: pa.Table, spec: StreamSpec, context: Context, stop: threading.Event, report: Report
) -> float:
    sent = 0

    def on_rows(rows: int) -> None:
        nonlocal sent
        sent += rows
        report(0.2 * sent / events.num_rows, f"replaying {sent:,} of {events.num_rows:,} past events")

    producer = context.broker().producer()
    try:
        done = Replay(
            maker=record_maker(plan, spec, stamp=Stamp.EVENT, rows_per_record=HISTORY_ROWS_PER_RECORD),
            producer=producer,
            pacer=Pacer(Pace(), SystemClock()),
            wait=lambda seconds: stop.wait(seconds) if seconds else stop.is_set(),
            on_rows=on_rows,
        ).run(events.to_batches(max_chunksize=BATCH_ROWS))
    finally:
        producer.close()
    if done.stopped:
        raise StoppedError("stopped while replaying past events")
    return done.seconds


def past_spec(plan: DemoPlan, topic: str | None = None) -> StreamSpec:
    """The stream's spec with the format in which past events travel."""
    return plan.spec.model_copy(update={"format": CodecFormat.ARROW, "topic": topic or plan.spec.topic})


def record_maker(plan: DemoPlan, spec: StreamSpec, *, stamp: Stamp, rows_per_record: int = 1) -> RecordMaker:
    """Events keyed and timed as the spec says."""
    codec = make_codec(spec)
    return RecordMaker(
        topic=spec.topic,
        encode=lambda table, rows: codec.encode(table, rows_per_record=rows),
        key=spec.column_with(Role.KEY),
        time=spec.column_with(Role.TIME),
        stamp=stamp,
        rows_per_record=rows_per_record,
        partitions=partitions_of(plan),
    )
