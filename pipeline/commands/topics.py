"""`eddyline topics create|list`: the topics of streams."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.streams import streams_named

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.config import StreamSpec
    from pipeline.kafka.port import Admin

Config = Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")]
Streams = Annotated[list[str] | None, typer.Argument(help="Streams; all of them by default.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="The topics of streams.")
    group.command()(create)
    group.command(name="list")(show)
    app.add_typer(group, name="topics")


def create(
    streams: Streams = None,
    partitions: Annotated[
        int, typer.Option(min=1, max=10_000, help="Partitions of a source topic that does not exist yet.")
    ] = 3,
    config: Config = None,
) -> None:
    """Create what streams read from and write to. What exists stays as it is.

    Example: eddyline topics create payments --partitions 6
    """
    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.kafka.port import TopicRequest
    from pipeline.repartition.topics import ensure_step_topics
    from pipeline.scoring.partitions import ensure_output_topics

    context, console = load(config), Console(soft_wrap=True, highlight=False)
    replication = context.settings.kafka.replication_factor
    broker = context.broker()
    admin = broker.admin()
    try:
        for spec in streams_named(context.specs, streams):
            stated = context.stated_spec(spec.stream)
            source = TopicRequest(name=stated.topic, partitions=partitions, replication_factor=replication)
            made = admin.create([source])
            made += ensure_step_topics(stated, broker, replication_factor=replication)
            made += ensure_output_topics(spec, broker, replication_factor=replication)
            console.print(f"{spec.stream}: " + (f"created {', '.join(made)}" if made else "everything was there"))
    finally:
        admin.close()
    console.print("next: `eddyline archive` keeps what arrives, `eddyline train STREAM` learns from it")


def show(streams: Streams = None, config: Config = None) -> None:
    """List the topics of streams, and what is missing.

    Example: eddyline topics list payments
    """
    from rich.console import Console

    from pipeline.commands.context import load

    context = load(config)
    admin = context.broker().admin()
    try:
        for spec in streams_named(context.specs, streams):
            Console().print(_table(spec, context.stated_spec(spec.stream), admin))
    finally:
        admin.close()


def _table(spec: "StreamSpec", stated: "StreamSpec", admin: "Admin") -> "Table":
    from rich.table import Table

    from pipeline.repartition.topics import step_topics

    between = step_topics(stated)
    names = {
        "events": stated.topic,
        **{"joined" if topic == spec.topic else f"repartitioned {n}": topic for n, topic in enumerate(between, 1)},
        "alerts": spec.alerts_topic,
        "scores": spec.scores_topic,
        "dead letters": spec.dead_letters_topic,
        "episodes": spec.episodes_topic,
    }
    found = admin.describe(list(names.values()))
    table = Table("what", "topic", "partitions", title=spec.stream)
    for what, name in names.items():
        info = found.get(name)
        table.add_row(what, name, str(info.partitions) if info else "[red]missing: `eddyline topics create`[/]")
    return table
