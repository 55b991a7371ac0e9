"""`eddyline duplicates`: rows that are there twice, in the archive or in a synthetic dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.moments import between_text, moment_ms, second_text
from pipeline.commands.streams import stream_named
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.duplicates.report import DuplicateReport, Found

MOST_HOURS = 12


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("duplicates")(duplicates)


def duplicates(
    stream: Annotated[str, typer.Argument(help="The stream, or what a file's data is called with --dataset.")],
    start: Annotated[str | None, typer.Option("--from", help="Look at events at or after this moment.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Look at events before this moment.")] = None,
    dataset: Annotated[str | None, typer.Option(help="A synthetic dataset's id instead, or its beginning.")] = None,
    near: Annotated[bool, typer.Option("--near/--exact", help="Look for near duplicates too.")] = True,
    differing: Annotated[int, typer.Option(min=1, max=2, help="Columns in which near ones may differ.")] = 1,
    tolerance: Annotated[
        float, typer.Option(help="Numbers are equal within this share of their column's spread.")
    ] = 0.001,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Find events delivered again, rows of the same content and rows that hardly differ, and when they came.

    Example: eddyline duplicates payments --from 2026-01-19 --to 2026-01-20
    """
    import json

    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.duplicates.find import FindOptions, find_in_archive, find_in_dataset
    from pipeline.duplicates.near import NearOptions

    window = moment_ms(start, option="--from"), moment_ms(end, option="--to")
    try:
        looked_for = NearOptions(most_differing=differing, tolerance=tolerance) if near else None
    except ValueError as error:
        raise ConfigError(f"{error}: mend --tolerance") from None
    context = load(config)
    options = FindOptions(near=looked_for)
    if dataset is not None:
        if window != (None, None):
            raise ConfigError("--from and --to choose from a stream's archive: a dataset is looked at whole")
        entry = context.catalogue().dataset(dataset)
        if entry.stream != stream:
            raise ConfigError(f"dataset {entry.dataset_id} is of {entry.stream}, not of {stream}")
        report = find_in_dataset(context.lake(), stream, entry.dataset_id, options=options)
    else:
        spec = stream_named(context.specs, stream)
        report = find_in_archive(spec, context.lake(), start_ms=window[0], end_ms=window[1], options=options)
    if as_json:
        typer.echo(json.dumps(report.document(), indent=2))
    else:
        _show(Console(soft_wrap=True), report)


def _show(console: "Console", report: "DuplicateReport") -> None:
    from rich.table import Table

    when = f", {between_text(report.start_ms, report.end_ms)}" if report.start_ms is not None and report.end_ms else ""
    console.print(f"{report.rows:,} rows of {report.subject} {report.subject_id}{when}")
    table = Table(box=None, header_style="bold")
    for name in ("there before", "rows", "share", "groups", "largest"):
        table.add_column(name, justify="left" if name == "there before" else "right")
    if report.by_id is not None:
        _row(table, "same id", report.by_id)
    _row(table, "same content" if report.by_id is None else "same content, other id", report.by_content)
    if report.near is not None:
        near = report.near
        name = f"near ({near.most_differing} column{'s' if near.most_differing > 1 else ''} differing)"
        table.add_row(name, f"{near.rows:,}", f"{near.share:.3%}", f"{near.groups:,}", f"{near.largest:,}")
        table.add_row("  of independent columns", f"{near.chance_rows:,}", "", "", "")
    console.print(table)
    if report.near is not None and report.near.differing:
        parts = sorted(report.near.differing.items(), key=lambda part: -part[1])
        console.print("near ones differ in " + ", ".join(f"{name} ({count:,})" for name, count in parts[:8]))
    _hours(console, report)
    for example in report.examples:
        differs = f", differs in {example.differs}" if example.differs else ""
        console.print(
            f"  {example.how}: {_place(example.row)} repeats {_place(example.earlier)}{differs}", markup=False
        )
    for note in report.notes:
        console.print(f"note: {note}", markup=False)
    if report.subject == "archive":
        console.print(f"training leaves {report.left_out_rows:,} of them out (`retraining.duplicates` of the spec)")
    else:
        console.print(f"copies of real rows are another matter: `eddyline synth show {report.subject_id}`")


def _row(table: object, name: str, found: "Found") -> None:
    cells = (name, f"{found.rows:,}", f"{found.share:.3%}", f"{found.groups:,}", f"{found.largest:,}")
    table.add_row(*cells)  # type: ignore[attr-defined]


def _hours(console: "Console", report: "DuplicateReport") -> None:
    """The hours with the most of them."""
    most = sorted(report.hours, key=lambda hour: -(hour.exact + hour.near))[:MOST_HOURS]
    for hour in sorted(most, key=lambda one: one.start_ms):
        console.print(
            f"  hour of {second_text(hour.start_ms)}: {hour.exact:,} exact and {hour.near:,} near of {hour.rows:,} rows"
        )


def _place(place: dict[str, int]) -> str:
    if "partition" not in place:
        return f"row {place['row']:,}"
    row = f" row {place['row']}" if place["row"] else ""
    return f"partition {place['partition']} offset {place['offset']:,}{row} ({second_text(place['time_ms'])})"
