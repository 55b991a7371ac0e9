"""`eddyline notify`: carry streams' alerts to where they go."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.streams import stream_named, streams_named
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.config import StreamSpec


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(notify)


def notify(
    stream: Annotated[str | None, typer.Argument(help="The stream whose alerts are carried; all by default.")] = None,
    destination: Annotated[
        str | None, typer.Argument(help="A destination of the stream's spec, or `terminal`; all of the spec's.")
    ] = None,
    slot: Annotated[int, typer.Option(min=0, max=63, help="Which of several notifiers on this host this is.")] = 0,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Hand every alert to its destinations, in order and at least once, until interrupted.

    A destination that is down stalls only itself. With --slot several notifiers on one host serve their metrics on
    ports of their own.

    Example: eddyline notify payments on-call
    """
    from rich.console import Console

    from pipeline.alerts.notify.process import run_notifiers
    from pipeline.alerts.notify.service import notifier_for
    from pipeline.alerts.notify.terminal import Terminal
    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.commands.stopping import stop_on_signal
    from pipeline.config import environment_secret
    from pipeline.logs import configure_logs

    is_terminal = destination == Terminal.name
    configure_logs(level=logging.WARNING if is_terminal else logging.INFO)
    context = load(config)
    chosen, catalogue = _destinations(context.specs, stream, destination), context.catalogue()
    services = [
        (
            spec.stream,
            notifier_for(
                spec,
                name,
                broker=context.broker(),
                catalogue=catalogue,
                instance=context.instance,
                clock=SystemClock(),
                console=Console(),
                read_secret=environment_secret,
            ),
        )
        for spec, name in chosen
    ]
    with stop_on_signal() as stop:
        if is_terminal:
            services[0][1].run(stop)  # a person looks at it: no port is taken from the services of this host
        else:
            run_notifiers(services, metrics=context.settings.metrics, stop=stop, slot=slot)


def _destinations(
    specs: "Mapping[str, StreamSpec]", stream: str | None, destination: str | None
) -> "list[tuple[StreamSpec, str]]":
    """What is asked for. Raises ConfigError where that is nothing."""
    if stream is not None and destination is not None:
        return [(stream_named(specs, stream), destination)]
    chosen = streams_named(specs, None if stream is None else [stream])
    found = [(spec, hook.name) for spec in chosen for hook in spec.notify]
    if not found:
        who = f"stream {stream!r} has" if stream is not None else "no stream has"
        raise ConfigError(
            f"{who} {'no' if stream is not None else 'a'} destination: add a webhook under notify in its spec, or run "
            f"`eddyline notify {stream or 'STREAM'} terminal`"
        )
    return found
