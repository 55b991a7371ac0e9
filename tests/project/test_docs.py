"""The pages say what is so: settings with their defaults, commands, metrics, reasons, variables, links, examples."""

import re
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import click
import pyarrow.parquet as pq
import pytest
import typer
import yaml
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.alerts.notify.deliver import NotifierState
from pipeline.alerts.notify.metrics import NotifyCollector
from pipeline.alerts.record.metrics import RecordCollector
from pipeline.alerts.record.recorder import RecorderState
from pipeline.archive.metrics import ArchiveCollector
from pipeline.archive.progress import Progress
from pipeline.canaries.progress import CanaryCollector, CanaryProgress
from pipeline.canaries.recall import FamilyRecall, LiveRecall
from pipeline.canaries.shadow import Caught
from pipeline.catalogue import JobRunEntry
from pipeline.clock import SystemClock
from pipeline.codecs.base import RejectReason
from pipeline.commands.main import build
from pipeline.config import JobKind, JobSpec, Settings, StreamSpec
from pipeline.metrics import Metrics
from pipeline.repartition.progress import HopProgress, RepartitionCollector
from pipeline.scheduling.fires import Grid
from pipeline.scheduling.metrics import ScheduleCollector
from pipeline.scheduling.plan import PlannedJob
from pipeline.scheduling.standing import Role, Standing
from pipeline.scheduling.tally import Tally
from pipeline.yaml_files import read_spec
from tests.project.repository import ROOT, name_of, repository_files

GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PAGES = sorted(p for p in repository_files() if p.suffix == ".md")
LEFT_OUT = {"--install-completion", "--show-completion", "--help"}


# -- settings --------------------------------------------------------------------------------------------------------


def nested(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation (`tuple[ColumnSpec, ...]`, say), if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in typing.get_args(annotation) if (m := nested(a)) is not None), None)


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every single setting by its dotted name; those that hold others are passed over."""
    for name, field in model.model_fields.items():
        inner = nested(field.annotation)
        if inner is None:
            yield prefix + name, field
        else:
            yield from settings_of(inner, f"{prefix}{name}.")


def rows_of(page: str, heading: str) -> dict[str, list[str]]:
    """The rows of all tables that begin with a heading: first cell, without its backticks → the other cells."""
    found: dict[str, list[str]] = {}
    for table in re.findall(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\|\n)+)", page, flags=re.MULTILINE):
        for line in table.splitlines():
            first, *others = (cell.strip() for cell in line.strip("|").split(" | "))
            found[first.strip("`| ")] = others
    return found


def shown(value: Any) -> str:
    """A default as the tables write it."""
    if value is None:
        return "none"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | frozenset | dict):
        return ", ".join(map(str, value)) or "empty"
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


def default_of(field: FieldInfo) -> str:
    """A setting's default as the tables write it."""
    return "needed" if field.is_required() else shown(field.get_default(call_default_factory=True))


@pytest.mark.parametrize(("model", "page"), [(StreamSpec, GUIDE), (Settings, OPERATIONS)], ids=["guide", "operations"])
def test_every_setting_is_explained_with_its_default(model: type[BaseModel], page: str) -> None:
    stated = dict(settings_of(model))
    rows = rows_of(page, "setting")
    assert sorted(rows) == sorted(stated), "the page's tables of settings and pipeline/config/ differ"
    wrong = {
        name: f"says {rows[name][1]}, is {default}"
        for name, field in stated.items()
        if rows[name][1].strip("`") != (default := default_of(field))
    }
    assert not wrong


def test_every_variable_of_the_environment_is_explained() -> None:
    read = {
        v for path in (ROOT / "pipeline").rglob("*.py") for v in re.findall(r"EDDYLINE_[A-Z_]+[A-Z]", path.read_text())
    }
    assert read
    assert not {name for name in read if f"`{name}`" not in OPERATIONS}


# -- commands --------------------------------------------------------------------------------------------------------


def commands() -> dict[str, click.Command]:
    """Every command that does something, by what is typed after `eddyline`."""
    return dict(walk(typer.main.get_command(build()), ""))


def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
    else:
        for word, one in inner.items():
            yield from walk(one, f"{name} {word}".strip())


def options_of(command: Any) -> set[str]:
    return LEFT_OUT | {o for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("-")}


