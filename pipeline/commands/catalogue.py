"""`eddyline catalogue`: back the catalogue up, restore it, check it."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import EddylineError

Config = Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(no_args_is_help=True, help="Back the catalogue up, restore it, check it.")
    group.command("backup")(backup)
    group.command("restore")(restore)
    group.command("check")(check)
    app.add_typer(group, name="catalogue")


def backup(
    file: Annotated[
        Path | None, typer.Argument(help="Where to; by default a new file in the folder of backups.")
    ] = None,
    config: Config = None,
) -> None:
    """Write the whole catalogue, as it stands now, into one file. Nothing has to be stopped.

    Example: eddyline catalogue backup before-upgrade.jsonl.gz
    """
    from rich.console import Console

    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.jobs.backup import file_name

    context, now_ms = load(config), SystemClock().now_ms()
    path = file or Path(context.settings.scheduler.backups) / file_name(now_ms)
    facts = context.catalogue().backup(path, now_ms=now_ms)
    size = path.stat().st_size
    Console(soft_wrap=True).print(
        f"{sum(facts.rows.values()):,} rows of {len(facts.rows)} tables, revision {facts.revision}, in {path} "
        f"({size:,} bytes)"
    )


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `eddyline catalogue backup` wrote.")],
    is_replacing: Annotated[bool, typer.Option("--yes", help="Replace what the catalogue holds now.")] = False,
    config: Config = None,
) -> None:
    """Put a backup into the catalogue that the settings name, SQLite or Postgres: all of it, or nothing.

    Stop every other eddyline process first. A backup of an older version is brought up to this one.

    Example: eddyline catalogue restore before-upgrade.jsonl.gz --yes
    """
    from rich.console import Console

    from pipeline.catalogue.backup import restore as put_back
    from pipeline.commands.context import load

    facts = put_back(load(config).settings.catalogue, file, is_replacing=is_replacing)
    Console(soft_wrap=True).print(f"{sum(facts.rows.values()):,} rows of {len(facts.rows)} tables restored")


def check(config: Config = None) -> None:
    """Read the whole catalogue and say what it holds and whether anything is wrong with it.

    Example: eddyline catalogue check
    """
    from rich.console import Console
    from rich.table import Table

    from pipeline.commands.context import load

    report = load(config).catalogue().check()
    table = Table("table", "rows", box=None)
    for name, rows in sorted(report.rows.items()):
        table.add_row(name, f"{rows:,}")
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"{report.address}, revision {report.revision}")
    if report.problems:
        raise EddylineError(
            "the catalogue is not whole: " + "; ".join(report.problems) + ". Back it up as it is, then restore the "
            "last backup that was whole with `eddyline catalogue restore FILE --yes`"
        )
    console.print("whole")
