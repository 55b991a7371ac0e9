"""`eddyline train`: learn a stream from its archive."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.challenge import run_challenge, training_progress
from pipeline.commands.moments import between_text, moment_ms
from pipeline.commands.people import person
from pipeline.commands.streams import stream_named
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from detectors.auto import CandidateFigures
    from pipeline.commands.context import Context
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
    challenge: Annotated[
        bool, typer.Option("--challenge", help="Compare it, and put it into service only where it is better.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Fit a detector on the stream's archive, calibrate its threshold on the newest quarter, put it into service.

    With --challenge part of the events is kept for a comparison, as the scheduled retraining does, and the model takes
    over only where it is better. Rows that were withdrawn, are there twice or people called anomalies are left out.

    Example: eddyline train payments --from 2026-01-05 --detector vae
    """
    from rich.console import Console

    from pipeline.commands.context import load

    window = moment_ms(start, option="--from"), moment_ms(end, option="--to")
    context, console = load(config), Console(stderr=True)
    spec = stream_named(context.specs, stream)
    if challenge:
        if not promote:
            raise ConfigError("--challenge decides by itself what takes over: leave --no-promote out")
        run_challenge(console, context, spec, window, detector=detector, seed=seed)
        return
    _train(console, context, spec, window, detector=detector, seed=seed, promote=promote)


def _train(
    console: "Console",
    context: "Context",
    spec: "StreamSpec",
    window: tuple[int | None, int | None],
    *,
    detector: str | None,
    seed: int | None,
    promote: bool,
) -> None:
    from pipeline.clock import SystemClock
    from pipeline.jobs.train import TrainOptions
    from pipeline.jobs.train import train as run
    from pipeline.lifecycle.inputs import Inputs
    from pipeline.lineage.windows import archive_window

    start_ms, end_ms = window
    lake, catalogue = context.lake(), context.catalogue()
    inputs = Inputs.of(spec, catalogue, context.masker(spec))
    leave_out = source = None
    if lake.files(spec.stream):
        leave_out = inputs.left_out(lake, start_ms=start_ms, end_ms=end_ms, champion=None)
        source = archive_window(lake, spec.stream, start_ms=start_ms, end_ms=end_ms, without=inputs.withdrawn)
    with training_progress(console) as report:
        trained = run(
            spec,
            lake=lake,
            store=context.model_store(),
            catalogue=catalogue,
            clock=SystemClock(),
            options=TrainOptions(
                start_ms=start_ms, end_ms=end_ms, detector=detector, seed=seed, promote=promote, by=person()
            ),
            leave_out=leave_out,
            source=source,
            report=report,
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
