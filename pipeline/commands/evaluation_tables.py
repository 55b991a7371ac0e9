"""What `eddyline evaluate` prints."""

import math
from typing import TYPE_CHECKING

from pipeline.commands.moments import between_text

if TYPE_CHECKING:
    from rich.console import Console

    from detectors.evaluation import Interval
    from pipeline.jobs.evaluate import DetectorResult, Evaluated


def print_evaluation(console: "Console", done: "Evaluated") -> None:
    """The rows looked at, then one table: of families where anomalies were injected, else of the labels."""
    added = f", {done.added_rows:,} of them added" if done.added_rows else ""
    span = f" from {between_text(done.start_ms, done.end_ms)}" if done.has_clock else ""
    console.print(
        f"{done.rows_scored:,} events scored{span}{added}; {done.rows_learned:,} older ones to learn from",
        soft_wrap=True,
    )
    if done.injected:
        _print_families(console, done)
    else:
        _print_labels(console, done)
    for result in done.results:
        if result.why:
            console.print(f"auto chose {result.why}", soft_wrap=True)


def _print_labels(console: "Console", done: "Evaluated") -> None:
    from rich.table import Table

    title = f"against {done.labelled_rows:,} labelled events; budget: {done.flagged_at_budget:,} flagged"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("detector", no_wrap=True)
    delay = f"delay,\n{'seconds' if done.has_clock else 'events'}"
    for column in ("AUROC\n(95%)", "average preci-\nsion (95%)", "precision,\nrecall", "incidents\nnoticed", delay):
        table.add_column(column, justify="right", no_wrap=True)
    for result in done.results:
        figures = result.labelled
        if figures is None:
            continue
        delays = figures.delays
        late = delays.median_seconds if done.has_clock else delays.median_rows
        table.add_row(
            _name(result),
            _interval(figures.auroc),
            _interval(figures.average_precision),
            f"{figures.at_budget.precision:.3f}\n{figures.at_budget.recall:.3f}",
            f"{delays.noticed:,} of {delays.events:,}",
            "-" if math.isnan(late) else f"{late:,.0f}",
        )
    console.print(table)
    console.print(
        "precision, recall, noticed incidents and their median delay are those of the budget's number of flagged "
        "events, the highest scores",
        soft_wrap=True,
    )
    for result in done.results:
        console.print(f"{_name(result)}: {_speed(result)}", soft_wrap=True)


def _print_families(console: "Console", done: "Evaluated") -> None:
    from rich.table import Table

    title = f"injected anomalies; budget: {done.flagged_at_budget:,} flagged"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("family, detector", no_wrap=True)
    for column in ("events", "AUROC", "average\nprecision", "recall", "incidents\nnoticed", "delay,\nevents"):
        table.add_column(column, justify="right", no_wrap=True)
    for place, family in enumerate(done.results[0].families):
        table.add_row(f"[bold]{family.family}", f"{family.rows:,}")
        for result in done.results:
            figures = result.families[place]
            late = figures.median_delay_rows
            table.add_row(
                f"  {_name(result)}",
                "",
                f"{figures.auroc:.3f}",
                f"{figures.average_precision:.3f}",
                f"{figures.recall:.3f}",
                f"{figures.noticed_events:,} of {figures.events:,}",
                "-" if math.isnan(late) else f"{late:,.0f}",
            )
    console.print(table)
    for result in done.results:
        mean = sum(figures.average_precision for figures in result.families) / len(result.families)
        text = f"{_name(result)}: {mean:.3f} average precision over the families, {_speed(result)}"
        console.print(text, soft_wrap=True)


def _speed(result: "DetectorResult") -> str:
    fitted = "in service" if result.fit_seconds is None else f"fitted in {result.fit_seconds:.1f} s"
    return f"{fitted}, {result.rows_per_second:,.0f} rows/s"


def _name(result: "DetectorResult") -> str:
    return result.name if result.model_id is None else f"{result.name} ({result.model_id[:8]})"


def _interval(figure: "Interval") -> str:
    if math.isnan(figure.low):
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f}\n{figure.low:.3f} to {figure.high:.3f}"
