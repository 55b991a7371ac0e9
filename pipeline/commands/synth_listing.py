"""`eddyline synth list|show|requests`: synthetic datasets, where they come from, and what was asked."""

import json
from typing import TYPE_CHECKING, Any

from pipeline.commands.moments import between_text, second_text
from pipeline.commands.synth_datasets import AsJson, Config, Dataset, Stream, found_dataset, plain, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.commands.context import Context


def list_datasets(stream: Stream = None, as_json: AsJson = False, config: Config = None) -> None:
    """List synthetic datasets with their verdicts, and the generators there are, newest first.

    Example: eddyline synth list payments
    """
    from rich.console import Console

    from pipeline.commands.context import load

    context, console = load(config), Console(soft_wrap=True)
    catalogue = context.catalogue()
    datasets, generators = catalogue.datasets(stream), catalogue.generators(stream)
    unknown = _unknown(context, {entry.stream for entry in generators}, {entry.dataset_id for entry in datasets})
    if as_json:
        print_json({"datasets": [plain(d) for d in datasets], "generators": [plain(g) for g in generators]})
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
    for name in unknown:
        console.print(f"{name} lies in the lake and is not in the catalogue: the same request again enters it")
    withdrawn = {entry.id for entry in catalogue.withdrawals() if entry.kind == "generator"}
    table = _table("generator", "of", "trained", "model", "learned from", "status")
    for generator in generators:
        moment, rows = second_text(generator.created_ms), f"{generator.source['rows']:,} rows"
        status = "withdrawn" if generator.generator_id in withdrawn else ""
        table.add_row(generator.generator_id, generator.stream, moment, generator.model, rows, status)
    console.print(table)


def _unknown(context: "Context", streams: set[str], known: set[str]) -> list[str]:
    """Published datasets that the catalogue lacks: it was restored, or a process died in the last moment."""
    lake = context.lake()
    found = [(stream, name) for stream in sorted(streams) for name in lake.synthetic_datasets(stream)]
    return [f"{stream}/{name}" for stream, name in found if name not in known]


def requests(stream: Stream = None, as_json: AsJson = False, config: Config = None) -> None:
    """List what was asked of generators, newest first: conditions, the request before, and what came of it.

    Example: eddyline synth requests payments
    """
    from rich.console import Console

    from pipeline.commands.context import load

    context, console = load(config), Console(soft_wrap=True)
    found = context.catalogue().requests(stream)
    if as_json:
        print_json([plain(entry) for entry in found])
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
