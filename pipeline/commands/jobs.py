"""`eddyline jobs`: what runs by itself: list, run now, pause, resume, history."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pipeline.commands.context import Context
    from pipeline.config import JobKind

Config = Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")]
Stream = Annotated[str, typer.Argument(metavar="STREAM")]
Job = Annotated[str, typer.Argument(metavar="JOB", help="A job of the stream's spec, by name.")]
EXIT_NOT_DONE = 1


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="What runs by itself, when it runs next and how it went.")
    group.command("list")(list_jobs)
    group.command("run")(run)
    group.command("pause")(pause)
    group.command("resume")(resume)
    group.command("history")(history)
    app.add_typer(group, name="jobs", no_args_is_help=True)


def list_jobs(
    streams: Annotated[list[str] | None, typer.Argument(help="Streams; all of them by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
    config: Config = None,
) -> None:
    """Show the jobs of all specs: when each is due, how its last run went, whether it is paused.

    Example: eddyline jobs list payments
    """
    from rich.console import Console

    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.commands.job_tables import jobs_table, leader_line
    from pipeline.commands.streams import streams_named
    from pipeline.scheduling.listing import listed_jobs
    from pipeline.scheduling.plan import planned

    context, console, now_ms = load(config), Console(), SystemClock().now_ms()
    specs = streams_named(context.specs, streams) if context.specs else []
    catalogue = context.catalogue()
    rows = listed_jobs(planned(specs).values(), catalogue, now_ms=now_ms)
    if as_json:
        console.out(json.dumps([row.document() for row in rows], indent=2), highlight=False)
        return
    if rows:
        console.print(jobs_table(rows, now_ms=now_ms))
    else:
        console.print("no jobs are stated: write them under `schedule` in a stream's spec, then `eddyline check`")
    console.print(leader_line(catalogue.lease("scheduler")), soft_wrap=True)


def run(
    stream: Stream,
    job: Annotated[str, typer.Argument(metavar="JOB|KIND", help="A job of the spec, or a kind: drift_check, …")],
    argument: Annotated[
        list[str] | None, typer.Option("--argument", metavar="NAME=VALUE", help="Other than the spec's; repeatable.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Stay until it has ended, and say how.")] = False,
    here: Annotated[bool, typer.Option("--here", help="Run it in this process, where no scheduler runs.")] = False,
    config: Config = None,
) -> None:
    """Ask the scheduler to run a job now, beside its schedule; or run it here.

    Example: eddyline jobs run payments drift_check --wait
    """
    from rich.console import Console

    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.commands.job_run import run_here, said_end, wait_for_end
    from pipeline.commands.streams import stream_named

    context, console = load(config), Console(stderr=True, soft_wrap=True)
    stream_named(context.specs, stream)
    kind, name, stated = _found(context, stream, job)
    arguments = _arguments(kind, stated, argument or [])
    catalogue = context.catalogue()
    if here:
        ended = run_here(context, catalogue, stream, job=name, kind=kind, arguments=arguments, console=console)
        raise typer.Exit(said_end(console, ended))
    run_id = catalogue.request_run(
        stream, kind.value, arguments, origin=_person(), now_ms=SystemClock().now_ms(), job=name
    )
    lease = catalogue.lease("scheduler")
    leads = lease is not None and bool(lease.holder) and lease.left_ms > 0
    console.print(
        f"run {run_id[:12]} of {name or kind.value} is queued; `eddyline jobs history {run_id[:12]}` follows it"
    )
    if not leads:
        console.print("no scheduler runs now, so it waits: start `eddyline schedule`, or use `--here`")
    if wait:
        raise typer.Exit(said_end(console, wait_for_end(catalogue, run_id, console)))


def pause(stream: Stream, job: Job, config: Config = None) -> None:
    """Let a job's fires pass until it is resumed; they are not made up for.

    Example: eddyline jobs pause payments nightly
    """
    from rich.console import Console

    from pipeline.clock import SystemClock
    from pipeline.commands.context import load

    context = load(config)
    _of_spec(context, stream, job)
    context.catalogue().pause_job(stream, job, by=_person(), now_ms=SystemClock().now_ms())
    Console(stderr=True).print(f"{job} of {stream} is paused; `eddyline jobs resume {stream} {job}` ends that")


def resume(stream: Stream, job: Job, config: Config = None) -> None:
    """Let a job's fires count again, from now on.

    Example: eddyline jobs resume payments nightly
    """
    from rich.console import Console

    from pipeline.clock import SystemClock
    from pipeline.commands.context import load
    from pipeline.commands.moments import minute_text
    from pipeline.scheduling.plan import planned

    context, now_ms = load(config), SystemClock().now_ms()
    _of_spec(context, stream, job)
    context.catalogue().resume_job(stream, job, now_ms=now_ms)
    following = planned([context.specs[stream]])[stream, job].fires.after(now_ms)
    told = f", due next at {minute_text(following)} UTC" if following is not None else ""
    Console(stderr=True).print(f"{job} of {stream} is resumed{told}")


def history(
    what: Annotated[str | None, typer.Argument(metavar="[STREAM|RUN]", help="A stream, or a run's id in full.")] = None,
    job: Annotated[str | None, typer.Option(help="Of one job only.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Those that failed only.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The most runs to show, the newest.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
    config: Config = None,
) -> None:
    """Show past runs, the newest first; or one run in full: arguments, progress, reason, last lines.

    Example: eddyline jobs history payments --failed
    """
    from dataclasses import asdict

    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.commands.job_tables import print_run, runs_table

    context, console = load(config), Console()
    catalogue = context.catalogue()
    if what is not None and what not in context.specs and not catalogue.runs(what, limit=1):
        found = catalogue.run(what)
        if as_json:
            console.out(json.dumps(asdict(found), indent=2), highlight=False)
        else:
            print_run(console, found, log=context.lake().metadata / "runs" / f"{found.run_id}.log")
        return
    runs = catalogue.runs(what, job, status="failed" if failed else None, limit=limit)
    if as_json:
        console.out(json.dumps([asdict(one) for one in runs], indent=2), highlight=False)
    elif runs:
        console.print(runs_table(runs))
        console.print("`eddyline jobs history RUN` shows one in full")
    else:
        console.print("no such runs" if job or failed else "nothing ran yet: `eddyline schedule` runs what is due")


def _found(context: "Context", stream: str, job: str) -> "tuple[JobKind, str | None, dict[str, Any]]":
    """The kind, the name where it is a job of the spec, and the arguments stated there. Raises ConfigError."""
    from pipeline.config import JobKind

    for stated in context.specs[stream].schedule:
        if stated.name == job:
            return stated.run, job, dict(stated.arguments)
    if job in set(JobKind):
        return JobKind(job), None, {}
    known = ", ".join([*(stated.name for stated in context.specs[stream].schedule), *JobKind])
    raise ConfigError(f"{stream} has no job {job!r}, and there is no such kind: there are {known}")


def _of_spec(context: "Context", stream: str, job: str) -> None:
    from pipeline.commands.streams import stream_named

    names = [stated.name for stated in stream_named(context.specs, stream).schedule]
    if job not in names:
        known = ", ".join(names) or "none: write them under `schedule`"
        raise ConfigError(f"the spec of {stream} has no job {job!r}: there are {known}")


def _arguments(kind: "JobKind", stated: dict[str, Any], given: list[str]) -> dict[str, Any]:
    """The spec's arguments with those given laid over. Raises ConfigError for what the kind does not take."""
    import yaml
    from pydantic import ValidationError

    from pipeline.scheduling.arguments import arguments_of

    merged = dict(stated)
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--argument {text!r}: write it as name=value")
        merged[name.strip()] = yaml.safe_load(value) if value else ""
    try:
        return arguments_of(kind).model_validate(merged).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        takes = ", ".join(arguments_of(kind).model_fields) or "none"
        raise ConfigError(f"arguments of {kind.value}: {wrong} (it takes {takes})") from error


def _person() -> str:
    """Who asks, for the record."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "a person"
