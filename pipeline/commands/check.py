"""`eddyline check`: everything that is wrong with the settings and specs, at once."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.commands.context import Context
    from pipeline.config import Settings, StreamSpec
    from pipeline.kafka.port import TopicInfo
    from pipeline.yaml_files import Loaded
    from pipeline.yaml_nodes import Problem


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the broker whether topics exist.")] = False,
) -> None:
    """Say everything that is wrong with the settings and the stream specs, with file and line.

    Example: eddyline check --offline
    """
    from rich.console import Console

    from pipeline.scheduling.problems import schedule_notes, schedule_problems
    from pipeline.yaml_files import read_files

    console = Console(soft_wrap=True, highlight=False)
    reading = read_files(config)
    problems = list(reading.problems)
    notes: list[str] = []
    if reading.loaded is not None:
        problems += _unknown_detectors(reading.loaded)
        problems += _underivable(reading.loaded)
        problems += schedule_problems(reading.loaded)
        problems += _expectations(reading.loaded)
        notes += _notes(reading.loaded.specs.values())
        notes += schedule_notes(reading.loaded.specs.values())
        if not offline and reading.loaded.specs:
            notes += _topics(reading.loaded, console)
    for problem in sorted(problems):
        console.print(f"[red]error[/]  {_plain(str(problem))}")
    for note in notes:
        console.print(f"[yellow]note[/]   {_plain(note)}")
    if problems:
        console.print(f"{len(problems)} to mend; then run `eddyline check` again")
        raise typer.Exit(2)
    _say_what_next(reading.loaded, console)


def _say_what_next(loaded: "Loaded | None", console: "Console") -> None:
    names = sorted(loaded.specs) if loaded is not None else []
    if not names:
        console.print("the settings are good, and no stream is stated yet: `eddyline init --from FILE` writes one")
        return
    console.print(f"[green]good[/]   {len(names)} stream{'s' if len(names) > 1 else ''}: {', '.join(names)}")
    console.print(f"next: `eddyline archive {names[0]}` keeps its events, `eddyline train {names[0]}` learns from them")


def _unknown_detectors(loaded: "Loaded") -> "list[Problem]":
    from pipeline.yaml_nodes import Problem

    if all(spec.detector.name is None for spec in loaded.specs.values()):
        return []  # the usual one is there; asking the registry takes seconds
    from detectors.registry import DETECTORS

    known = ["auto", *sorted(detector.name for detector in DETECTORS)]
    return [
        Problem(
            file=str(loaded.spec_files[name]),
            line=1,
            message=f"detector.name: there is no detector {spec.detector.name!r}; known are {', '.join(known)}",
        )
        for name, spec in loaded.specs.items()
        if spec.detector.name is not None and spec.detector.name not in known
    ]


def _underivable(loaded: "Loaded") -> "list[Problem]":
    """What `context` and `windows` ask for and cannot have."""
    from pipeline.errors import ConfigError
    from pipeline.repartition.plan import downstream
    from pipeline.yaml_nodes import Problem

    problems = []
    for name, spec in loaded.specs.items():
        try:
            downstream(spec).enriched_schema()
        except ConfigError as error:
            problems.append(Problem(file=str(loaded.spec_files[name]), line=1, message=str(error)))
    return problems


def _expectations(loaded: "Loaded") -> "list[Problem]":
    """What is wrong with the suites of expectations that there are."""
    from pipeline.expectations.suite_file import read_suite, suite_path
    from pipeline.repartition.plan import downstream

    found: list[Problem] = []
    for name, spec in loaded.specs.items():
        path = suite_path(loaded.settings, name)
        if path.exists():
            found += read_suite(path, downstream(spec))[1]
    return found


def _notes(specs: "Iterable[StreamSpec]") -> list[str]:
    """What is allowed and perhaps not meant."""
    from detectors.columns import Role
    from pipeline.config import CodecFormat

    notes: list[str] = []
    for spec in specs:
        if spec.column_with(Role.KEY) is None:
            notes.append(f"{spec.stream}: no column has the role key, so all its alerts are grouped as one entity's")
        if spec.column_with(Role.TIME) is None:
            notes.append(f"{spec.stream}: no column has the role time, so events are dated by when they were appended")
        key = spec.column_with(Role.KEY)
        if key is not None and spec.format is CodecFormat.JSON:
            notes.append(
                f"{spec.stream}: alerts are grouped by {key} within each partition; if the topic's records are not "
                f"keyed by {key}, repartition the topic in Kafka so that all events of one {key} share a partition"
            )
        for other in _kept_keys(spec):
            if key is not None and other != spec.columns_with(Role.KEY):
                notes.append(f"{spec.stream}: {_repartition(spec, other)} (the stream's key is {key})")
        if spec.repartitioned_context:
            keys = " and of ".join(", ".join(context.key) for context in spec.repartitioned_context)
            notes.append(
                f"{spec.stream}: the context of {keys} is derived by `eddyline repartition {spec.stream}`: keep it "
                "running beside `eddyline archive` and `eddyline score`, which read what it writes"
            )
    return notes


def _kept_keys(spec: "StreamSpec") -> list[tuple[str, ...]]:
    """The keys whose past is kept in the topic's own partitions."""
    from detectors.columns import Role

    windows = [spec.windows.key or spec.columns_with(Role.KEY)] if spec.windows is not None else []
    return list(dict.fromkeys([*(context.key for context in spec.own_context), *windows]))


