"""`eddyline record`: write streams' alerts into the catalogue."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(record)


def record(
    streams: Annotated[
        list[str] | None, typer.Argument(help="Streams whose alerts are recorded; all by default.")
    ] = None,
    slot: Annotated[int, typer.Option(min=0, max=63, help="Which of several recorders on this host this is.")] = 0,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Write every alert into the catalogue, each once, until interrupted.

    Feedback, rollback and `eddyline alerts --recorded` read what it wrote. Where the catalogue is away it waits, and
    goes on where the catalogue says.

    Example: eddyline record payments
    """
    from pipeline.alerts.record.process import run_recorders
    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.commands.stopping import stop_on_signal
    from pipeline.commands.streams import streams_named
    from pipeline.logs import configure_logs

    configure_logs()
    context = load(config)
    specs = streams_named(context.specs, streams)
    with stop_on_signal() as stop:
        run_recorders(
            specs,
            broker=context.broker(),
            catalogue=context.catalogue(),
            clock=SystemClock(),
            instance=context.instance,
            metrics=context.settings.metrics,
            stop=stop,
            slot=slot,
        )
