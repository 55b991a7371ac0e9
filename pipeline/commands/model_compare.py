"""`eddyline models compare`: models side by side on held-out events with anomalies put into them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.moments import between_text, moment_ms
from pipeline.commands.streams import stream_named
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from detectors.evaluation import Interval
    from pipeline.catalogue.catalogue import Catalogue
    from pipeline.commands.context import Context
    from pipeline.config import StreamSpec
    from pipeline.lifecycle.comparison import Comparison

DEFAULT_MODELS = 2


def compare(
    stream: Annotated[str, typer.Argument(help="The stream.")],
    models: Annotated[
        list[str] | None, typer.Argument(help="Ids, or their beginnings; the champion and the newest other without.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="Events at or after this moment.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Events before this moment.")] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="PCA and isolation forest beside them.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of anomalies, baselines and intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    output: Annotated[Path | None, typer.Option(help="Folder for comparison.json and comparison.png.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Hold models against each other as retraining does: average precision on anomalies put into events that none of
    them has learned from, and the alerts each would have raised on the events as they came.

    Example: eddyline models compare payments 3f2a 91bc --output comparison
    """
    from rich.console import Console

    from pipeline.commands.context import load

    window = moment_ms(start, option="--from"), moment_ms(end, option="--to")
    context = load(config)
    spec = stream_named(context.specs, stream)
    done = _run(context, spec, models or [], window, baselines=baselines, seed=seed)
    written: tuple[Path, ...] = ()
    if output is not None:
        from pipeline.lifecycle.comparison_report import write_comparison

        written = write_comparison(done, output, stream=stream)
    if as_json:
        typer.echo(json.dumps(done.document(), indent=2))
        return
    console = Console()
    print_comparison(console, done)
    if written:
        console.print(f"written: {written[0]} and {written[1]}", soft_wrap=True)


def _run(
    context: "Context",
    spec: "StreamSpec",
    asked: list[str],
    window: tuple[int | None, int | None],
    *,
    baselines: bool,
    seed: int,
) -> "Comparison":
    from rich.console import Console

    from pipeline.lifecycle.compare_models import compare_models
    from pipeline.lifecycle.inputs import Inputs

    catalogue, store = context.catalogue(), context.model_store()
    bundles = [store.load(model) for model in _ids(catalogue, spec.stream, asked)]
    with Console(stderr=True).status("comparing") as status:
        return compare_models(
            spec,
            context.lake(),
            bundles,
            inputs=Inputs.of(spec, catalogue, context.masker(spec)),
            start_ms=window[0],
            end_ms=window[1],
            baselines=baselines,
            seed=seed,
            report=lambda fraction, text: status.update(text),
        )


def _ids(catalogue: "Catalogue", stream: str, asked: list[str]) -> list[str]:
    """The models to compare, each once."""
    found = [catalogue.model(model) for model in asked]
    other = next((model for model in found if model.stream != stream), None)
    if other is not None:
        raise ConfigError(f"model {other.model_id} is of stream {other.stream!r}: name models of {stream!r}")
    if not found:
        known = sorted(catalogue.models(stream), key=lambda model: not model.champion)
        found = known[:DEFAULT_MODELS]
    if not found:
        raise ConfigError(f"stream {stream!r} has no models yet: run `eddyline train {stream}` first")
    return list(dict.fromkeys(model.model_id for model in found))


def print_comparison(console: "Console", done: "Comparison") -> None:
    """The comparison for people; AP is average precision on injected anomalies."""
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in ("", "AP (95 %)", "behind the first", "AUROC", "alerts, allowed"):
        table.add_column(column, no_wrap=True)
    for name, one in done.figures.items():
        gain = done.differences.get(name)
        alerts = "–" if one.alerts is None else f"{one.alerts.alerts:,}, {one.alerts.allowed:,.1f}"
        table.add_row(
            name if name == one.detector else f"{name}\n{one.detector}",
            _interval(one.average_precision),
            "" if gain is None else _interval(gain),
            f"{one.auroc:.3f}",
            alerts,
        )
    console.print(table)
    console.print(
        f"{done.anomalous_rows:,} anomalies among {done.rows:,} events, {between_text(done.start_ms, done.end_ms)}",
        soft_wrap=True,
    )
    for name, one in done.figures.items():
        if one.has_seen_replay:
            console.print(f"note: {name} has learned from some of these events, which flatters it", soft_wrap=True)


def _interval(value: "Interval") -> str:
    if value.low != value.low:  # not known
        return f"{value.value:.3f}"
    return f"{value.value:.3f}\n{value.low:.3f} to {value.high:.3f}"
