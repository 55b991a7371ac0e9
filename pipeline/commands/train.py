"""`eddyline train`: learn a stream from its archive."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.moments import between_text, moment_ms
from pipeline.commands.streams import stream_named

if TYPE_CHECKING:
    from rich.console import Console

    from detectors.auto import CandidateFigures
    from pipeline.config import StreamSpec
    from pipeline.jobs.train import Trained

LEAST_SPAN_MS = 3_600_000
"""An archive shorter than this does not tell how many events a day brings."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)


def train(
    stream: Annotated[str, typer.Argument(help="The stream to learn.")],
    start: Annotated[str | None, typer.Option("--from", help="Learn from events at or after this moment.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Learn from events before this moment.")] = None,
    detector: Annotated[
        str | None, typer.Option(help="Detector to use, `auto` to have it chosen; the stream's own by default.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; the stream's own by default.")] = None,
    promote: Annotated[bool, typer.Option("--promote/--no-promote", help="Put the model into service.")] = True,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Fit a detector on the stream's archive, calibrate its threshold on the newest quarter, put it into service.

    Example: eddyline train payments --from 2026-01-05 --detector vae
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.jobs.train import TrainOptions
    from pipeline.jobs.train import train as run

    window = moment_ms(start, option="--from"), moment_ms(end, option="--to")
    context = load(config)
    spec = stream_named(context.specs, stream)
    options = TrainOptions(start_ms=window[0], end_ms=window[1], detector=detector, seed=seed, promote=promote)
    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("training", total=1.0)
        trained = run(
            spec,
            lake=context.lake(),
            store=context.model_store(),
            catalogue=context.catalogue(),
            clock=SystemClock(),
            options=options,
            report=lambda fraction, text: progress.update(task, completed=fraction, description=text),
        )
    _print_figures(console, spec, trained)


def _print_figures(console: "Console", spec: "StreamSpec", trained: "Trained") -> None:
    from rich.table import Table

    from pipeline.jobs.promise import promised_text

    threshold, report = trained.bundle.threshold, trained.report
    grid = Table.grid(padding=(0, 2))
    start_ms, end_ms = trained.start_ms, trained.end_ms
    sample = f", drawn evenly from {trained.fit_part_rows:,}" if trained.fit_part_rows > trained.fit_rows else ""
    grid.add_row(
        "learned from",
        f"{trained.fit_rows:,} events{sample}, calibrated on the newest {threshold.calibration_rows:,}",
    )
    grid.add_row("span", between_text(start_ms, end_ms))
    if trained.choice is not None:
        grid.add_row("detector", f"auto chose {trained.choice.reason}")
        for candidate in trained.choice.candidates:
            grid.add_row("", _candidate_text(candidate))
    grid.add_row("fit", f"{report.seconds:.1f} s, {report.epochs} epochs, {report.stopped_because}")
    grid.add_row("held-out score", f"{trained.held_out_nats:.2f} nats an event on average")
    suspects = f"{threshold.suspected_share:.2%} of the calibration events taken for anomalies and not counted"
    grid.add_row("threshold", f"{threshold.nats:.2f} nats; {suspects}")
    usual = trained.events_per_day if end_ms - start_ms >= LEAST_SPAN_MS else None
    grid.add_row("promise", promised_text(threshold, events_per_day=usual))
    if threshold.extrapolated:
        grid.add_row("", "extrapolated: finer than the calibration rows can show; a longer archive makes it sure")
    if trained.empty_features:
        grid.add_row("empty features", ", ".join(trained.empty_features))
    console.print(grid)
    model = trained.bundle.model_id
    if trained.promoted:
        before = f" (before: {trained.replaced})" if trained.replaced else ""
        console.print(
            f"next: model {model} is in service{before}; `eddyline score {spec.stream}` alerts with it", soft_wrap=True
        )
    else:
        console.print(
            f"next: model {model} is saved; `eddyline models promote {spec.stream} {model}` puts it in service",
            soft_wrap=True,
        )
    console.print(f"`eddyline backtest {spec.stream}` shows what it would have said", soft_wrap=True)


def _candidate_text(candidate: "CandidateFigures") -> str:
    return (
        f"{candidate.name}: mean rank {candidate.mean_rank:.1f}, average precision "
        f"{candidate.mean_average_precision:.3f}, AUROC {candidate.mean_auroc:.3f}, fitted in "
        f"{candidate.fit_seconds:.1f} s, {candidate.rows_per_second:,.0f} rows/s"
    )
