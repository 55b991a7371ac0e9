"""`eddyline schedule`: run the jobs of all specs."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(schedule)


def schedule(
    slot: Annotated[int, typer.Option(min=0, max=63, help="Which of several schedulers on this host this is.")] = 0,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Run the jobs of all stream specs when they are due, until interrupted. Of several, one leads, others stand by.

    Example: eddyline schedule
    """
    from pipeline.commands.stopping import stop_on_signal
    from pipeline.logs import configure_logs
    from pipeline.scheduling.process import run_scheduler

    configure_logs()
    with stop_on_signal() as stop:
        run_scheduler(config, stop, slot=slot)
