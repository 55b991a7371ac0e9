"""`eddyline quality`: what is expected of a stream's data, and whether it is so; and `run`."""

import contextlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.commands.moments import moment_ms
from pipeline.commands.quality_edit import edit, open_report
from pipeline.commands.quality_show import list_results, report_folder, said_report, show
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.commands.context import Context
    from pipeline.config import StreamSpec
    from pipeline.scheduling.job import JobContext, Report

EXIT_NOT_PASSED = 1


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="What is expected of a stream's data, and whether it is so.", no_args_is_help=True)
    group.command("run")(run)
    group.command("list")(list_results)
    group.command("show")(show)
    group.command("open")(open_report)
    group.command("edit")(edit)
    app.add_typer(group, name="quality")


def run(
    stream: Annotated[str, typer.Argument(help="The stream.")],
    start: Annotated[str | None, typer.Option("--from", help="Look at events since then: 2026-01-19T12:00.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Look at events before then.")] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="A synthetic dataset instead of the archive: its id or the beginning of it, or `new`."),
    ] = None,
    suite: Annotated[
        Path | None, typer.Option(help="Another file of expectations than the stream's.", dir_okay=False)
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Hold a window of the archive, or a dataset, against what is expected, and write a page about it.

    Without --from and --to it is the last `quality.window_hours`. Where the stream has no expectations yet, they are
    inferred from its archive and written down first. Exit status 1 where the data did not pass.

    Example: eddyline quality run payments --from 2026-01-19 --to 2026-01-20
    """
    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.commands.streams import stream_named
    from pipeline.config import JobKind
    from pipeline.scheduling.registry import job_function

    context, console = load(config), Console(soft_wrap=True)
    spec = stream_named(context.specs, stream)
    arguments = _arguments(start, end, dataset, suite)
    with _progress(Console(stderr=True)) as report:
        outcome = job_function(JobKind.QUALITY_REPORT)(_asked_here(context, spec, report), arguments)
    made = outcome.result["results"]
    if not made:
        console.print(outcome.reason, markup=False)
    folder = report_folder(context)
    for result in made:
        said_report(console, folder, folder.found(str(result["result_id"])))
    if any(result["verdict"] != "passed" for result in made):
        raise typer.Exit(EXIT_NOT_PASSED)


def _arguments(start: str | None, end: str | None, dataset: str | None, suite: Path | None) -> dict[str, Any]:
    """What the job is told. Raises ConfigError for what does not go together."""
    moments = {"start": moment_ms(start, option="--from"), "end": moment_ms(end, option="--to")}
    known = [moment for moment in moments.values() if moment is not None]
    if dataset is not None and known:
        raise ConfigError("--dataset is looked at whole: leave --from and --to out")
    if len(known) == 2 and known[0] >= known[1]:
        raise ConfigError(f"--from {start} is not before --to {end}: no event lies between them")
    if suite is not None and not suite.is_file():
        raise ConfigError(f"--suite {suite}: there is no such file")
    told: dict[str, Any] = {
        name: datetime.fromtimestamp(moment / 1000, UTC).isoformat()
        for name, moment in moments.items()
        if moment is not None
    }
    if dataset is not None:
        told["dataset"] = dataset
    return told if suite is None else {**told, "suite": str(suite.resolve())}


def _asked_here(context: "Context", spec: "StreamSpec", report: "Report") -> "JobContext":
    """The job as a person runs it: at once, in this process, whoever leads the scheduled ones."""
    from pipeline.clock import SystemClock
    from pipeline.scheduling.job import JobContext

    clock = SystemClock()
    return JobContext(
        spec=spec,
        context=context,
        catalogue=context.catalogue(),
        clock=clock,
        run_id=uuid.uuid4().hex,
        report=report,
        fire_ms=clock.now_ms(),
        before_publishing=lambda: None,
    )


@contextlib.contextmanager
def _progress(console: "Console") -> "Iterator[Report]":
    """A bar with what is being done, on the terminal's error stream."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=1.0)
        yield lambda done, doing: bar.update(task, completed=done, description=doing)
