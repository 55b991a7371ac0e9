"""`eddyline synth list|show|requests`: synthetic datasets, where they come from, and what was asked."""

import json
from typing import TYPE_CHECKING, Any

from pipeline.commands.listing import MOST_SHOWN, Limit, more_text
from pipeline.commands.moments import between_text, second_text
from pipeline.commands.synth_datasets import AsJson, Config, Dataset, Stream, found_dataset, plain, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from pipeline.catalogue import Catalogue
    from pipeline.catalogue.listed import Listed, ListedDataset, ListedGenerator
    from pipeline.commands.context import Context

SHORT = 12
"""Characters of a generator's id beside a dataset; an id may be given by its beginning everywhere."""
NO_DATASETS = "no datasets yet: `eddyline synth generate` makes one"


def list_datasets(
    stream: Stream = None, limit: Limit = MOST_SHOWN, as_json: AsJson = False, config: Config = None
) -> None:
    """List the newest synthetic datasets with their verdicts, and the newest generators.

    Example: eddyline synth list payments
    """
    from rich.console import Console

    from pipeline.commands.context import load

    context, console = load(config), Console(soft_wrap=True)
    catalogue = context.catalogue()
    datasets, generators = catalogue.listed_datasets(stream, limit), catalogue.listed_generators(stream, limit)
    if as_json:
        whole: dict[str, Sequence[Any]] = {
            "datasets": catalogue.datasets(stream, limit),
            "generators": catalogue.generators(stream, limit),
        }
        print_json({name: [plain(entry) for entry in found] for name, found in whole.items()})
        _say_more(Console(stderr=True), datasets, generators)
        return
    if not generators.shown:
        whose = f" of {stream}" if stream else ""
        console.print(f"no generators{whose} yet: `eddyline synth train {stream or 'STREAM'}` makes one")
        return
    console.print(_datasets_table(datasets.shown) if datasets.shown else NO_DATASETS)
    for name in _unknown(context, catalogue, stream):
        console.print(f"{name} lies in the lake and is not in the catalogue: the same request again enters it")
    console.print(_generators_table(generators.shown, catalogue.withdrawn_ids("generator")))
    _say_more(console, datasets, generators)


def _datasets_table(datasets: "Sequence[ListedDataset]") -> "Table":
    table = _table("dataset", "of", "made", "rows", "generator", "status", "why")
    for entry in datasets:
        moment, rows = second_text(entry.created_ms), f"{entry.rows:,}"
        table.add_row(
            entry.dataset_id, entry.stream, moment, rows, entry.generator_id[:SHORT], entry.status, entry.reason
        )
    return table


def _generators_table(generators: "Sequence[ListedGenerator]", withdrawn: set[str]) -> "Table":
    table = _table("generator", "of", "trained", "model", "learned from", "status")
    for entry in generators:
        moment, rows = second_text(entry.created_ms), f"{entry.rows:,} rows"
        status = "withdrawn" if entry.generator_id in withdrawn else ""
        table.add_row(entry.generator_id, entry.stream, moment, entry.model, rows, status)
    return table


def _say_more(console: "Console", datasets: "Listed[Any]", generators: "Listed[Any]") -> None:
    for name, listed in (("datasets", datasets), ("generators", generators)):
        if listed.more:
            console.print(more_text(len(listed.shown), listed.more, name))


def _unknown(context: "Context", catalogue: "Catalogue", stream: str | None) -> list[str]:
    """Published datasets that the catalogue lacks: it was restored, or a process died in the last moment."""
    lake = context.lake()
    streams = catalogue.generator_streams() if stream is None else {stream}
    found = [(one, name) for one in sorted(streams) for name in lake.synthetic_datasets(one)]
    known = catalogue.dataset_ids(stream) if found else set()
    return [f"{one}/{name}" for one, name in found if name not in known]


def requests(stream: Stream = None, limit: Limit = MOST_SHOWN, as_json: AsJson = False, config: Config = None) -> None:
    """List what was asked of generators, newest first: conditions, the request before, and what came of it.

    Example: eddyline synth requests payments
    """
    from rich.console import Console

    from pipeline.commands.context import load

    context, console = load(config), Console(soft_wrap=True)
    found = context.catalogue().listed_requests(stream, limit)
    more = more_text(len(found.shown), found.more, "requests")
    if as_json:
        print_json([plain(entry) for entry in found.shown])
        Console(stderr=True).print(more, end="\n" if more else "")
        return
    if not found.shown:
        console.print("nothing was asked for yet: `eddyline synth generate STREAM --rows 1e5` asks")
        return
    table = _table("request", "after", "of", "asked", "for", "dataset", "status", "why")
    for entry in found.shown:
        asked = second_text(entry.asked_ms)
        after, wanted = entry.parent_id or "-", asked_text(entry.asked)
        table.add_row(
            entry.request_id, after, entry.stream, asked, wanted, entry.dataset_id, entry.status, entry.reason
        )
    console.print(table)
    console.print(more, end="\n" if more else "")


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
    entry, places = found_dataset(context, dataset)
    manifest = read_manifest(places)
    if as_json:
        print_json({"dataset": plain(entry), "manifest": manifest})
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


def _table(*columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("dataset", "generator", "request", "after"))
    return table


def _grid() -> "Table":
    from rich.table import Table

    return Table(box=None, show_header=False)