def _repartition(spec: "StreamSpec", key: tuple[str, ...]) -> str:
    name = ", ".join(key)
    return (
        f"what is remembered of {name} is kept in each partition by itself; unless {spec.topic} is keyed by {name}, a "
        f"partition sees only its share of a value's events. For context to see all of them, say `repartition: true` "
        f"in it and run `eddyline repartition {spec.stream}` (a repartition step, exactly once, in Kafka)"
    )


def _key_notes(spec: "StreamSpec", context: "Context") -> list[str]:
    """Keys whose past is kept, by which the topic's records are visibly not keyed."""
    from pipeline.record_keys import sample_keys

    keys = _kept_keys(spec)
    if not keys:
        return []
    return [
        f"{spec.stream}: of {found.events:,} events looked at, {found.keyed:,} have {', '.join(key)} as their record's "
        f"key; {_repartition(spec, key)}"
        for key, found in sample_keys(spec, context.broker(), keys).items()
        if found.says_otherwise
    ]


def _topics(loaded: "Loaded", console: "Console") -> list[str]:
    """Notes on topics that do not exist, or on the broker that did not say."""
    from pipeline.commands.context import Context
    from pipeline.errors import EddylineError

    context = Context(settings=loaded.settings, specs=loaded.specs)
    try:
        with console.status("asking the broker"):
            admin = context.broker().admin()
            try:
                found = admin.describe([t for spec in loaded.specs.values() for t in (spec.topic, *_ours(spec))])
            finally:
                admin.close()
            notes = [note for spec in loaded.specs.values() for note in _key_notes(spec, context)]
    except EddylineError as error:
        return [f"topics were not looked at: {error} (`--offline` leaves this out)"]
    return notes + [note for spec in loaded.specs.values() for note in _missing_topics(spec, found, loaded.settings)]


def _ours(spec: "StreamSpec") -> tuple[str, ...]:
    from pipeline.repartition.topics import step_topics

    own = (spec.alerts_topic, spec.scores_topic, spec.dead_letters_topic, spec.episodes_topic)
    return own + step_topics(spec)


def _missing_topics(spec: "StreamSpec", found: "dict[str, TopicInfo]", settings: "Settings") -> list[str]:
    notes = []
    if spec.topic not in found:
        where = ",".join(settings.kafka.bootstrap)
        notes.append(
            f"{spec.stream}: the topic {spec.topic} does not exist at {where}: correct `topic`, or "
            "`eddyline topics create` makes it"
        )
    missing = [topic for topic in _ours(spec) if topic not in found]
    if missing:
        notes.append(f"{spec.stream}: {len(missing)} of eddyline's own topics are missing: `eddyline topics create`")
    return notes


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
