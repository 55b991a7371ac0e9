"""`eddyline withdraw`: a window of the archive, or a model, generator or dataset, with everything that came from it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.commands.moments import between_text, moment_ms
from pipeline.commands.people import person
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.commands.context import Context
    from pipeline.lineage.withdrawal import Withdrawal

MOST_LISTED = 40
EXIT_DECLINED = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("withdraw")(withdraw)


def withdraw(
    what: Annotated[
        str, typer.Argument(metavar="STREAM|ID", help="A stream, with --from and --to; or the id of what is withdrawn.")
    ],
    reason: Annotated[str, typer.Option(help="Why; kept with everything that is withdrawn.")],
    start: Annotated[str | None, typer.Option("--from", help="The window's first moment.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The moment after the window's last.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be withdrawn, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Where the champion is withdrawn, go back to one that is not.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Withdraw a window of a stream's archive, or one thing, with every model, generator, dataset and report of it.

    Training leaves a withdrawn window out from then on; datasets disappear from readers' sight; the archive's rows stay
    where they are. Shown before it is done. What was cut short is finished by doing it again.

    Example: eddyline withdraw payments --from 2026-01-19T06:00 --to 2026-01-19T08:00 --reason "terminals sent nulls"
    """
    from rich.console import Console

    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.lineage.withdrawal import carry_out

    if not reason.strip():
        raise ConfigError("--reason is empty: say why, for whoever looks for what is gone")
    context, console = load(config), Console(soft_wrap=True)
    catalogue = context.catalogue()
    planned = _planned(context, catalogue, what, start, end)
    _show(console, planned)
    if planned.nothing_to_do:
        console.print("everything of it is withdrawn already")
    elif dry_run:
        console.print("nothing was done (--dry-run)")
        return
    elif not yes and not typer.confirm("Withdraw all of this?"):
        raise typer.Exit(EXIT_DECLINED)
    else:
        now_ms = SystemClock().now_ms()
        gone = carry_out(planned, catalogue=catalogue, lake=context.lake(), reason=reason, now_ms=now_ms)
        console.print(f"withdrawn: {len(planned.new):,} things; {len(gone):,} datasets taken out of readers' sight")
        for dataset in gone:
            console.print(f"  dataset {dataset}: tell who has copies of it")
    if not dry_run:
        _champion(context, console, catalogue, planned, reason, rollback=rollback)


def _planned(context: "Context", catalogue: Any, what: str, start: str | None, end: str | None) -> "Withdrawal":
    from pipeline.lineage.recorded import found_node, stream_of
    from pipeline.lineage.standing import span_of
    from pipeline.lineage.withdrawal import of_node, of_span

    low, high = moment_ms(start, option="--from"), moment_ms(end, option="--to")
    lake = context.lake()
    if what in context.specs or what in catalogue.streams():
        if low is None or high is None:
            raise ConfigError(f"{what} is a stream: say which of its events with --from and --to")
        return of_span(catalogue, lake, what, low, high)
    if start is not None or end is not None:
        raise ConfigError(f"--from and --to are for streams, and no stream is called {what!r}")
    node = found_node(catalogue, what)
    stream, span = stream_of(catalogue, node), span_of(node)
    return of_node(catalogue, lake, node, stream) if span is None else of_span(catalogue, lake, stream, *span)


def _show(console: "Console", planned: "Withdrawal") -> None:
    from collections import Counter

    if planned.span is not None:
        console.print(f"the archive of {planned.stream}, {between_text(*planned.span)}")
        console.print(f"  lies in {len(planned.windows):,} windows that something was made from")
    else:
        console.print(f"{planned.root.kind} {planned.root.id} of {planned.stream}")
    counts = Counter(node.kind for node in planned.came_from_it)
    said = ", ".join(f"{count:,} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(counts.items()))
    console.print(f"  from it came {said or 'nothing that is known'}")
    for node in planned.came_from_it[:MOST_LISTED]:
        known = " (withdrawn already)" if node in planned.known else ""
        shown = " published: readers will no longer see it" if node.id in planned.datasets else ""
        console.print(f"    {node.kind} {node.id}{known}{shown}", markup=False)
    if len(planned.came_from_it) > MOST_LISTED:
        console.print(f"    and {len(planned.came_from_it) - MOST_LISTED:,} more: `eddyline lineage` shows them")
    if planned.champion is not None:
        console.print(f"  [bold red]the champion of {planned.stream}, {planned.champion}, came from it[/]")


def _champion(
    context: "Context", console: "Console", catalogue: Any, planned: "Withdrawal", reason: str, *, rollback: bool
) -> None:
    """What becomes of a champion that came from it."""
    if planned.champion is None:
        return
    stream = planned.stream
    if not rollback:
        console.print(
            f"next: the champion of {stream} goes on scoring until another takes over: `eddyline models list {stream}` "
            f"shows which are withdrawn, `eddyline models promote` takes one; or train again, without these rows: "
            f"`eddyline train {stream}`"
        )
        return
    from pipeline.clock import SystemClock
    from pipeline.lineage.champions import roll_back_to_sound

    now_ms = SystemClock().now_ms()
    store = context.model_store()
    model = roll_back_to_sound(catalogue, store, stream, reason=reason, by=person(), now_ms=now_ms)
    console.print(f"model {model} is the champion of {stream} again; scorers change to it within seconds")
