"""`eddyline synth list|show|requests|report|verify|withdraw`: synthetic datasets and where they come from."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.commands.moments import between_text, second_text
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.catalogue import DatasetEntry
    from pipeline.commands.context import Context
    from pipeline.lake.synthetic_layout import DatasetPlaces

Config = Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")]
Stream = Annotated[str | None, typer.Argument(help="A stream, or what a file's data is called; all by default.")]
Dataset = Annotated[str, typer.Argument(help="The dataset's id, or the beginning of it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
EXIT_ALTERED = 1


def list_datasets(stream: Stream = None, as_json: AsJson = False, config: Config = None) -> None:
    """List synthetic datasets with their verdicts, and the generators there are, newest first.

    Example: eddyline synth list payments
    """
    from rich.console import Console

    from pipeline.commands.context import load

    context, console = load(config), Console(soft_wrap=True)
    catalogue = context.catalogue()
    datasets, generators = catalogue.datasets(stream), catalogue.generators(stream)
    if as_json:
        _print_json({"datasets": [_plain(d) for d in datasets], "generators": [_plain(g) for g in generators]})
        return
    if not generators:
        whose = f" of {stream}" if stream else ""
        console.print(f"no generators{whose} yet: `eddyline synth train {stream or 'STREAM'}` makes one")
        return
    table = _table("dataset", "of", "made", "rows", "generator", "status", "why")
    for entry in datasets:
        moment, rows = second_text(entry.created_ms), f"{entry.rows:,}"
        table.add_row(entry.dataset_id, entry.stream, moment, rows, entry.generator_id, entry.status, entry.reason)
    console.print(table if datasets else "no datasets yet: `eddyline synth generate` makes one")
    table = _table("generator", "of", "trained", "model", "learned from")
    for generator in generators:
        moment, rows = second_text(generator.created_ms), f"{generator.source['rows']:,} rows"
        table.add_row(generator.generator_id, generator.stream, moment, generator.model, rows)
    console.print(table)


def requests(stream: Stream = None, as_json: AsJson = False, config: Config = None) -> None:
    """List what was asked of generators, newest first: conditions, the request before, and what came of it.

    Example: eddyline synth requests payments
    """
    from rich.console import Console

    from pipeline.commands.context import load

    context, console = load(config), Console(soft_wrap=True)
    found = context.catalogue().requests(stream)
    if as_json:
        _print_json([_plain(entry) for entry in found])
        return
    if not found:
        console.print("nothing was asked for yet: `eddyline synth generate STREAM --rows 1e5` asks")
        return
    table = _table("request", "after", "of", "asked", "for", "dataset", "status", "why")
    for entry in found:
        asked = second_text(entry.asked_ms)
        after, wanted = entry.parent_id or "-", asked_text(entry.asked)
        table.add_row(
            entry.request_id, after, entry.stream, asked, wanted, entry.dataset_id, entry.status, entry.reason
        )
    console.print(table)


def asked_text(asked: dict[str, Any]) -> str:
    """A request in a line: `1,000 rows, seed 7, where country=BR`."""
    parts = [f"{asked['rows']:,} rows", f"seed {asked['seed']}"]
    parts += [f"{name} {asked[name]}" for name in ("where", "balance", "anomalies") if asked.get(name)]
    return ", ".join(parts)


def show(dataset: Dataset, as_json: AsJson = False, config: Config = None) -> None:
    """Show where a dataset comes from and what its gates said: source, generator, requests, figures, files.

    Example: eddyline synth show 3f2a
    """
    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.synthesis.manifest import read_manifest

    context, console = load(config), Console(soft_wrap=True)
    entry, places = _found(context, dataset)
    manifest = read_manifest(places)
    if as_json:
        _print_json({"dataset": _plain(entry), "manifest": manifest})
        return
    generator, source = manifest["generator"], manifest["generator"]["source"]
    table = _grid()
    table.add_row("dataset", f"{entry.dataset_id} of {entry.stream}: {entry.status}")
    if entry.reason:
        table.add_row("why", entry.reason)
    table.add_row("data", str(places.data or "none"))
    table.add_row("rows", f"{manifest['rows']:,} in {len(manifest['files'])} files, {entry.size_bytes:,} bytes")
    table.add_row("made", f"{second_text(manifest['created_ms'])}: {asked_text(manifest['request'])}")
    table.add_row("generator", f"{generator['id']}, {generator['model']}, {second_text(generator['created_ms'])}")
    table.add_row("learned from", _source_text(source))
    table.add_row("licence", manifest["licence"])
    if manifest["anomalies"]:
        table.add_row("anomalies", json.dumps(manifest["anomalies"]["by_kind"]))
    for request in context.catalogue().requests_for(entry.dataset_id):
        after = f", after {request.parent_id}" if request.parent_id else ""
        table.add_row("request", f"{request.request_id}{after}: {second_text(request.asked_ms)}, {request.status}")
    table.add_row("compared", manifest["gates"].get("compared", ""))
    for gate in manifest["gates"].get("verdict", {}).get("gates", []):
        table.add_row("passed" if gate["passed"] else "FAILED", gate["reason"])
    console.print(table)


def _source_text(source: dict[str, Any]) -> str:
    where = source["file"] or f"the archive of {source['name']}"
    window = source["window"]
    when = f", {between_text(window['start_ms'], window['end_ms'])}" if window else ""
    return f"{source['rows']:,} rows of {where} ({len(source['files'])} files{when})"


def verify(dataset: Dataset, as_json: AsJson = False, config: Config = None) -> None:
    """Check every file of a dataset against its manifest, and the manifest against the hash that the catalogue has.

    Exit status 1 where anything was altered, cut short, added or is missing.

    Example: eddyline synth verify 3f2a
    """
    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.synthesis.verify import verify as run

    context, console = load(config), Console(soft_wrap=True)
    entry, places = _found(context, dataset)
    found = run(places, known_sha256=entry.manifest_sha256)
    if as_json:
        _print_json({"dataset": entry.dataset_id, "whole": found.whole, "problems": list(found.problems)})
    elif found.whole:
        console.print(
            f"dataset {entry.dataset_id} is as it was made: {found.rows:,} rows in {found.files} files, "
            f"{found.size_bytes:,} bytes"
        )
    else:
        console.print(f"[bold red]dataset {entry.dataset_id} was changed:[/]")
        for problem in found.problems:
            console.print(f"  {problem}", markup=False)
        console.print(
            f"next: restore it from a backup, or `eddyline synth withdraw {entry.dataset_id} --reason altered`"
        )
    if not found.whole:
        raise typer.Exit(EXIT_ALTERED)


def withdraw(
    dataset: Dataset,
    reason: Annotated[str, typer.Option(help="Why; kept with the dataset.")],
    config: Config = None,
) -> None:
    """Take a published dataset back: readers no longer see it, and the same request does not bring it back.

    Example: eddyline synth withdraw 3f2a --reason "the source was withdrawn"
    """
    from rich.console import Console

    from pipeline.catalogue import DatasetStatus
    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.synthesis.datasets import withdraw as run

    if not reason.strip():
        raise ConfigError("--reason is empty: say why, for whoever looks for the dataset")
    context, console = load(config), Console(soft_wrap=True)
    entry, places = _found(context, dataset)
    run(places, reason=reason, now_ms=SystemClock().now_ms())
    context.catalogue().set_dataset_status(entry.dataset_id, DatasetStatus.WITHDRAWN, reason)
    console.print(f"dataset {entry.dataset_id} of {entry.stream} is withdrawn; its files lie in {places.withdrawn}")
    console.print("next: tell who has copies of it; remove the folder once nobody needs to look at it")


def report(
    dataset: Dataset,
    output: Annotated[
        Path | None, typer.Option(help="Where to write the page; beside the manifest by default.")
    ] = None,
    config: Config = None,
) -> None:
    """Write a dataset's page: pictures and scores beside what real rows and independent columns get. Opens offline.

    Example: eddyline synth report 3f2a
    """
    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.commands.synth_generate import real_halves
    from pipeline.jobs.synth_report import write_report
    from pipeline.synthesis.generator_store import GeneratorStore

    context, console = load(config), Console(soft_wrap=True)
    entry, places = _found(context, dataset)
    bundle = GeneratorStore(context.settings.models).load(entry.generator_id)
    page, data = write_report(places, bundle=bundle, real=real_halves(context, bundle), output=output)
    console.print(f"written: {page} and {data}")


def _found(context: "Context", dataset: str) -> "tuple[DatasetEntry, DatasetPlaces]":
    entry = context.catalogue().dataset(dataset)
    return entry, context.lake().places(entry.stream, entry.dataset_id)


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("dataset", "generator", "request", "after"))
    return table


def _grid() -> "Table":
    from rich.table import Table

    return Table(box=None, show_header=False)


def _plain(entry: Any) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.__dataclass_fields__}


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2))
