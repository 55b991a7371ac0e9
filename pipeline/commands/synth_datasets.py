"""`eddyline synth report|verify|withdraw`: looking after synthetic datasets; and what all commands on them share."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.catalogue import DatasetEntry
    from pipeline.commands.context import Context
    from pipeline.lake.synthetic_layout import DatasetPlaces

Config = Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")]
Stream = Annotated[str | None, typer.Argument(help="A stream, or what a file's data is called; all by default.")]
Dataset = Annotated[str, typer.Argument(help="The dataset's id, or the beginning of it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
EXIT_ALTERED = 1


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
    from pipeline.jobs.synth_report import write_report
    from pipeline.synthesis.generator_store import GeneratorStore
    from pipeline.synthesis.stream_source import real_halves

    context, console = load(config), Console(soft_wrap=True)
    entry, places = found_dataset(context, dataset)
    bundle = GeneratorStore(context.settings.models).load(entry.generator_id)
    page, data = write_report(places, bundle=bundle, real=real_halves(context.lake(), bundle), output=output)
    console.print(f"written: {page} and {data}")


def verify(dataset: Dataset, as_json: AsJson = False, config: Config = None) -> None:
    """Check every file of a dataset against its manifest, and the manifest against the hash that the catalogue has.

    Exit status 1 where anything was altered, cut short, added or is missing.

    Example: eddyline synth verify 3f2a
    """
    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.synthesis.verify import verify as run

    context, console = load(config), Console(soft_wrap=True)
    entry, places = found_dataset(context, dataset)
    found = run(places, known_sha256=entry.manifest_sha256)
    if as_json:
        print_json({"dataset": entry.dataset_id, "whole": found.whole, "problems": list(found.problems)})
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
    from pipeline.lineage.nodes import Node, NodeKind
    from pipeline.lineage.withdrawal import carry_out, of_node
    from pipeline.synthesis.datasets import withdraw as run

    if not reason.strip():
        raise ConfigError("--reason is empty: say why, for whoever looks for the dataset")
    context, console = load(config), Console(soft_wrap=True)
    entry, places = found_dataset(context, dataset)
    catalogue, now_ms = context.catalogue(), SystemClock().now_ms()
    run(places, reason=reason, now_ms=now_ms)
    catalogue.set_dataset_status(entry.dataset_id, DatasetStatus.WITHDRAWN, reason)
    planned = of_node(catalogue, context.lake(), Node(NodeKind.DATASET, entry.dataset_id), entry.stream)
    carry_out(planned, catalogue=catalogue, lake=context.lake(), reason=reason, now_ms=now_ms)
    console.print(f"dataset {entry.dataset_id} of {entry.stream} is withdrawn; its files lie in {places.withdrawn}")
    console.print("next: tell who has copies of it; remove the folder once nobody needs to look at it")


def found_dataset(context: "Context", dataset: str) -> "tuple[DatasetEntry, DatasetPlaces]":
    """A dataset as the catalogue knows it, and where it lies. Raises ConfigError where none or several fit."""
    entry = context.catalogue().dataset(dataset)
    return entry, context.lake().places(entry.stream, entry.dataset_id)


def plain(entry: Any) -> dict[str, Any]:
    """An entry of the catalogue as JSON."""
    return {name: getattr(entry, name) for name in entry.__dataclass_fields__}


def print_json(document: Any) -> None:
    """For programs that read what a command says."""
    typer.echo(json.dumps(document, indent=2))