def code_of(page: str) -> Iterator[str]:
    """Lines of shell blocks, and code in the running text."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL):
        if language in ("sh", ""):
            yield from block.splitlines()
    for span in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)):
        yield span.replace("\n", " ")


def typed(page: str) -> list[list[str]]:
    """The words after `eddyline` of every command on a page."""
    lines = [line.split("#")[0].strip() for line in code_of(page)]
    return [words[1:] for line in lines if (words := line.split()) and words[0].endswith("eddyline") and words[1:]]


def mistakes(words: list[str], known: dict[str, click.Command]) -> Iterator[str]:
    text = " ".join(words)
    if words[0].startswith("-"):
        if words[0] not in LEFT_OUT:
            yield f"eddyline {text}: no such option"
        return
    name = next((n for n in (" ".join(words[:2]), words[0]) if n in known), None)
    if name is None:
        if len(words) > 1 or not any(n.split()[0] == words[0] for n in known):
            yield f"eddyline {text}: no such command"
        return
    for word in words:
        if word.startswith("-") and word.split("=")[0] not in options_of(known[name]):
            yield f"eddyline {text}: no option {word}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_options_of_a_page_exist(page: Path) -> None:
    known = commands()
    assert not [said for words in typed(page.read_text(encoding="utf-8")) for said in mistakes(words, known)]


def test_mistakes_would_be_found() -> None:
    page = "`eddyline tops create` and `eddyline score --worker 2`\n```sh\neddyline topics make payments  # so\n```\n"
    assert len([said for words in typed(page) for said in mistakes(words, commands())]) == 3


def test_every_command_is_listed_in_the_guide() -> None:
    assert {f"eddyline {name}" for name in commands()} == set(rows_of(GUIDE, "command"))


# -- what operators look up ------------------------------------------------------------------------------------------


def test_every_metric_is_listed_with_its_labels() -> None:
    scoring = Metrics()
    metrics = {
        _exposed(c._name, c._type): list(c._labelnames) for c in vars(scoring).values() if hasattr(c, "_labelnames")
    }
    services = CollectorRegistry()
    services.register(ArchiveCollector({"s": Progress(lag=0)}))
    services.register(NotifyCollector([("s", NotifierState(destination="d"))]))
    services.register(RecordCollector({"s": RecorderState()}))
    services.register(schedule_collector())
    hop = HopProgress("s", "split", SystemClock())
    hop.rejects["malformed"], hop.warming_up = 1, 0
    services.register(RepartitionCollector([hop]))
    birds = CanaryProgress("s")
    birds.counted({"stuck": Caught(1, 1)}, busy_seconds=0.1)
    birds.recall = LiveRecall(
        model_id="m", families=(FamilyRecall(family="stuck", injected=1, caught=1, low=0.2, high=1.0),)
    )
    services.register(CanaryCollector([birds]))
    for family in services.collect():
        metrics[_exposed(family.name, family.type)] = list(family.samples[0].labels)
    stated = {name: cells[0].split(", ") for name, cells in rows_of(OPERATIONS, "metric").items()}
    assert metrics == {name: [] if labels == ["none"] else labels for name, labels in stated.items()}


def schedule_collector() -> ScheduleCollector:
    """A leader's, with something of everything to show."""
    job = PlannedJob("s", JobSpec(name="j", run=JobKind.RETENTION, every_seconds=60.0), Grid(60_000))
    run = JobRunEntry(run_id="r", stream="s", job="j", kind="retention", fire_ms=1, status="succeeded")
    tally = Tally(running=(run,))
    tally.ended(run)
    return ScheduleCollector(Standing(role=Role.LEADER, epoch=1), tally, {job.name: job}, SystemClock())


def _exposed(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name


def test_every_reason_for_a_dead_letter_is_listed() -> None:
    assert list(rows_of(OPERATIONS, "reason")) == [reason.value for reason in RejectReason]


# -- links and examples ----------------------------------------------------------------------------------------------


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as they are made of their text."""
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL), flags=re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8"))
    for target, anchor in links:
        path = (page.parent / target) if target else page
        assert path.exists(), f"{name_of(page)} links to {target}"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{name_of(page)} links to {target}#{anchor}"


def test_excerpts_of_the_spec_are_those_of_the_example() -> None:
    example = yaml.safe_load((ROOT / "examples" / "payments.yaml").read_text(encoding="utf-8"))
    excerpts = re.findall(r"^```yaml\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
    assert excerpts
    for excerpt in map(yaml.safe_load, excerpts):
        for name, value in excerpt.items():
            whole = example[name]
            assert value[0] in whole if name == "columns" else value == whole


def test_the_events_of_the_guide_fit_its_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [program] = re.findall(r"^```python\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "docs/guide.md", "exec"), {})  # noqa: S102 - the page's own example
    spec, problems = read_spec(ROOT / "examples" / "payments.yaml")
    assert spec is not None
    assert not problems
    for name in ("payments.parquet", "newest.parquet"):
        assert pq.read_schema(tmp_path / name).names == [column.name for column in spec.columns]
