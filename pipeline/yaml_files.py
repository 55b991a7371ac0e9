"""`eddyline.yaml` and `streams/*.yaml` → `Settings` and `StreamSpec`s, every error at once; and the environment.

Environment variables win over the file: `EDDYLINE_KAFKA_BOOTSTRAP` (addresses with commas between), `EDDYLINE_LAKE`,
`EDDYLINE_MODELS`, `EDDYLINE_CATALOGUE`, `EDDYLINE_STREAMS`, `EDDYLINE_INSTANCE`. `EDDYLINE_MASKING_KEY` holds the key
of pseudonyms and is in no file. Relative paths in a file are relative to it, those in the environment to the folder
the command runs in.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pipeline.codecs.layout import layout_of
from pipeline.config import Settings, StreamSpec
from pipeline.errors import ConfigError
from pipeline.yaml_nodes import Document, Problem, read_document
from pipeline.yaml_problems import validated

DEFAULT_FILE = "eddyline.yaml"
SQLITE = "sqlite:///"
_TOP_LEVEL = {
    "EDDYLINE_LAKE": "lake",
    "EDDYLINE_MODELS": "models",
    "EDDYLINE_CATALOGUE": "catalogue",
    "EDDYLINE_STREAMS": "streams",
    "EDDYLINE_INSTANCE": "instance",
}
_PATHS = ("lake", "models", "streams", "quality")
_SCHEDULER_PATHS = ("reports", "backups")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the files and the environment say."""

    settings: Settings
    """All paths absolute."""
    specs: dict[str, StreamSpec]
    """By stream, in order of name."""
    masking_key: bytes | None = field(default=None, repr=False)
    settings_file: Path | None = None
    """None where there is none and the defaults hold."""
    spec_files: Mapping[str, Path] = field(default_factory=dict)
    """Stream → the file it is stated in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that could be read, and all that is wrong. `loaded` is None where the settings themselves are unusable."""

    loaded: Loaded | None
    problems: tuple[Problem, ...]


def load_files(path: Path | None = None, *, environment: Mapping[str, str] | None = None) -> Loaded:
    """Settings and specs. Raises ConfigError with every problem in them, one a line."""
    reading = read_files(path, environment=environment)
    if reading.problems or reading.loaded is None:
        listed = "\n".join(f"  {problem}" for problem in reading.problems)
        raise ConfigError(f"the settings have errors:\n{listed}\nmend these and run `eddyline check`")
    return reading.loaded


def read_files(path: Path | None = None, *, environment: Mapping[str, str] | None = None) -> Reading:
    """Read the settings file (`eddyline.yaml` here, if there is one) and the specs it points at."""
    environment = os.environ if environment is None else environment
    file = path if path is not None else Path(DEFAULT_FILE)
    document = Document(file=str(file)) if path is None and not file.exists() else read_document(file)
    problems = document.problems
    named_streams = isinstance(document.value, dict) and "streams" in document.value
    settings = None if document.broken else _settings(document, file.absolute().parent, environment)
    if settings is None:
        return Reading(loaded=None, problems=tuple(sorted(problems)))
    folder = Path(settings.streams)
    if named_streams and not folder.is_dir():
        document.blame(f"streams: there is no folder {folder}: create it, or correct the path", ("streams",))
    specs, files = _specs(folder, problems)
    loaded = Loaded(
        settings=settings,
        specs=specs,
        masking_key=environment.get("EDDYLINE_MASKING_KEY", "").encode() or None,
        settings_file=file if document.value is not None else None,
        spec_files=files,
    )
    return Reading(loaded=loaded, problems=tuple(sorted(problems)))


def read_spec(path: Path) -> tuple[StreamSpec | None, tuple[Problem, ...]]:
    """One stream spec and all that is wrong with its file."""
    document = read_document(path)
    spec = None if document.broken else validated(StreamSpec, document)
    if spec is not None:
        _check_further(spec, document)
    return spec, tuple(document.problems)


def _settings(document: Document, folder: Path, environment: Mapping[str, str]) -> Settings | None:
    """Settings with the environment laid over the file; None where they are unusable, with the reasons noted."""
    settings = validated(Settings, document)
    overrides = _overrides(environment, settings)
    if settings is None:
        return None
    settings = _absolute(settings, folder)
    if not overrides:
        return settings
    value = settings.model_dump() | overrides
    laid_over = Document(file="environment", value=value, lines={(name,): 0 for name in value})
    settings = validated(Settings, laid_over)
    document.problems += [Problem(file=p.file, line=0, message=p.message) for p in laid_over.problems]
    return settings if settings is None else _absolute(settings, Path.cwd())


def _overrides(environment: Mapping[str, str], settings: Settings | None) -> dict[str, object]:
    found: dict[str, object] = {name: environment[v] for v, name in _TOP_LEVEL.items() if environment.get(v)}
    addresses = environment.get("EDDYLINE_KAFKA_BOOTSTRAP", "")
    if addresses and settings is not None:
        parts = tuple(part.strip() for part in addresses.split(",") if part.strip())
        found["kafka"] = settings.kafka.model_dump() | {"bootstrap": parts}
    return found


def _absolute(settings: Settings, folder: Path) -> Settings:
    paths: dict[str, object] = {name: _absolute_path(getattr(settings, name), folder) for name in _PATHS}
    address = settings.catalogue
    if address.startswith(SQLITE) and not address.startswith((SQLITE + "/", SQLITE + ":")) and address != SQLITE:
        paths["catalogue"] = f"{SQLITE}{folder / address.removeprefix(SQLITE)}"
    if settings.kafka.ca_file is not None:
        ca_file = _absolute_path(settings.kafka.ca_file, folder)
        paths["kafka"] = settings.kafka.model_copy(update={"ca_file": ca_file})
    scheduler = {name: _absolute_path(getattr(settings.scheduler, name), folder) for name in _SCHEDULER_PATHS}
    paths["scheduler"] = settings.scheduler.model_copy(update=scheduler)
    return settings.model_copy(update=paths)


def _absolute_path(text: str, folder: Path) -> str:
    """Addresses of stores (`s3://…`) stay as they are."""
    return text if "://" in text else str(folder / Path(text).expanduser())


def _specs(folder: Path, problems: list[Problem]) -> tuple[dict[str, StreamSpec], dict[str, Path]]:
    specs: dict[str, StreamSpec] = {}
    files: dict[str, Path] = {}
    paths = sorted(p for p in folder.glob("*") if p.suffix in (".yaml", ".yml")) if folder.is_dir() else []
    for path in paths:
        spec, found = read_spec(path)
        problems += found
        if spec is None:
            continue
        if spec.stream in specs:
            message = f"stream: {spec.stream!r} is stated in {files[spec.stream].name} too: give one another name"
            problems.append(Problem(file=str(path), line=1, message=message))
            continue
        specs[spec.stream], files[spec.stream] = spec, path
    return dict(sorted(specs.items())), files


def _check_further(spec: StreamSpec, document: Document) -> None:
    """What the model cannot say of itself."""
    try:
        layout_of(spec.columns)
    except ConfigError as error:
        document.blame(str(error), ("columns",))
    for index, rule in enumerate(spec.alerts.suppress):
        if rule.until is not None:
            try:
                datetime.fromisoformat(rule.until)
            except ValueError:
                message = f"{rule.until!r} is no ISO 8601 moment: write it like '2026-01-31T12:00:00Z'"
                place = ("alerts", "suppress", index, "until")
                document.blame(f"alerts.suppress.{index}.until: {message}", place)
