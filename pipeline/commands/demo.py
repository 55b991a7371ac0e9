"""`eddyline demo`: the whole way of the data on this machine, with nothing to prepare."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.demo.plan import DemoPlan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    data: Annotated[Path | None, typer.Option(help="Your own .parquet or .csv file instead of the simulation.")] = None,
    label: Annotated[str | None, typer.Option(help="Column of --data that says which events are anomalous.")] = None,
    key: Annotated[str | None, typer.Option(help="Column of --data that names the entity.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of --data that says when an event happened.")] = None,
    alerts_per_day: Annotated[float | None, typer.Option(help="False-alarm budget for --data.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the archive and model of earlier runs.")] = False,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long the live part takes.")] = 25.0,
) -> None:
    """Broker, archive, training, live alerts with their reasons and how many were right; then a quality report, a
    challenger that is compared, and a synthetic dataset. A few minutes; less when it is run again.

    Example: eddyline demo --data trips.parquet --label was_fraud --key card --time at
    """
    from rich.console import Console

    from pipeline.commands.stopping import stop_on_signal
    from pipeline.demo.archiving import StoppedError
    from pipeline.demo.run import run_demo

    plan = _plan(data, label, key, time, alerts_per_day)
    console = Console()
    with stop_on_signal() as stop:
        try:
            run_demo(plan, console=console, stop=stop, seconds=seconds, fresh=fresh)
        except StoppedError as stopped:
            console.print(str(stopped))
            raise typer.Exit(130) from None


def _plan(
    data: Path | None, label: str | None, key: str | None, time: str | None, alerts_per_day: float | None
) -> "DemoPlan":
    from pipeline.demo.plan import file_plan, simulated_plan

    if data is None:
        if label or key or time or alerts_per_day:
            raise ConfigError("--label, --key, --time and --alerts-per-day describe a file: name it with --data")
        return simulated_plan()
    from pipeline.demo.own_file import infer_file_spec

    return file_plan(data, infer_file_spec(data, label=label, key=key, time=time), alerts_per_day=alerts_per_day)
