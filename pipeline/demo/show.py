"""What the demo prints: alerts as they come, and the summary at the end."""

import threading
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.alerts.model import Alert, AlertStatus
from pipeline.alerts.notify.terminal import rendered
from pipeline.catalogue import Catalogue
from pipeline.clock import Clock
from pipeline.demo.aftermath import Aftermath
from pipeline.demo.frauds import FRAUD_KINDS
from pipeline.demo.summary import KindFigures, Summary
from pipeline.jobs.promise import outcome_text
from pipeline.jobs.truth import LabelFigures

SECONDS_PER_ALERT = 1.0
_VISIBILITY = {kind.name: kind.visibility.value for kind in FRAUD_KINDS}


class AlertTicker:
    """Prints new alerts, about one a second so that they can be read; those in between are counted."""

    def __init__(self, console: Console, clock: Clock, truth: Sequence[str]) -> None:
        """`truth` says for each live event what its label says; empty where there are no labels."""
        self._console, self._clock, self._truth = console, clock, truth
        self._lock = threading.Lock()
        self._next = 0.0
        self._skipped = 0

    def show(self, alert: Alert, row: int) -> None:
        """Print a newly opened alert and what the label of its event says, or count it."""
        if alert.status is not AlertStatus.OPEN:
            return
        with self._lock:
            now = self._clock.monotonic()
            if now < self._next:
                self._skipped += 1
                return
            self._next = now + SECONDS_PER_ALERT
            if self._skipped:
                self._console.print(f"[dim]… and {self._skipped} more alerts meanwhile[/dim]")
            self._skipped = 0
            self._console.print(rendered(alert))
            if self._truth:
                self._console.print(Text(f"  label, which the detector never saw: {self._truth[row]}", style="dim"))


def print_aftermath(console: Console, done: Aftermath, catalogue: Catalogue) -> None:
    """What the jobs of the service came to."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    table.add_row("data quality", Text(done.quality.reason))
    table.add_row("challenger", Text(f"{done.challenger.status.value}: {done.challenger.reason}"))
    for name, said in _precisions(done, catalogue):
        table.add_row("", Text(f"{name}: {said}"))
    if done.generator is not None:
        table.add_row("generator", Text(done.generator.reason))
    for name, outcome in (("dataset", done.dataset), ("its quality", done.dataset_quality)):
        if outcome is not None:
            table.add_row(name, Text(outcome.reason))
    console.print(table)


def _precisions(done: Aftermath, catalogue: Catalogue) -> list[tuple[str, str]]:
    """What each competitor's average precision was on injected anomalies."""
    evaluation_id = done.challenger.result.get("evaluation")
    if not evaluation_id:
        return []
    figures = catalogue.evaluation(str(evaluation_id)).figures["figures"]
    return [(name, f"average precision {one['average_precision']['value']:.3f}") for name, one in figures.items()]


def print_summary(console: Console, summary: Summary) -> None:
    """The figures of the live part."""
    console.rule("what happened")
    rate = summary.scored / max(summary.seconds, 1e-9)
    console.print(
        f"{summary.scored:,} of {summary.events:,} live events scored, {rate:,.0f} events/s at the pace asked for"
    )
    for name, delay in (("event to score", summary.score_delay_ms), ("event to alert", summary.alert_delay_ms)):
        if delay is not None:
            console.print(f"{name}: median {delay[0]:,.0f} ms, 99% within {delay[1]:,.0f} ms, embedded broker included")
    if summary.promise is not None:
        console.print(f"{summary.alerts:,} alerts in {summary.days:.1f} days of the stream's own time")
        console.print(outcome_text(summary.promise))
    if summary.labels is None:
        return
    _print_labels(console, summary.labels)
    if summary.kinds:
        console.print(_kinds(summary.kinds))


def _print_labels(console: Console, labels: LabelFigures) -> None:
    console.print(f"precision: {_percent(labels.alert_precision)} of {labels.alerts:,} alerts hold a labelled event")
    console.print(f"recall: {_percent(labels.row_recall)} of {labels.labelled_rows:,} labelled events were flagged")
    console.print(
        f"ranking of all events: average precision {_figure(labels.average_precision)}, AUROC {_figure(labels.auroc)}"
    )


def _kinds(kinds: tuple[KindFigures, ...]) -> Table:
    table = Table(title="recall by kind, by the simulation's own labels", title_justify="left")
    table.add_column("kind")
    for name in ("events", "flagged", "incidents", "noticed"):
        table.add_column(name, justify="right")
    table.add_column("unusual one by one?")
    for kind in kinds:
        counts = (kind.events, kind.flagged, kind.incidents, kind.noticed)
        table.add_row(kind.kind, *(f"{count:,}" for count in counts), _VISIBILITY.get(kind.kind, ""))
    return table


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:.0%}"


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
