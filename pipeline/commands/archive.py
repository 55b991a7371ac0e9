"""`eddyline archive`: keep streams in the lake, exactly once."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(archive)


def archive(
    streams: Annotated[list[str] | None, typer.Argument(help="Streams to archive; all of them by default.")] = None,
    slot: Annotated[int, typer.Option(min=0, max=63, help="Which of several archivers on this host this is.")] = 0,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Write streams to Parquet in the lake until interrupted; every event lands there once, whatever fails.

    Example: eddyline archive payments
    """
    from pipeline.archive.service import run_archivers
    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.commands.stopping import stop_on_signal
    from pipeline.commands.streams import stream_named
    from pipeline.errors import ConfigError
    from pipeline.logs import configure_logs

    configure_logs()
    context = load(config)
    specs = [stream_named(context.specs, name) for name in dict.fromkeys(streams or sorted(context.specs))]
    if not specs:
        raise ConfigError("there is no stream to archive yet: make a spec with `eddyline init --from FILE`")
    with stop_on_signal() as stop:
        run_archivers(
            context.settings,
            specs,
            broker=context.broker(),
            lake=context.lake(),
            catalogue=context.catalogue(),
            clock=SystemClock(),
            instance=context.instance,
            stop=stop,
            slot=slot,
        )
