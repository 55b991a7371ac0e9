"""`eddyline recalibrate`: bring a stream's threshold up to date with its newest events."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.moments import between_text, moment_ms
from pipeline.commands.people import person
from pipeline.commands.streams import stream_named
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.config import StreamSpec
    from pipeline.jobs.recalibrate import RecalibrationDone


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("recalibrate")(recalibrate)


def recalibrate(
    stream: Annotated[str, typer.Argument(help="The stream whose threshold is brought up to date.")],
    start: Annotated[str | None, typer.Option("--from", help="Look at events at or after this moment.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Look at events before this moment.")] = None,
    breadth: Annotated[
        float, typer.Option(help="Share of the active keys that must show a shift before it counts in full.")
    ] = 0.1,
    most_change: Annotated[
        float, typer.Option(help="How many times fewer or more alerts a day's change may allow.")
    ] = 4.0,
    promote: Annotated[bool, typer.Option("--promote/--no-promote", help="Put it into service.")] = True,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Move the champion's threshold to where the budget is kept on the stream as it now is; its weights stay.

    A burst in few keys is taken for an attack and not learned; what most keys show is. Run it once a day.

    Example: eddyline recalibrate payments
    """
    from rich.console import Console

    from detectors.recalibration import AdaptationRule
    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.jobs.recalibrate import RecalibrateOptions, recalibrate_stream

    window = moment_ms(start, option="--from"), moment_ms(end, option="--to")
    try:
        rule = AdaptationRule(breadth=breadth, most_change_per_day=most_change)
    except ValueError as error:
        raise ConfigError(f"{error}: mend --breadth or --most-change") from None
    context = load(config)
    spec = stream_named(context.specs, stream)
    console = Console(stderr=True)
    with console.status("scoring the archive"):
        done = recalibrate_stream(
            spec,
            lake=context.lake(),
            store=context.model_store(),
            catalogue=context.catalogue(),
            clock=SystemClock(),
            options=RecalibrateOptions(start_ms=window[0], end_ms=window[1], rule=rule, promote=promote),
            by=person(),
        )
    _print(console, spec, done)


def _print(console: "Console", spec: "StreamSpec", done: "RecalibrationDone") -> None:
    from rich.table import Table

    from detectors.recalibration import Outcome

    result, before, after = done.result, done.before.threshold.nats, done.after.threshold.nats
    grid = Table.grid(padding=(0, 2))
    grid.add_row("looked at", f"{done.rows:,} events, {between_text(done.start_ms, done.end_ms)}")
    grid.add_row("alerts", f"{result.raised_alerts:,} raised, at most {result.allowed_alerts:,.1f} promised")
    grid.add_row("threshold", f"{before:.2f} nats before, {after:.2f} now")
    if result.outcome is Outcome.LIMITED:
        wanted = f"the window alone would put it at {result.wanted_nats:.2f}; it goes on with the next run"
        grid.add_row("", f"as far as one change may go: {wanted}")
    console.print(grid)
    if result.outcome is Outcome.TOO_EARLY:
        console.print(
            "too early to say: the budget allows too few alerts in that window, or it has too few events; nothing "
            "changed. next: run it again later, or widen --from",
            soft_wrap=True,
        )
    elif done.promoted:
        console.print(f"next: model {done.after.model_id} is in service; `eddyline status` shows it", soft_wrap=True)
    else:
        name = done.after.model_id
        console.print(
            f"next: model {name} is saved; `eddyline models promote {spec.stream} {name}` puts it in service",
            soft_wrap=True,
        )
