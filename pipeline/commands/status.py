"""`eddyline status`: what runs and how it fares."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pipeline.status import StreamReport, WorkerStatus

_COLUMNS = ("stream", "worker", "heard", "lag", "events/s", "events", "rejects", "alerts", "promised", "observed")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Show every stream's workers: lag, rate, model, budget promised and observed, alerts, rejects, last error.

    Example: eddyline status --json
    """
    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.status import stream_reports

    context, console = load(config), Console()
    reports = stream_reports(context.catalogue(), context.specs, now_ms=SystemClock().now_ms())
    if as_json:
        console.out(json.dumps([report.document() for report in reports], indent=2), highlight=False)
    elif not reports:
        console.print("no streams yet: make a spec with `eddyline init --from FILE`")
    else:
        print_reports(console, reports)


def print_reports(console: Console, reports: "list[StreamReport]") -> None:
    """The table, and below it what needs a person."""
    table = Table(box=None, header_style="bold")
    for column in _COLUMNS:
        justify: Any = "left" if column in ("stream", "worker", "heard") else "right"
        table.add_column(column, justify=justify, no_wrap=True)
    table.add_column("model", no_wrap=True)
    for report in reports:
        for worker in report.workers:
            table.add_row(*_cells(report, worker))
        if not report.workers:
            table.add_row(
                report.stream, Text("nothing runs", style="yellow"), *[""] * (len(_COLUMNS) - 2), report.champion
            )
    console.print(table)
    for report in reports:
        for worker in report.workers:
            _print_notes(console, report, worker)


def _cells(report: "StreamReport", worker: "WorkerStatus") -> list[str | Text]:
    state, beat = worker.beat.state, worker.beat
    heard = Text(f"{_age(worker.age_seconds)} ago", style="bold red" if worker.stale else "")
    if worker.stale:
        heard.append(" STALE")
    numbers = [_number(state.get(name)) for name in ("lag", "events_per_second", "events", "rejects", "alerts")]
    budget = [_budget(state, "promised"), _budget(state, "observed")]
    model = str(state.get("model_id") or ("" if beat.role != "score" else "none yet"))
    return [report.stream, f"{beat.role} {beat.slot} on {beat.host}", heard, *numbers, *budget, model]


def _print_notes(console: Console, report: "StreamReport", worker: "WorkerStatus") -> None:
    name = f"{report.stream} {worker.beat.role} {worker.beat.slot}"
    if worker.note:
        console.print(Text(f"{name}: {worker.note}", style="yellow"))
    if worker.stale:
        console.print(
            Text(f"{name}: not heard of for {_age(worker.age_seconds)}: look at its logs, start it again", style="red")
        )
    model = worker.beat.state.get("model_id")
    if worker.beat.role == "score" and report.champion and model != report.champion:
        console.print(Text(f"{name}: the champion {report.champion} is not in service yet", style="yellow"))


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _number(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, int | float) else ""


def _budget(state: dict[str, Any], name: str) -> str:
    value = state.get(name)
    if not isinstance(value, int | float):
        return ""
    return f"{value:.4%}" if state.get("budget_unit") == "share_of_events" else f"{value:,.3g}/day"
