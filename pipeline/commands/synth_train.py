"""`eddyline synth train`: learn to make rows like a stream's or a file's."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.init import stream_name
from pipeline.commands.moments import between_text, moment_ms
from pipeline.commands.streams import stream_named
from pipeline.errors import ConfigError
from pipeline.synthesis.quantities import row_count, span_seconds, span_text

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.commands.context import Context
    from pipeline.config import StreamSpec
    from pipeline.jobs.synth_train import SynthTrained, SynthTrainOptions
    from pipeline.synthesis.columns import Roles
    from pipeline.synthesis.source import SourceRows

FILE_SUFFIXES = (".parquet", ".csv")


def train(
    target: Annotated[str, typer.Argument(metavar="STREAM|FILE", help="A stream, or a .parquet or .csv file.")],
    model: Annotated[str, typer.Option(help="autoregressive, vae or gan.")] = "autoregressive",
    label: Annotated[str | None, typer.Option(help="Column with classes to keep; a stream's own by default.")] = None,
    budget: Annotated[str, typer.Option(help="The most time to train for: 90s, 5m, 1h.")] = "5m",
    seed: Annotated[int, typer.Option(help="Seed of the training, the sample and what is held out.")] = 0,
    start: Annotated[str | None, typer.Option("--from", help="Learn from events at or after this moment.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Learn from events before this moment.")] = None,
    max_rows: Annotated[str, typer.Option(help="The most rows to learn from, drawn evenly.")] = "200k",
    stream: Annotated[str | None, typer.Option(help="The stream whose spec a file follows; guessed without.")] = None,
    name: Annotated[str | None, typer.Option(help="What a file's data is called; the file's name by default.")] = None,
    key: Annotated[str | None, typer.Option(help="A guessed file's column that names the entity.")] = None,
    time: Annotated[str | None, typer.Option(help="A guessed file's column that says when.")] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda where there is one.")] = "cpu",
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Learn to make rows like those of a stream's archive, or of a file, and keep the generator with its lineage.

    A fifth of the rows is held back and never learned from. A run that was killed goes on where it was: run the same
    again. With a key and a time, whole histories are learned.

    Example: eddyline synth train payments --label is_fraud --budget 5m
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.jobs.synth_train import SynthTrainOptions
    from pipeline.jobs.synth_train import synth_train as run
    from pipeline.lineage.withdrawn import withdrawn_times
    from pipeline.synthesis.generator_store import GeneratorStore
    from pipeline.synthesis.models import check_device, check_model
    from pipeline.synthesis.source import SourceRequest, read_source

    context, console = load(config), Console(stderr=True)
    check_model(model)
    check_device(device)
    options = SynthTrainOptions(model=model, seed=seed, budget_seconds=span_seconds(budget), device=device)
    spec, catalogue = _spec(context, target, stream), context.catalogue()
    withdrawn = withdrawn_times(catalogue, target) if target in context.specs else []
    request = SourceRequest(
        name=_name(context, target, name),
        file=None if target in context.specs else str(Path(target).absolute()),
        start_ms=moment_ms(start, option="--from"),
        end_ms=moment_ms(end, option="--to"),
        most_rows=row_count(max_rows, option="--max-rows"),
        seed=seed,
        roles=_roles(spec, label, key, time),
        without=tuple(withdrawn),
    )
    if request.file is not None and (request.start_ms, request.end_ms) != (None, None):
        raise ConfigError("--from and --to choose from a stream's archive: a file is taken whole, or --max-rows of it")
    rows = read_source(request, lake=context.lake(), spec=spec)
    _say_source(console, rows, options)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=1.0)
        trained = run(
            rows,
            stream=request.name,
            options=options,
            store=GeneratorStore(context.settings.models),
            catalogue=catalogue,
            clock=SystemClock(),
            report=lambda fraction, text: progress.update(task, completed=fraction, description=text),
        )
    _say_trained(console, trained)


def _spec(context: "Context", target: str, stream: str | None) -> "StreamSpec | None":
    """The spec that the rows follow: the stream's own, or the one that a file is said to follow."""
    if target in context.specs:
        if stream is not None:
            raise ConfigError(f"{target} is a stream with a spec of its own: --stream is for files")
        return context.specs[target]
    path = Path(target)
    if not path.exists() and path.suffix.lower() not in FILE_SUFFIXES:
        return stream_named(context.specs, target)
    return context.stated_spec(stream) if stream is not None else None


def _name(context: "Context", target: str, name: str | None) -> str:
    if target in context.specs:
        if name is not None:
            raise ConfigError(f"{target} is a stream, and its data is called that: --name is for files")
        return target
    found = stream_name(name or Path(target).stem)
    if found in context.specs:
        raise ConfigError(f"{found} is a stream: give what is learned from the file another --name")
    return found


def _roles(spec: "StreamSpec | None", label: str | None, key: str | None, time: str | None) -> "Roles":
    from pipeline.synthesis.columns import Roles
    from pipeline.synthesis.stream_source import stream_roles

    if spec is None:
        return Roles(label=label, key=key, time=time)
    if key is not None or time is not None:
        raise ConfigError(f"the spec of {spec.stream} says its key and its time: leave --key and --time out")
    return stream_roles(spec, label)


def _say_source(console: "Console", rows: "SourceRows", options: "SynthTrainOptions") -> None:
    document, window = rows.document, rows.document["window"]
    drawn = f", drawn from {document['rows_offered']:,}" if document["rows_offered"] > document["rows"] else ""
    when = f" of {between_text(window['start_ms'], window['end_ms'])}" if window else ""
    label = f"label {rows.label}" if rows.label else "no label"
    console.print(
        f"{document['rows']:,} rows{drawn}{when}, {rows.table.num_columns} columns, {label}; trains for "
        f"{span_text(options.budget_seconds)} at most, and less where it stops getting better",
        soft_wrap=True,
    )


def _say_trained(console: "Console", trained: "SynthTrained") -> None:
    from rich.table import Table

    bundle, report = trained.bundle, trained.report
    grid = Table.grid(padding=(0, 2))
    went_on = ", gone on from where it was" if report.resumed else ""
    grid.add_row(
        "learned from", f"{trained.train_rows:,} rows; {trained.held_out_rows:,} held back, never learned from"
    )
    grid.add_row("fit", f"{report.seconds:.1f} s, {report.epochs:.1f} epochs, {report.stopped_because}{went_on}")
    for name, value in report.figures.items():
        grid.add_row(name.replace("_", " "), f"{value:,.3f}")
    if trained.quality is not None:
        found = trained.quality
        pairs = f"pairs {found.trend:.3f}, " if found.trend is not None else ""
        grid.add_row(
            "against rows held back",
            f"columns {found.shape:.3f}, {pairs}a classifier cannot tell them apart {found.c2st:.2f} "
            f"(1 is as good as real; {found.rows:,} rows)",
        )
    for note in report.notes:
        grid.add_row("found", note)
    console.print(grid)
    console.print(
        f"next: generator {bundle.generator_id} is kept; `eddyline synth generate {bundle.stream} --rows 1e5` makes "
        "rows with it",
        soft_wrap=True,
    )
