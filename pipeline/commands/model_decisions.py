"""`eddyline models promote|rollback|history`: decisions by a person, and all that were made."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.moments import second_text
from pipeline.commands.people import person
from pipeline.commands.streams import stream_named
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.catalogue.catalogue import Catalogue
    from pipeline.catalogue.service_entries import DecisionEntry
    from pipeline.commands.context import Context

Config = Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")]
ModelId = Annotated[str, typer.Argument(help="The model's id, or the beginning of it.")]
Stream = Annotated[str, typer.Argument(help="The stream.")]
TRIES = 5


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

    from pipeline.commands.context import load
    from pipeline.lifecycle.records import PROMOTED

    context = load(config)
    stream_named(context.specs, stream)
    catalogue = context.catalogue()
    model = catalogue.model(model_id).model_id
    before = _put_into_service(context, catalogue, stream, model, kind=PROMOTED, reason=reason)
    _say(Console(), stream, model, before)


def rollback(
    stream: Stream,
    reason: Annotated[str, typer.Option(help="Why; kept in the history.")] = "taken back by hand",
    config: Config = None,
) -> None:
    """Go back to the model that was in service before; the one taken out is not gone back to by itself. Models that
    were withdrawn, or whose files are damaged, are passed over.

    Example: eddyline models rollback payments --reason "too many alerts since noon"
    """
    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.lifecycle.records import ROLLED_BACK
    from pipeline.lineage.champions import champion_before

    context = load(config)
    stream_named(context.specs, stream)
    catalogue = context.catalogue()
    model = champion_before(catalogue, context.model_store(), stream)
    if model is None:
        raise ConfigError(
            f"stream {stream!r} has no model to go back to that is whole and not withdrawn: `eddyline models list "
            f"{stream}` shows those there are, `eddyline models promote` puts one into service"
        )
    before = _put_into_service(context, catalogue, stream, model, kind=ROLLED_BACK, reason=reason)
    _say(Console(), stream, model, before)


def history(
    stream: Stream,
    limit: Annotated[int, typer.Option(min=1, help="Newest decisions, at most.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with all figures instead of a table.")] = False,
    config: Config = None,
) -> None:
    """Show what was decided about a stream's models: when, by whom, why and on which figures.

    Example: eddyline models history payments
    """
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from pipeline.commands.context import load

    context = load(config)
    stream_named(context.specs, stream)
    found = context.catalogue().decisions(stream, limit=limit)
    if as_json:
        typer.echo(json.dumps([asdict(entry) for entry in found], indent=2))
        return
    console = Console()
    if not found:
        console.print(f"nothing was decided about {stream} yet: `eddyline train {stream}` makes its first model")
        return
    table = Table(box=None, header_style="bold")
    for column in ("when and by whom", "decision", "model, in place of", "AP", "why"):
        table.add_column(column, no_wrap=column not in ("why", "when and by whom"), overflow="fold")
    for entry in found:
        table.add_row(*_row(entry))
    console.print(table)


def _row(entry: "DecisionEntry") -> tuple[str, ...]:
    first, champion = (figure_of(entry.figures, name) for name in ("challenger", "champion"))
    return (
        f"{second_text(entry.decided_ms)[:16]}\n{entry.by}",
        entry.kind.replace("_", " "),
        f"{entry.model_id or '–'}\n{entry.before_id or '–'}",
        f"{first}\n{champion}",
        entry.reason,
    )


def figure_of(figures: dict[str, object], name: str) -> str:
    """A competitor's average precision in a decision's figures, for people."""
    found = figures.get("figures")
    one = found.get(name) if isinstance(found, dict) else None
    value = one["average_precision"]["value"] if one else None
    return "–" if value is None else f"{value:.3f}"


def _put_into_service(
    context: "Context", catalogue: "Catalogue", stream: str, model: str, *, kind: str, reason: str
) -> str | None:
    """Check that the model is whole and may be used, and make it champion; the champion before."""
    from pipeline.clock import SystemClock
    from pipeline.lifecycle.records import decision
    from pipeline.lineage.nodes import Node, NodeKind
    from pipeline.lineage.withdrawn import refuse_withdrawn

    context.model_store().load(model)  # a damaged model must not become champion
    refuse_withdrawn(catalogue, Node(NodeKind.MODEL, model))
    for _ in range(TRIES):
        before = catalogue.champion(stream)
        entry = decision(
            stream=stream,
            kind=kind,
            model_id=model,
            before_id=before,
            by=person(),
            reason=reason,
            decided_ms=SystemClock().now_ms(),
        )
        if catalogue.decide(entry, champion=model):
            return before
    raise ConfigError(
        f"the champion of {stream!r} changes all the time: `eddyline jobs list` shows what runs; pause it"
    )


def _say(console: "Console", stream: str, model: str, before: str | None) -> None:
    replaced = f" in place of {before}" if before and before != model else ""
    console.print(f"{model} is the champion of {stream}{replaced}", soft_wrap=True)
    console.print("next: `eddyline status` shows when the scorers have changed to it")
