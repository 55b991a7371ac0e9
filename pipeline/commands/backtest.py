"""`eddyline backtest`: what would have alerted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.moments import between_text, minute_text, moment_ms, second_text
from pipeline.commands.streams import stream_named
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.alerts.model import Alert
    from pipeline.commands.context import Context
    from pipeline.config import StreamSpec
    from pipeline.jobs.backtest import Backtested
    from pipeline.jobs.truth import LabelFigures

MOST_SHOWN = 40


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(backtest)


def backtest(
    stream: Annotated[str, typer.Argument(help="The stream to look back on.")],
    start: Annotated[str | None, typer.Option("--from", help="Events at or after this moment.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Events before this moment.")] = None,
    model: Annotated[str | None, typer.Option(help="Model id; the champion by default.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for backtest.json and backtest.png.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Run archived events through a model and the alert engine, as if it had been in service then.

    A window the model learned from flatters it: prefer events newer than those.

    Example: eddyline backtest payments --from 2026-01-19 --to 2026-01-22
    """
    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.jobs.backtest_report import write_report

    window = moment_ms(start, option="--from"), moment_ms(end, option="--to")
    context = load(config)
    spec = stream_named(context.specs, stream)
    console = Console()
    with console.status("scoring the archive"):
        done, trained_to_ms = _run(context, spec, model, window)
    folder = output or Path("backtests") / f"{stream}-{done.model_id}"
    document, picture = write_report(done, folder)
    _print(console, done)
    if trained_to_ms is not None and done.start_ms <= trained_to_ms:
        console.print(_flattery(done, trained_to_ms), soft_wrap=True)
    console.print(f"written: {document} and {picture}", soft_wrap=True)


def _flattery(done: "Backtested", trained_to_ms: int) -> str:
    learned = f"note: the model learned from events up to {second_text(trained_to_ms)}"
    if done.end_ms <= trained_to_ms:
        return f"{learned}: all of these, which flatters it. Archive newer events, then look again"
    after = second_text(trained_to_ms + 1000).replace(" ", "T")
    return f"{learned}; what is older flatters it. `--from {after}` leaves it out"


def _run(
    context: "Context", spec: "StreamSpec", model: str | None, window: tuple[int | None, int | None]
) -> "tuple[Backtested, int | None]":
    from pipeline.jobs.backtest import Backtest

    catalogue = context.catalogue()
    chosen = catalogue.model(model).model_id if model else catalogue.champion(spec.stream)
    if chosen is None:
        raise ConfigError(f"stream {spec.stream!r} has no model in service: run `eddyline train {spec.stream}` first")
    bundle, lake = context.model_store().load(chosen), context.lake()
    files = lake.files(spec.stream)
    if not files:
        raise ConfigError(f"nothing of stream {spec.stream!r} is archived: run `eddyline archive {spec.stream}` first")
    start_ms, end_ms = window
    running = Backtest(
        spec,
        bundle,
        topic_id=files[-1].topic_id,
        masker=context.masker(spec),
        start_ms=start_ms,
        end_ms=end_ms,
    )
    for rows in lake.iterate_in_order(spec.stream, start_ms=start_ms, end_ms=end_ms, history=spec.is_enriched):
        running.take(rows.batch, incarnation=rows.topic_id)
    return running.finish(), bundle.facts.get("end_ms")


def _print(console: "Console", done: "Backtested") -> None:
    from rich.table import Table

    from pipeline.jobs.promise import outcome_text

    worst = sorted(done.alerts, key=lambda alert: alert.score_nats, reverse=True)[:MOST_SHOWN]
    shown = "" if len(worst) == len(done.alerts) else f", the {MOST_SHOWN} highest of {len(done.alerts):,}"
    table = Table(title=f"what would have alerted{shown}", title_justify="left")
    keyed = any(alert.key is not None for alert in worst)
    for column in ("time (UTC)", *(["key"] if keyed else []), "severity", "score", "events", "top reason"):
        table.add_column(column, justify="right" if column in ("score", "events") else "left")
    for alert in sorted(worst, key=lambda alert: alert.started_ms):
        key, score = [alert.key or ""] if keyed else [], f"{alert.score_nats:.1f}"
        time = minute_text(alert.started_ms)
        table.add_row(time, *key, alert.severity.value, score, f"{alert.events:,}", _reason(alert))
    if worst:
        console.print(table)
    console.print(
        f"{done.rows:,} events from {between_text(done.start_ms, done.end_ms)}: {done.flagged:,} flagged, "
        f"{done.opened:,} alerts",
        soft_wrap=True,
    )
    if done.promise is not None:
        console.print(outcome_text(done.promise), soft_wrap=True)
    if done.labels is not None:
        _print_labels(console, done.labels)


def _print_labels(console: "Console", labels: "LabelFigures") -> None:
    console.print(
        f"against the labels: {labels.true_alerts:,} of {labels.alerts:,} alerts hold a labelled event "
        f"(precision {_share(labels.alert_precision)}); {labels.flagged_labelled_rows:,} of {labels.labelled_rows:,} "
        f"labelled events flagged (recall {_share(labels.row_recall)}); average precision "
        f"{_share(labels.average_precision)}, AUROC {_share(labels.auroc)}",
        soft_wrap=True,
    )


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _reason(alert: "Alert") -> str:
    if not alert.reasons:
        return alert.message
    reason = alert.reasons[0]
    note = f" ({reason.note})" if reason.note else ""
    return f"{reason.column}: {_value(reason.actual)} where {_value(reason.expected)} was expected{note}"


def _value(value: float | str | bool | None) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else ("nothing" if value is None else str(value))
