"""`eddyline notify`: carry a stream's alerts to one destination."""

import logging
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(notify)


def notify(
    stream: Annotated[str, typer.Argument(help="The stream whose alerts are carried.")],
    destination: Annotated[str, typer.Argument(help="A destination of the stream's spec, or `terminal`.")],
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Hand every alert of a stream to a destination, in order and at least once, until interrupted.

    Example: eddyline notify payments on-call
    """
    from rich.console import Console

    from pipeline.alerts.notify.service import notifier_for
    from pipeline.alerts.notify.terminal import Terminal
    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.commands.stopping import stop_on_signal
    from pipeline.commands.streams import stream_named
    from pipeline.config import environment_secret
    from pipeline.logs import configure_logs

    configure_logs(level=logging.WARNING if destination == Terminal.name else logging.INFO)
    context = load(config)
    spec = stream_named(context.specs, stream)
    service = notifier_for(
        spec,
        destination,
        broker=context.broker(),
        catalogue=context.catalogue(),
        instance=context.instance,
        clock=SystemClock(),
        console=Console(),
        read_secret=environment_secret,
    )
    with stop_on_signal() as stop:
        service.run(stop)
