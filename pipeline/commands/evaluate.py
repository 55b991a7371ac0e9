"""`eddyline evaluate`: how good detectors are, by labels or by injected anomalies."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.evaluation_tables import print_evaluation
from pipeline.commands.moments import moment_ms
from pipeline.commands.streams import stream_named
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.commands.context import Context
    from pipeline.config import StreamSpec
    from pipeline.jobs.evaluate import Evaluated, Report
    from pipeline.jobs.evaluation_rows import EvaluationRows
    from pipeline.jobs.evaluation_stage import EvaluateOptions
    from pipeline.model_store import Bundle

BASELINE = "forest"
"""What the usual detector is held against on a file without a stream."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    target: Annotated[str, typer.Argument(help="A stream, or a .parquet or .csv file of events.")],
    start: Annotated[str | None, typer.Option("--from", help="Events at or after this moment.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Events before this moment.")] = None,
    detector: Annotated[
        list[str] | None, typer.Option(help="Fit this detector on the older events; several may be named, and `auto`.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model id; the champion where no detector is named.")] = None,
    inject: Annotated[bool, typer.Option("--inject", help="Put known anomalies into the events scored.")] = False,
    held_out: Annotated[float, typer.Option(min=0.05, max=0.95, help="Share of the events scored, the newest.")] = 0.3,
    rows: Annotated[int, typer.Option(min=200, help="Newest events looked at, at most.")] = 100_000,
    stream: Annotated[str | None, typer.Option(help="The stream whose spec a file follows; guessed without.")] = None,
    label: Annotated[str | None, typer.Option(help="A guessed file's field that holds the truth.")] = None,
    key: Annotated[str | None, typer.Option(help="A guessed file's field that names the entity.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of fits, injected anomalies and intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    output: Annotated[Path | None, typer.Option(help="Folder for evaluation.json and evaluation.png.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Say how well the champion, or named detectors, find what labels name, or anomalies that are put in.

    Without --inject the stream needs a label column; it is read for these figures only. Named detectors learn from the
    older events and score the newer ones.

    Example: eddyline evaluate payments --inject --detector vae --detector forest
    """
    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.jobs.evaluation_report import to_document, write_report
    from pipeline.jobs.evaluation_stage import EvaluateOptions

    window = moment_ms(start, option="--from"), moment_ms(end, option="--to")
    context, file = load(config), Path(target)
    is_file = target not in context.specs and (file.exists() or file.suffix.lower() in (".parquet", ".csv"))
    if is_file and window != (None, None):
        raise ConfigError("--from and --to choose from a stream's archive: a file is taken whole, or --rows of it")
    spec, found = _rows(context, target, is_file, window, rows, stream=stream, label=label, key=key)
    bundle = _bundle(context, spec, model, named=bool(detector), guessed=is_file and stream is None)
    names = tuple(detector or (() if bundle is not None else (spec.detector_name, BASELINE)))
    options = EvaluateOptions(detectors=names, inject=inject, held_out_share=held_out, seed=seed)
    done = _run(spec, found, file.name if is_file else target, options, bundle)
    document, picture = write_report(done, output or Path("evaluations") / (file.stem if is_file else target))
    if as_json:
        typer.echo(json.dumps(to_document(done), indent=2))
        return
    console = Console()
    print_evaluation(console, done)
    trained_to_ms = None if bundle is None else bundle.facts.get("end_ms")
    if trained_to_ms is not None and done.has_clock and done.start_ms <= trained_to_ms:
        console.print("note: the model learned from some of these events, which flatters it", soft_wrap=True)
    console.print(f"written: {document} and {picture}", soft_wrap=True)


def _rows(
    context: "Context",
    target: str,
    is_file: bool,
    window: tuple[int | None, int | None],
    most: int,
    *,
    stream: str | None,
    label: str | None,
    key: str | None,
) -> "tuple[StreamSpec, EvaluationRows]":
    from pipeline.jobs.evaluation_rows import rows_of_file, rows_of_stream, spec_of_file
    from pipeline.repartition.plan import in_one_partition

    if not is_file:
        spec = stream_named(context.specs, target)
        return spec, rows_of_stream(spec, context.lake(), start_ms=window[0], end_ms=window[1], most=most)
    path = Path(target)
    spec = in_one_partition(context.stated_spec(stream)) if stream else spec_of_file(path, key=key, label=label)
    return spec, rows_of_file(spec, path, most=most)


def _bundle(
    context: "Context", spec: "StreamSpec", model: str | None, *, named: bool, guessed: bool
) -> "Bundle | None":
    """The model asked for; the champion where no detector is named either."""
    if model is None and (named or guessed):
        return None
    if spec is not context.specs.get(spec.stream) and spec.stream in context.stated:
        raise ConfigError(
            f"the models of stream {spec.stream!r} know its repartitioned context, which a file has not: evaluate its "
            f"archive (`eddyline evaluate {spec.stream}`), or name a --detector to fit on the file"
        )
    catalogue = context.catalogue()
    chosen = catalogue.model(model).model_id if model else catalogue.champion(spec.stream)
    if chosen is None:
        raise ConfigError(
            f"stream {spec.stream!r} has no model in service: run `eddyline train {spec.stream}` first, or name a "
            "--detector to fit"
        )
    return context.model_store().load(chosen)


def _run(
    spec: "StreamSpec", rows: "EvaluationRows", source: str, options: "EvaluateOptions", bundle: "Bundle | None"
) -> "Evaluated":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from pipeline.jobs.evaluate import evaluate as run

    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("evaluating", total=1.0)
        report: Report = lambda fraction, text: progress.update(task, completed=fraction, description=text)  # noqa: E731
        return run(spec, rows, source=source, options=options, bundle=bundle, report=report)
