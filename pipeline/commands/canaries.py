"""`eddyline canaries`: synthetic anomalies in a shadow copy of live streams."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.streams import stream_named
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.config import StreamSpec


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(canaries)


def canaries(
    streams: Annotated[
        list[str] | None, typer.Argument(help="Streams; by default all whose spec has `canaries`.")
    ] = None,
    slot: Annotated[int, typer.Option(min=0, max=63, help="Which of several on this host this is.")] = 0,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Score synthetic anomalies in a shadow copy of live streams, and count those caught, until interrupted.

    Nothing is written to Kafka and nobody is alerted: `eddyline status` shows the live recall by kind of anomaly.

    Example: eddyline canaries payments
    """
    from pipeline.canaries.process import CanariesProcess
    from pipeline.commands.context import load
    from pipeline.commands.stopping import stop_on_signal
    from pipeline.logs import configure_logs

    configure_logs()
    context = load(config)
    specs = _asking(context.specs, streams)
    with stop_on_signal() as stop:
        CanariesProcess(context, specs, stop=stop, slot=slot).run()


def _asking(specs: "Mapping[str, StreamSpec]", names: list[str] | None) -> "list[StreamSpec]":
    """The streams asked for. Raises ConfigError where one has no canaries in its spec, and where none has."""
    chosen = [stream_named(specs, name) for name in dict.fromkeys(names or sorted(specs))]
    found = [spec for spec in chosen if spec.canaries is not None]
    without = [spec.stream for spec in chosen if spec.canaries is None]
    if not found or (names and without):
        who = f"stream {without[0]!r} asks for no" if names and without else "no stream asks for"
        raise ConfigError(f"{who} canaries: add `canaries: {{per_hour: 60}}` to its spec")
    return found
