"""`eddyline quality list|show`: verdicts and reports in the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.commands.moments import second_text
from pipeline.commands.synth_datasets import AsJson, Config, plain, print_json
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from pipeline.catalogue.service_entries import QualityEntry
    from pipeline.commands.context import Context
    from pipeline.expectations.report.heads import ReportHead
    from pipeline.expectations.report.store import ReportFolder

Which = Annotated[
    str | None,
    typer.Argument(metavar="RESULT|STREAM", help="A result's id or its beginning, or a stream (its newest)."),
]
_COLOURS = {"passed": "green", "failed": "bold red", "error": "bold red"}
_MOST_EXAMPLES = 5


def list_results(
    stream: Annotated[str | None, typer.Argument(help="One stream; all by default.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many at most, the newest.")] = 30,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List verdicts, newest first; those whose page was removed by the policy too.

    Example: eddyline quality list payments
    """
    from rich.console import Console

    from pipeline.commands.context import load

    context, console = load(config), Console(soft_wrap=True)
    found = context.catalogue().quality_results(stream, limit=limit)
    if as_json:
        print_json([plain(entry) for entry in found])
        return
    if not found:
        whose = f" of {stream}" if stream else ""
        console.print(f"no results{whose} yet: `eddyline quality run {stream or 'STREAM'}` makes one")
        return
    folder = report_folder(context)
    table = _table("result", "made", "verdict", "failed", "about", "page")
    for entry in found:
        table.add_row(*_row(entry, folder))
    console.print(table)
    console.print(f"all pages: {folder.index}", markup=False)


def _row(entry: "QualityEntry", folder: "ReportFolder") -> tuple[str, ...]:
    from pipeline.expectations.report.words import span_text

    colour = _COLOURS[entry.verdict]
    window = span_text({"start_ms": entry.start_ms, "end_ms": entry.end_ms})
    return (
        entry.result_id[:12],
        second_text(entry.created_ms)[:16],
        f"[{colour}]{entry.verdict}[/]",
        f"{entry.failed} of {entry.evaluated}" if entry.evaluated else "-",
        f"{entry.stream}, {entry.subject} {entry.subject_id[:12] or window}",
        "yes" if entry.page and folder.page_of(entry.stream, entry.result_id).exists() else "-",
    )


def show(which: Which = None, as_json: AsJson = False, config: Config = None) -> None:
    """Show a report in the terminal: the verdict, what failed with counts and examples, drift.

    Example: eddyline quality show payments
    """
    from rich.console import Console

    from pipeline.commands.context import load

    context, console = load(config), Console(soft_wrap=True)
    folder = report_folder(context)
    head = found_report(folder, which)
    if as_json:
        print_json(folder.document(head))
        return
    said_report(console, folder, head, examples=True)


def report_folder(context: "Context") -> "ReportFolder":
    """Where the pages of this service lie."""
    from pipeline.expectations.report.store import ReportFolder

    return ReportFolder(Path(context.settings.scheduler.reports))


def found_report(folder: "ReportFolder", which: str | None) -> "ReportHead":
    """The newest report of a stream, the one whose id begins so, or the newest of all. Raises ConfigError."""
    if which is not None:
        return folder.found(which)
    newest = folder.reports()[:1]
    if not newest:
        raise ConfigError("there are no reports yet: `eddyline quality run STREAM` makes one")
    return newest[0]


def said_report(console: "Console", folder: "ReportFolder", head: "ReportHead", *, examples: bool = False) -> None:
    """The verdict, why, what failed, and where the page lies."""
    from pipeline.expectations.report.page import verdict_words
    from pipeline.expectations.report.words import SUBJECTS, span_text, visible

    document = folder.document(head)
    window = span_text(document["window"])
    console.print(f"{head.stream}: {SUBJECTS[head.subject]} {head.subject_id}".rstrip() + f", {window}", markup=False)
    console.print(visible(verdict_words(document)), style=_COLOURS[head.verdict], markup=False)
    for reason in document["reasons"]:
        console.print(f"  {visible(reason)}", markup=False)
    failed = [check for check in document["expectations"] if check["verdict"] != "passed"]
    if failed:
        console.print(_failed(failed, frozenset(document["personal"]), examples=examples))
    if document["drift"] is not None:
        console.print(f"drift: {visible(document['drift']['reason'])}", markup=False)
    for note in document["notes"]:
        console.print(f"note: {visible(note)}", style="dim", markup=False)
    console.print(f"page: {folder.path(head)}", markup=False)
    told = f"`eddyline quality open {head.result_id[:12]}` opens it"
    if head.verdict != "passed":
        told += f"; `eddyline quality edit {head.stream}` changes what is expected"
    console.print(f"next: {told}", markup=False)


def _failed(checks: list[dict[str, Any]], personal: frozenset[str], *, examples: bool) -> "Table":
    from rich.text import Text

    from pipeline.expectations.report.checks import terminal_row
    from pipeline.expectations.report.words import value_text, visible

    columns = ("", "expectation", "expected", "observed", "rows", *(("examples",) if examples else ()))
    table = _table(*columns, right=("rows",))
    for check in checks:
        mark = "warning" if check["severity"] == "warning" else check["verdict"]
        shown = [] if check["column"] in personal else check["examples"][:_MOST_EXAMPLES]
        cells = [mark, *terminal_row(check)] + [", ".join(map(value_text, shown))] * examples
        table.add_row(*(Text(visible(cell)) for cell in cells))
    return table


def _table(*columns: str, right: tuple[str, ...] = ()) -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(
            column,
            overflow="fold",
            no_wrap=column in ("result", "made", "verdict", "failed"),
            justify="right" if column in right else "left",
        )
    return table
