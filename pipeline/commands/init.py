"""`eddyline init`: guess a stream spec from events, for a person to edit."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.errors import ConfigError, StorageUnavailableError

if TYPE_CHECKING:
    from pipeline.config import Settings

READ_TIMEOUT_SECONDS = 10.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    source: Annotated[str, typer.Option("--from", help="A .parquet, .csv or .jsonl file, or a topic.")],
    stream: Annotated[str | None, typer.Option(help="Name of the stream; the file's or topic's by default.")] = None,
    topic: Annotated[str | None, typer.Option(help="Topic of the stream; its name by default.")] = None,
    key: Annotated[str | None, typer.Option(help="The field that names the entity alerts are about.")] = None,
    label: Annotated[str | None, typer.Option(help="The field that holds the truth, for evaluation only.")] = None,
    time: Annotated[str | None, typer.Option(help="The field that says when the event happened.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write; streams/NAME.yaml by default.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a spec that exists.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Guess a stream spec from a file or a topic, and write it with the reason for every guess.

    Example: eddyline init --from payments.parquet --key customer --label is_fraud
    """
    from rich.console import Console

    from pipeline.commands.context import Context
    from pipeline.event_samples import events_of_file, events_of_topic
    from pipeline.inference import infer_spec
    from pipeline.role_guesses import Wishes
    from pipeline.spec_writer import spec_yaml
    from pipeline.yaml_files import read_spec

    settings = _settings(config)
    file = Path(source)
    is_file = file.exists() or file.suffix.lower() in (".parquet", ".csv", ".jsonl", ".ndjson", ".json")
    name = stream or stream_name(file.stem if is_file else source)
    target = output if output is not None else Path(settings.streams) / f"{name}.yaml"
    if target.exists() and not force:
        raise ConfigError(f"{target} exists: --force writes over it, --output writes elsewhere")
    if is_file:
        sample = events_of_file(file)
    else:
        broker = Context(settings=settings, specs={}).broker()
        sample = events_of_topic(broker, source, timeout_seconds=READ_TIMEOUT_SECONDS)
    inferred = infer_spec(
        sample.events,
        stream=name,
        topic=topic or (name if is_file else source),
        format=sample.format,
        wishes=Wishes(key=key, label=label, time=time),
    )
    _write(target, spec_yaml(inferred, source=file.name if is_file else f"the topic {source}"))
    _, problems = read_spec(target)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    written = [str(target), *_settings_file(config, settings)]
    for guess in inferred.guesses:
        roles = ", ".join(sorted(role.value for role in guess.spec.roles)) or "-"
        console.print(f"  {guess.spec.name}: {guess.spec.kind.value} ({roles}): {guess.why}")
    if sample.unreadable:
        console.print(f"{sample.unreadable:,} of the events looked at could not be read")
    for problem in problems:
        console.print(f"to mend  {problem}")
    console.print(f"wrote {' and '.join(written)}")
    console.print(f"next: read {target}, mend what is guessed wrong, then `eddyline check`")


def stream_name(text: str) -> str:
    """A stream's name made of a file's or topic's: letters, digits, - and _ only."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:100] or "events"


def _settings(config: Path | None) -> "Settings":
    """The settings without their streams, or the defaults where the file is still to be written."""
    from pipeline.config import Settings
    from pipeline.yaml_files import read_files

    if config is not None and not config.exists():
        return Settings(streams=str(config.absolute().parent / "streams"))
    loaded = read_files(config).loaded
    if loaded is None:
        raise ConfigError("the settings have errors: `eddyline check` says them with file and line")
    return loaded.settings


def _settings_file(config: Path | None, settings: "Settings") -> list[str]:
    """Write a settings file where there is none; returns its name if so."""
    from pipeline.spec_writer import settings_yaml
    from pipeline.yaml_files import DEFAULT_FILE

    path = config or Path(DEFAULT_FILE)
    if path.exists():
        return []
    _write(path, settings_yaml(settings))
    return [str(path)]


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageUnavailableError(
            f"{path} cannot be written ({error.strerror}): choose another --output"
        ) from error
