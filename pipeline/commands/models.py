"""`eddyline models`: what was trained, and which of it is in service."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")]
ModelId = Annotated[str, typer.Argument(help="The model's id, or the beginning of it.")]
Stream = Annotated[str, typer.Argument(help="The stream.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="List, show and promote trained models.", no_args_is_help=True)
    group.command("list")(list_models)
    group.command("show")(show)
    group.command("promote")(promote)
    app.add_typer(group, name="models")


def list_models(stream: Stream, config: Config = None) -> None:
    """List a stream's models, newest first; the champion is marked.

    Example: eddyline models list payments
    """
    from rich.console import Console
    from rich.table import Table

    from pipeline.commands.context import load
    from pipeline.commands.streams import stream_named

    context, console = load(config), Console()
    stream_named(context.specs, stream)
    found = context.catalogue().models(stream)
    if not found:
        console.print(f"no models of {stream} yet: `eddyline train {stream}` makes one from its archive")
        return
    table = Table(box=None, header_style="bold")
    for column in ("", "id", "trained", "detector", "threshold"):
        table.add_column(column, no_wrap=True)
    for model in found:
        mark = "champion" if model.champion else ""
        trained, threshold = _moment(model.created_ms), f"{model.threshold_nats:.2f} nats"
        table.add_row(mark, model.model_id, trained, model.detector, threshold)
    console.print(table)


def show(model_id: ModelId, config: Config = None) -> None:
    """Show what is known of a model: how it was trained, its files, when it was in service.

    Example: eddyline models show 3f2a
    """
    from rich.console import Console
    from rich.table import Table

    from pipeline.commands.context import load

    context, console = load(config), Console()
    catalogue = context.catalogue()
    model = catalogue.model(model_id)
    table = Table(box=None, show_header=False)
    table.add_row("id", model.model_id)
    table.add_row("stream", model.stream)
    table.add_row("detector", model.detector)
    table.add_row("trained", _moment(model.created_ms))
    table.add_row("threshold", f"{model.threshold_nats:.2f} nats")
    table.add_row("in service now", "yes" if model.champion else "no")
    if "choice" in model.facts:
        table.add_row("why", f"auto chose {model.facts['choice']['reason']}")
    for promotion in catalogue.champions(model.stream):
        if promotion.model_id == model.model_id:
            table.add_row("promoted", f"{_moment(promotion.since_ms)}: {promotion.reason}")
    for name, size in context.model_store().files(model.model_id).items():
        table.add_row("file", f"{name} ({size:,} bytes)")
    console.print(table)
    console.print_json(json.dumps(model.facts))


def promote(
    stream: Stream,
    model_id: ModelId,
    reason: Annotated[str, typer.Option(help="Why; kept in the history.")] = "promoted by hand",
    config: Config = None,
) -> None:
    """Put a model into service; running scorers change to it within a second or two, without a restart.

    Example: eddyline models promote payments 3f2a --reason "fewer false alarms in the backtest"
    """
    from rich.console import Console

    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.commands.streams import stream_named

    context, console = load(config), Console()
    stream_named(context.specs, stream)
    catalogue = context.catalogue()
    model = catalogue.model(model_id)
    context.model_store().load(model.model_id)  # a damaged model must not become champion
    before = catalogue.champion(stream)
    catalogue.set_champion(stream, model.model_id, reason, SystemClock().now_ms())
    replaced = f" in place of {before}" if before and before != model.model_id else ""
    console.print(f"{model.model_id} is the champion of {stream}{replaced}")
    console.print("next: `eddyline status` shows when the scorers have changed to it")


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
