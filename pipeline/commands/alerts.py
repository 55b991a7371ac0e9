"""`eddyline alerts`: show a stream's alerts, and follow those to come."""

import uuid
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(alerts)


def alerts(
    stream: Annotated[str, typer.Argument(help="The stream whose alerts are shown.")],
    is_following: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new alerts until stopped.")] = False,
    is_json: Annotated[bool, typer.Option("--json", help="One JSON document a line, as published.")] = False,
    since: Annotated[
        str | None, typer.Option(help="Only alerts published since a moment: 15m, 24h, 7d or 2026-05-01T12:00:00Z.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show so many at most, the newest.")] = 50,
    is_recorded: Annotated[
        bool, typer.Option("--recorded", help="Those that `eddyline record` wrote down, with what people said of them.")
    ] = False,
    cause: Annotated[
        str | None, typer.Option(help="With --recorded: only those whose cause is odd_behaviour, bad_data or unknown.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Show a stream's alerts as they stand, each once, newest last.

    Example: eddyline alerts payments --since 24h --follow

    Example: eddyline alerts payments --recorded --cause bad_data
    """
    from rich.console import Console

    from pipeline.alerts.listing import follow, read_history, since_ms
    from pipeline.alerts.notify.printer import Printer
    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.commands.stopping import stop_on_signal
    from pipeline.commands.streams import stream_named

    context = load(config)
    spec = stream_named(context.specs, stream)
    published_since_ms = None if since is None else since_ms(since, now_ms=SystemClock().now_ms())
    _check(is_recorded=is_recorded, is_following=is_following, cause=cause)
    if is_recorded:
        from pipeline.alerts.record.listing import print_recorded

        catalogue = context.catalogue()
        rows = catalogue.alerts(stream, published_since_ms, limit=limit, cause=cause)
        print_recorded(Console(), catalogue, rows, is_json=is_json)
        return
    printer = Printer(Console(), is_json=is_json)
    history = read_history(context.broker(), spec, published_since_ms=published_since_ms)
    printer.history(history.alerts, limit=limit, is_following=is_following)
    if is_following:
        source = context.broker().source(group=f"eddyline.{stream}.alerts.follow.{uuid.uuid4().hex}")
        with stop_on_signal() as stop:
            follow(source, spec, printer.alert, stop, start=history.next_offsets, published_since_ms=published_since_ms)


def _check(*, is_recorded: bool, is_following: bool, cause: str | None) -> None:
    """Raises ConfigError for options that do not go together."""
    from pipeline.alerts.model import Cause

    if cause is not None and (not is_recorded or cause not in set(Cause)):
        what = "goes with --recorded" if not is_recorded else f"is {', '.join(Cause)}, not {cause!r}"
        raise ConfigError(f"--cause {what}: correct the command")
    if is_recorded and is_following:
        raise ConfigError("--follow reads the alerts topic, --recorded the catalogue: leave one out")
