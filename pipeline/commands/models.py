"""`eddyline models`: what was trained, how good it is, and which of it is in service."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.listing import MOST_SHOWN, Limit, more_text
from pipeline.commands.model_compare import compare
from pipeline.commands.model_decisions import history, promote, rollback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.catalogue.listed import DecisionLine

Config = Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")]
ModelId = Annotated[str, typer.Argument(help="The model's id, or the beginning of it.")]
Stream = Annotated[str, typer.Argument(help="The stream.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="List, compare, promote and take back trained models.", no_args_is_help=True)
    group.command("list")(list_models)
    group.command("show")(show)
    group.command("compare")(compare)
    group.command("promote")(promote)
    group.command("rollback")(rollback)
    group.command("history")(history)
    app.add_typer(group, name="models")


def list_models(stream: Stream, limit: Limit = MOST_SHOWN, config: Config = None) -> None:
    """List a stream's models, newest first; the champion is marked, and there however old. Nats: its threshold. AP:
    average precision when it was compared.

    Example: eddyline models list payments
    """
    from rich.console import Console
    from rich.table import Table

    from pipeline.commands.context import load
    from pipeline.commands.streams import stream_named

    context, console = load(config), Console()
    stream_named(context.specs, stream)
    catalogue = context.catalogue()
    found = catalogue.listed_models(stream, limit)
    if not found.shown:
        console.print(f"no models of {stream} yet: `eddyline train {stream}` makes one from its archive")
        return
    decided = _decided(catalogue.decisions_on_listed(stream, limit))
    withdrawn = catalogue.withdrawn_ids("model", stream)
    table = Table(box=None, header_style="bold")
    for column in ("", "id", "trained (UTC)", "detector", "nats", "decision", "AP"):
        table.add_column(column, no_wrap=True)
    for model in found.shown:
        marks = ["champion"] * model.champion + ["withdrawn"] * (model.model_id in withdrawn)
        mark = ", ".join(marks)
        trained, threshold = _moment(model.created_ms)[:16], f"{model.threshold_nats:.2f}"
        decision = decided.get(model.model_id, ("–", "–"))
        table.add_row(mark, model.model_id, trained, model.detector, threshold, *decision)
    console.print(table)
    if found.more:
        console.print(more_text(len(found.shown), found.more, "models"))


def _decided(decisions: "Iterable[DecisionLine]") -> dict[str, tuple[str, str]]:
    """By model: the newest decision about it, and its average precision where it was compared. From decisions, oldest
    first."""
    found: dict[str, tuple[str, str]] = {}
    compared: dict[str, str] = {}
    for entry in decisions:
        if entry.average_precision is not None:
            compared[entry.model_id] = f"{entry.average_precision:.3f}"
        kind = entry.kind.replace("_", " ")
        if kind == "rolled back":
            kind = "gone back to"
            if entry.before_id is not None:
                known = compared.get(entry.before_id, "–")
                found[entry.before_id] = "rolled back", known
        found[entry.model_id] = kind, compared.get(entry.model_id, "–")
    return found


def show(model_id: ModelId, config: Config = None) -> None:
    """Show what is known of a model: how it was trained, its files, when it was in service.

    Example: eddyline models show 3f2a
    """
    from rich.console import Console
    from rich.table import Table

    from pipeline.commands.context import load
    from pipeline.lineage.nodes import Node
    from pipeline.lineage.withdrawn import why_withdrawn

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
    taken_back = why_withdrawn(catalogue, Node("model", model.model_id))
    if taken_back is not None:
        table.add_row("withdrawn", f"{_moment(taken_back.withdrawn_ms)}: {taken_back.reason}")
    if "choice" in model.facts:
        table.add_row("why", f"auto chose {model.facts['choice']['reason']}")
    for promotion in catalogue.champions(model.stream):
        if promotion.model_id == model.model_id:
            table.add_row("promoted", f"{_moment(promotion.since_ms)}: {promotion.reason}")
    for name, size in context.model_store().files(model.model_id).items():
        table.add_row("file", f"{name} ({size:,} bytes)")
    console.print(table)
    console.print_json(json.dumps(model.facts))


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
