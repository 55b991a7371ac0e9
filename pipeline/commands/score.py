"""`eddyline score`: run the scoring workers."""

import signal
import threading
from functools import partial
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(score)


def score(
    streams: Annotated[list[str] | None, typer.Argument(help="Streams to score; all of them by default.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes in one consumer group.")] = 1,
    accept_rejects: Annotated[
        bool, typer.Option("--accept-rejects", help="Dead-letter however many events do not fit the spec.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Score streams with their champion models and alert, until interrupted.

    Example: eddyline score payments --workers 2
    """
    from pipeline.commands.context import load
    from pipeline.commands.streams import streams_named
    from pipeline.logs import configure_logs
    from pipeline.scoring.forked import forked_workers
    from pipeline.scoring.names import group_name, slot_name
    from pipeline.scoring.supervisor import Supervisor, remove_surplus_members

    configure_logs()
    context = load(config)
    names = [spec.stream for spec in streams_named(context.specs, streams)]
    admin = context.broker().admin()
    try:
        for name in names:
            remove_surplus_members(admin, group_name(name), partial(slot_name, name, context.instance), workers)
    finally:
        admin.close()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    spawn = forked_workers(names, config=config, accept_rejects=accept_rejects)
    raise typer.Exit(Supervisor(spawn, workers=workers, stop=stop).run())
