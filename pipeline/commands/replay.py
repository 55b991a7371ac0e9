"""`eddyline replay`: a Parquet or CSV file into a topic."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.stopping import stop_on_signal
from pipeline.errors import ConfigError
from pipeline.stamp import Stamp

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.commands.context import Context
    from pipeline.config import StreamSpec
    from pipeline.event_files import EventFile
    from pipeline.kafka.port import Broker
    from pipeline.pacing import Pace
    from pipeline.records import Encode, RecordMaker
    from pipeline.replay import Replayed
    from pipeline.synthesis.events import DatasetEvents


SYNTHETIC_HEADERS = (("origin", b"synthetic"),)
"""Of every record of rows that were made, so that whoever finds it can tell."""


class Format(StrEnum):
    """How events are written into records."""

    JSON = "json"
    ARROW = "arrow"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay)


def replay(
    file: Annotated[
        Path, typer.Argument(help="A .parquet or .csv file of events, oldest first; a dataset's id with --synthetic.")
    ],
    topic: Annotated[str | None, typer.Option(help="Topic to fill; the stream's own by default.")] = None,
    stream: Annotated[str | None, typer.Option(help="Stream whose spec says how events are written.")] = None,
    rate: Annotated[float | None, typer.Option(help="Events per second.")] = None,
    speed: Annotated[str | None, typer.Option(help="Follow the file's times, so many times as fast: 10x.")] = None,
    key: Annotated[str | None, typer.Option(help="Column to partition by; the stream's key by default.")] = None,
    time: Annotated[str | None, typer.Option(help="Time column; the stream's by default.")] = None,
    stamp: Annotated[Stamp, typer.Option(help="Record timestamps: when sent, or the event's own.")] = Stamp.SENT,
    format: Annotated[Format | None, typer.Option(help="The stream's by default, else json.")] = None,
    rows_per_record: Annotated[int, typer.Option(min=1, help="Rows of one Arrow record.")] = 1,
    limit: Annotated[int | None, typer.Option(min=0, help="Stop after so many events.")] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Of the topic, where it does not exist yet.")] = 1,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Play a synthetic dataset, in order of time, into --topic.")
    ] = False,
    allow_synthetic: Annotated[
        bool, typer.Option("--allow-synthetic", help="Take a file of synthetic rows too; needs --topic.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Send a file's events to a topic, as fast as possible unless --rate or --speed says otherwise.

    Synthetic rows never go into a topic that a stream reads its real events from.

    Example: eddyline replay payments.parquet --stream payments --speed 60x
    """
    from rich.console import Console

    from detectors.columns import Role
    from pipeline.commands.context import load
    from pipeline.event_files import EventFile
    from pipeline.pacing import Pace
    from pipeline.records import RecordMaker

    pace = Pace.of_text(rate=rate, speed=speed)
    context = load(config)
    if synthetic or allow_synthetic:
        _refuse_real_topic(context, topic)
    spec = _spec(context, stream, topic)
    name = topic or (spec.topic if spec is not None else None)
    if name is None:
        raise ConfigError("where to? Name a topic with --topic, or a stream with --stream")
    opened = _opened(context, file, spec, time, dataset=synthetic, allow_synthetic=allow_synthetic)
    own_key, own_time = (None, None) if isinstance(opened, EventFile) else (opened.key, opened.time)
    broker = context.broker()
    maker = RecordMaker(
        topic=name,
        encode=_encoder(spec, format),
        key=key or (spec.column_with(Role.KEY) if spec is not None else own_key),
        time=time or (spec.column_with(Role.TIME) if spec is not None else own_time),
        stamp=stamp,
        headers=SYNTHETIC_HEADERS if synthetic or allow_synthetic else (),
        rows_per_record=rows_per_record,
        partitions=_ensure_topic(broker, name, partitions, context.settings.kafka.replication_factor),
    )
    console = Console(stderr=True)
    done = _run(opened, limit, maker, broker, pace, console)
    rate_text = f"{done.rows / max(done.seconds, 1e-9):,.0f} events/s"
    ending = "stopped; " if done.stopped else ""
    console.print(
        f"{ending}{done.rows:,} events in {done.records:,} records to {name} in {done.seconds:.1f} s ({rate_text})",
        soft_wrap=True,
    )
    follow = spec.stream if spec is not None else "STREAM"
    known = "" if spec is not None else f"`eddyline init --from {file}` writes a stream spec; then "
    console.print(
        f"next: {known}`eddyline archive {follow}` keeps the events, `eddyline train {follow}` learns from them",
        soft_wrap=True,
    )


