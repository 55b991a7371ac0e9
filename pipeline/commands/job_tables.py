"""Jobs and runs on a terminal."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.commands.moments import minute_text, second_text, span_text

if TYPE_CHECKING:
    from pipeline.catalogue.service_entries import JobRunEntry, LeaseEntry
    from pipeline.scheduling.listing import ListedJob

_STYLES = {"failed": "bold red", "refused": "yellow", "running": "bold", "skipped": "dim", "succeeded": "green"}


def jobs_table(rows: "Sequence[ListedJob]", *, now_ms: int) -> Table:
    """Jobs, when they are due and how their last run went."""
    table = Table(box=None, header_style="bold")
    for name in ("stream", "job", "runs", "when (UTC)", "next", "last run", ""):
        table.add_column(name)
    for row in rows:
        table.add_row(
            row.job.stream,
            row.job.spec.name,
            row.job.spec.run.value,
            row.schedule,
            _next(row, now_ms),
            *_last(row.last),
        )
    return table


def leader_line(lease: "LeaseEntry | None") -> Text:
    """Who leads, for people."""
    if lease is None or not lease.holder or lease.left_ms < 0:
        return Text("no scheduler leads now: `eddyline schedule` runs what is due", style="yellow")
    return Text(f"{lease.holder} leads, epoch {lease.epoch}")


def runs_table(runs: "Sequence[JobRunEntry]") -> Table:
    """Runs, a line each."""
    table = Table(box=None, header_style="bold")
    for name in ("run", "stream", "job", "due (UTC)", "status", "took", "tries", "reason"):
        table.add_column(name, no_wrap=name != "reason", overflow="fold" if name == "reason" else "ellipsis")
    for run in runs:
        table.add_row(
            run.run_id[:12],
            run.stream,
            run.job,
            second_text(run.fire_ms),
            _status(run),
            _took(run),
            str(run.attempt) if run.started_ms is not None else "",
            Text(run.reason or run.doing),
        )
    return table


def print_run(console: Console, run: "JobRunEntry", *, log: Path) -> None:
    """One run in full."""
    grid = Table.grid(padding=(0, 2))
    grid.add_row("run", run.run_id)
    grid.add_row("job", Text(f"{run.job} of {run.stream} ({run.kind}), asked for by {run.origin}"))
    grid.add_row("due", f"{second_text(run.fire_ms)} UTC")
    grid.add_row("status", _status(run))
    if run.started_ms is not None:
        grid.add_row("begun", f"{second_text(run.started_ms)} UTC on {run.host}, attempt {run.attempt}")
        grid.add_row("took", _took(run))
    if run.failures:
        grid.add_row("failed tries", str(run.failures))
    if run.status in ("running", "queued") and run.progress:
        grid.add_row("progress", Text(f"{run.progress:.0%} {run.doing}"))
    if run.reason:
        grid.add_row("reason", Text(run.reason))
    grid.add_row("arguments", Text(json.dumps(run.arguments)))
    if run.result:
        grid.add_row("result", Text(json.dumps(run.result, indent=2)))
    console.print(grid, soft_wrap=True)
    if run.last_lines:
        console.print(Text("last lines:", style="bold"))
        console.print(Text(run.last_lines), soft_wrap=True)
    if log.exists():
        console.print(Text(f"everything it said: {log}"), soft_wrap=True)


def _next(row: "ListedJob", now_ms: int) -> Text:
    if row.paused_by is not None:
        return Text(f"paused by {row.paused_by}", style="yellow")
    if row.next_ms is None:
        return Text("never", style="red")
    return Text(f"{minute_text(row.next_ms)} (in {span_text(now_ms, row.next_ms)})")


def _last(run: "JobRunEntry | None") -> tuple[str, Text]:
    if run is None:
        return "none yet", Text("")
    return f"{minute_text(run.fire_ms)}", _status(run)


def _status(run: "JobRunEntry") -> Text:
    progress = f" {run.progress:.0%}" if run.status == "running" else ""
    return Text(run.status + progress, style=_STYLES.get(run.status, ""))


def _took(run: "JobRunEntry") -> str:
    if run.started_ms is None or run.ended_ms is None:
        return ""
    return span_text(run.started_ms, run.ended_ms)
