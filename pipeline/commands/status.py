"""`eddyline status`: what runs and how it fares."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pipeline.canaries.recall import LiveRecall
    from pipeline.catalogue import WorkerBeat
    from pipeline.scoring.standing import Standing
    from pipeline.status import SchedulerReport, StreamReport, WorkerStatus

_COLUMNS = (
    "stream",
    "worker",
    "heard",
    "lag",
    "events/s",
    "events",
    "rejects",
    "alerts",
    "promised",
    "observed",
    "model",
)
_HEAD = ("stream", "worker", "heard")
_TEXTS = (*_HEAD, "model")
_TABLE_WIDTH = 120
_STATE_NOTES = {
    "warming_up": "is warming up: scores have less of a past to go by than they will",
    "incomplete_state": "lacks events that the log no longer held: keep the topic for longer",
}


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
        print_reports(console, reports, with_jobs={name for name, spec in context.specs.items() if spec.schedule})


def print_reports(console: Console, reports: "list[StreamReport]", *, with_jobs: Collection[str] = ()) -> None:
    """A table, or on a narrow terminal a block a worker; below it what needs a person. `with_jobs` are the streams
    whose specs state jobs."""
    rows = [_cells(report, worker) for report in reports for worker in report.workers]
    if console.width >= _TABLE_WIDTH:
        _print_table(console, rows)
    else:
        _print_blocks(console, rows)
    for report in reports:
        if not report.workers:
            console.print(
                Text(f"{report.stream}: nothing runs (champion: {report.champion or 'none yet'})", style="yellow")
            )
        if report.standing is not None and report.standing.observed is not None:
            console.print(Text(f"{report.stream}: {standing_text(report.standing)}"))
        if report.canaries.families:
            console.print(Text(f"{report.stream}: {recall_text(report.canaries)}"))
        for fall in report.canaries.falls:
            console.print(Text(f"{report.stream}: {fall.words}", style="yellow"))
        for worker in report.workers:
            _print_notes(console, report, worker)
    _print_schedulers(console, reports, with_jobs)


def _print_schedulers(console: Console, reports: "list[StreamReport]", with_jobs: Collection[str]) -> None:
    """A line for all streams that the same schedulers serve: the lease is one for all."""
    served: dict[SchedulerReport, list[str]] = {}
    for report in reports:
        served.setdefault(report.scheduler, []).append(report.stream)
    for scheduler, streams in served.items():
        waiting = [name for name in streams if name in with_jobs]
        if scheduler.leader is not None or scheduler.standbys or waiting:
            said = scheduler_text(scheduler, waiting)
            style = "yellow" if scheduler.leader is None else ""
            console.print(Text(f"scheduler of {', '.join(streams)}: {said}", style=style))


def _print_table(console: Console, rows: list[dict[str, str | Text]]) -> None:
    columns = [name for name in _COLUMNS if any(row[name] for row in rows)]
    if not columns:
        return
    table = Table(box=None, header_style="bold")
    for name in columns:
        justify: Any = "left" if name in _TEXTS else "right"
        table.add_column(name, justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    console.print(table)


def _print_blocks(console: Console, rows: list[dict[str, str | Text]]) -> None:
    for row in rows:
        console.print(Text.assemble((f"{row['stream']}  {row['worker']}  ", "bold"), "heard ", row["heard"]))
        figures = [f"{name} {row[name]}" for name in _COLUMNS if name not in _HEAD and row[name]]
        console.print(Text("  " + " · ".join(figures)))


def _cells(report: "StreamReport", worker: "WorkerStatus") -> dict[str, str | Text]:
    state, beat = worker.beat.state, worker.beat
    heard = Text(f"{_age(worker.age_seconds)} ago", style="bold red" if worker.stale else "")
    if worker.stale:
        heard.append(" STALE")
    names = {
        "events/s": "events_per_second",
        "lag": "lag",
        "events": "events",
        "rejects": "rejects",
        "alerts": "alerts",
    }
    return {
        "stream": report.stream,
        "worker": f"{_role(beat)} {beat.slot} on {beat.host}",
        "heard": heard,
        **{column: _number(state.get(name)) for column, name in names.items()},
        "promised": _budget(state, "promised"),
        "observed": _budget(state, "observed"),
        "model": str(state.get("model_id") or ("" if beat.role != "score" else "none yet")),
    }


def _print_notes(console: Console, report: "StreamReport", worker: "WorkerStatus") -> None:
    name = f"{report.stream} {_role(worker.beat)} {worker.beat.slot}"
    if worker.note:
        console.print(Text(f"{name}: {worker.note}", style="yellow"))
    if worker.stale:
        console.print(
            Text(f"{name}: not heard of for {_age(worker.age_seconds)}: look at its logs, start it again", style="red")
        )
    if bad := worker.beat.state.get("alerts_bad_data"):
        of = f"{bad:,} of the {worker.beat.state.get('alerts', 0):,} alerts it opened"
        console.print(Text(f"{name}: {of} were bad data, not odd behaviour: look at their producers", style="yellow"))
    for field, said in _STATE_NOTES.items():
        if partitions := worker.beat.state.get(field):
            console.print(Text(f"{name}: the keyed state of {partitions} partitions {said}", style="yellow"))
    model = worker.beat.state.get("model_id")
    if worker.beat.role == "score" and report.champion and model != report.champion:
        console.print(Text(f"{name}: the champion {report.champion} is not in service yet", style="yellow"))


def standing_text(standing: "Standing") -> str:
    """A stream's budget and what became of it, for people."""
    scale, unit = (1_000.0, "in 1,000 events") if standing.unit == "share_of_events" else (1.0, "a day")
    seen = standing.observed
    told = "" if seen is None else f", observed {seen.rate * scale:.3g} (95%: {seen.low * scale:.3g} to "
    told += "" if seen is None else f"{seen.high * scale:.3g})"
    verdict = standing.verdict.value.replace("_", " ")
    return f"promised at most {standing.promised * scale:g} alerts {unit}{told}: {verdict}"


def scheduler_text(scheduler: "SchedulerReport", with_jobs: Sequence[str] = ()) -> str:
    """Who leads and who stands by, for people. `with_jobs` are streams whose jobs wait where nobody leads."""
    standing_by = f"{', '.join(scheduler.standbys)} stands by" if len(scheduler.standbys) == 1 else ""
    standing_by = f"{', '.join(scheduler.standbys)} stand by" if len(scheduler.standbys) > 1 else standing_by
    if scheduler.leader is None:
        then = f"{standing_by} and takes over within seconds" if standing_by else "start `eddyline schedule`"
        jobs = f"; the jobs of {', '.join(with_jobs)} wait" if with_jobs else ""
        return f"none leads now{jobs}: {then}"
    return f"{scheduler.leader} leads, epoch {scheduler.epoch}; {standing_by or 'none stands by'}"


def recall_text(recall: "LiveRecall") -> str:
    """How many canaries were caught, by family, for people."""
    told = (
        f"{f.family} {f.recall:.0%} ({f.low:.0%} to {f.high:.0%} of {f.injected:,})"
        for f in recall.families
        if f.injected
    )
    return "canaries caught over the last day: " + ", ".join(told)


def _role(beat: "WorkerBeat") -> str:
    """What a worker does; of a repartition step also which hop."""
    hop = beat.state.get("hop")
    return f"{beat.role} {hop}" if hop else beat.role


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