def _refuse_real_topic(context: "Context", topic: str | None) -> None:
    """Raise ConfigError unless synthetic rows go into a topic of their own."""
    if topic is None:
        raise ConfigError("synthetic rows need a topic of their own: name one with --topic")
    read_from = {
        spec.topic: name for name in context.specs for spec in (context.specs[name], context.stated_spec(name))
    }
    if topic in read_from:
        raise ConfigError(
            f"the topic {topic} holds the real events of stream {read_from[topic]!r}: synthetic rows would be archived "
            "and learned from as real; name another --topic"
        )


def _opened(
    context: "Context", file: Path, spec: "StreamSpec | None", time: str | None, *, dataset: bool, allow_synthetic: bool
) -> "EventFile | DatasetEvents":
    """The events to send: of a file, or of a synthetic dataset."""
    if not dataset:
        from pipeline.event_files import EventFile

        return EventFile.open(file, spec, allow_synthetic=allow_synthetic)
    from pipeline.synthesis.events import DatasetEvents

    entry = context.catalogue().dataset(str(file))
    return DatasetEvents.open(context.lake(), entry.stream, entry.dataset_id, spec=spec, time=time)


def _spec(context: "Context", stream: str | None, topic: str | None) -> "StreamSpec | None":
    """The stream named, or the one that reads the topic."""
    if stream is None:
        return next((spec for spec in map(context.stated_spec, context.specs) if spec.topic == topic), None)
    return context.stated_spec(stream)


def _encoder(spec: "StreamSpec | None", format: Format | None) -> "Encode":
    from pipeline.config import CodecFormat
    from pipeline.records import plain_arrow, plain_json

    if spec is None:
        return plain_arrow if format is Format.ARROW else plain_json
    from pipeline.codecs.registry import make_codec

    chosen = spec if format is None else spec.model_copy(update={"format": CodecFormat(format.value)})
    codec = make_codec(chosen)
    return lambda table, rows: codec.encode(table, rows_per_record=rows)


def _ensure_topic(broker: "Broker", topic: str, partitions: int, replication_factor: int) -> int:
    """Create the topic where it is missing; returns its partition count."""
    from pipeline.kafka.port import TopicRequest

    admin = broker.admin()
    try:
        request = TopicRequest(name=topic, partitions=partitions, replication_factor=replication_factor)
        if topic not in admin.describe([topic]):
            admin.create([request])
            return partitions
        return admin.describe([topic])[topic].partitions
    finally:
        admin.close()


def _run(
    opened: "EventFile | DatasetEvents",
    limit: int | None,
    maker: "RecordMaker",
    broker: "Broker",
    pace: "Pace",
    console: "Console",
) -> "Replayed":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from pipeline.clock import SystemClock
    from pipeline.pacing import Pacer
    from pipeline.replay import Replay

    total = opened.rows if limit is None or opened.rows is None else min(limit, opened.rows)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    rate = TextColumn("{task.fields[rate]}")
    producer = broker.producer()
    try:
        with stop_on_signal() as stop, Progress(*columns, rate, TimeElapsedColumn(), console=console) as progress:
            task = progress.add_task(f"{opened.path.name} → {maker.topic}", total=total, rate="")
            pacer = Pacer(pace, SystemClock())

            def on_rows(rows: int) -> None:
                done = progress.tasks[task].completed + rows
                speed = done / max(pacer.elapsed_seconds(), 1e-3)
                progress.update(task, advance=rows, rate=f"{speed:,.0f} events/s")

            run = Replay(maker=maker, producer=producer, pacer=pacer, wait=stop.wait, on_rows=on_rows)
            return run.run(opened.batches(limit=limit))
    finally:
        producer.close()
