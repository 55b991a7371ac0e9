"""The demo's first half: the history through the topic into the archive, and a model learned from it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

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


def create_topic(plan: DemoPlan, context: Context) -> str:
    """Create the source topic; returns its id."""
    admin = context.broker().admin()
    try:
        admin.create([TopicRequest(name=plan.spec.topic, partitions=partitions_of(plan))])
        return admin.describe([plan.spec.topic])[plan.spec.topic].topic_id
    finally:
        admin.close()


def prepare(plan: DemoPlan, context: Context, stop: threading.Event, report: Report) -> Prepared:
    """Replay and archive the history, then learn from it. Raises StoppedError when told to stop."""
    clock = SystemClock()
    create_topic(plan, context)
    archiving, wanted = Archiving(history_spec(plan), context), plan.history.num_rows
    started = clock.monotonic()
    archiving.start()
    try:
        replay_seconds = _replay_history(plan, context, stop, report)
        archiving.wait(
            wanted,
            stop,
            lambda taken: report(0.2 + 0.1 * taken / wanted, f"archiving {taken:,} of {wanted:,} events to Parquet"),
        )
    finally:
        archiving.close()
    archiving.check()
    archive_seconds = clock.monotonic() - started

    def on_training(fraction: float, text: str) -> None:
        if stop.is_set():
            raise StoppedError("stopped while training; nothing was put into service")
        report(0.3 + 0.7 * fraction, text)

    trained = train(
        context.specs[plan.spec.stream],
        lake=context.lake(),
        store=context.model_store(),
        catalogue=context.catalogue(),
        clock=clock,
        options=TrainOptions(),
        report=on_training,
    )
    return Prepared(replay_seconds=replay_seconds, archive_seconds=archive_seconds, trained=trained)


def _replay_history(plan: DemoPlan, context: Context, stop: threading.Event, report: Report) -> float:
    sent = 0

    def on_rows(rows: int) -> None:
        nonlocal sent
        sent += rows
        report(0.2 * sent / plan.history.num_rows, f"replaying {sent:,} of {plan.history.num_rows:,} past events")

    producer = context.broker().producer()
    try:
        done = Replay(
            maker=record_maker(plan, history_spec(plan), stamp=Stamp.EVENT, rows_per_record=HISTORY_ROWS_PER_RECORD),
            producer=producer,
            pacer=Pacer(Pace(), SystemClock()),
            wait=lambda seconds: stop.wait(seconds) if seconds else stop.is_set(),
            on_rows=on_rows,
        ).run(plan.history.to_batches(max_chunksize=BATCH_ROWS))
    finally:
        producer.close()
    if done.stopped:
        raise StoppedError("stopped while replaying the history")
    return done.seconds


def history_spec(plan: DemoPlan) -> StreamSpec:
    """The stream's spec with the history's format."""
    return plan.spec.model_copy(update={"format": CodecFormat.ARROW})


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
