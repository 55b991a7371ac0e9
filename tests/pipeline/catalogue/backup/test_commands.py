"""`eddyline catalogue` as it is typed, and the job that backs up on a schedule."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from pipeline.catalogue import Catalogue
from pipeline.clock import ManualClock
from pipeline.commands import catalogue as command
from pipeline.commands import context as context_module
from pipeline.commands.context import Context
from pipeline.config import SchedulerSettings, Settings
from pipeline.errors import ConfigError
from pipeline.jobs.backup import backup
from pipeline.scheduling.job import JobContext
from tests.alerts.notify.builders import SPEC


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A service in a folder."""
    scheduler = SchedulerSettings(backups=str(tmp_path / "backups"))
    settings = Settings(catalogue=f"sqlite:///{tmp_path}/eddyline.db", scheduler=scheduler)
    made = Context(settings=settings, specs={SPEC.stream: SPEC})
    monkeypatch.setattr(context_module, "load", lambda config=None: made)
    return made


@pytest.fixture
def catalogue(context: Context) -> Iterator[Catalogue]:
    """With one stream in it."""
    opened = context.catalogue()
    opened.register_stream({}, "payments")
    yield opened
    opened.close()


def typed(*arguments: str) -> Result:
    app = typer.Typer()
    command.register(app)
    return CliRunner().invoke(app, ["catalogue", *arguments])


def test_what_was_backed_up_is_restored_only_when_meant(context: Context, catalogue: Catalogue, tmp_path: Path) -> None:
    made = typed("backup")
    assert made.exit_code == 0, made.exception
    [file] = (tmp_path / "backups").iterdir()
    assert str(file) in made.output
    catalogue.register_stream({}, "made since")
    assert isinstance(typed("restore", str(file)).exception, ConfigError)
    assert typed("restore", str(file), "--yes").exit_code == 0
    assert list(catalogue.streams()) == ["payments"]
    checked = typed("check")
    assert checked.exit_code == 0
    assert "whole" in checked.output
    assert "streams" in checked.output


def test_the_job_keeps_the_newest_and_leaves_other_files_alone(
    context: Context, catalogue: Catalogue, tmp_path: Path
) -> None:
    clock, folder = ManualClock(), tmp_path / "backups"
    fenced: list[str] = []
    job = JobContext(
        spec=SPEC, context=context, catalogue=catalogue, clock=clock, run_id="r1", report=lambda share, doing: None,
        before_publishing=lambda: fenced.append("asked"),
    )  # fmt: skip
    folder.mkdir()
    (folder / "before-upgrade.jsonl.gz").write_text("mine")
    names = []
    for _ in range(4):
        clock.advance(60.0)
        outcome = backup(job, {"keep": 2})
        names.append(outcome.result["file"])
    assert sorted(path.name for path in folder.iterdir()) == ["before-upgrade.jsonl.gz", *names[-2:]]
    assert len(fenced) == 4
    for wrong in ({"keep": 0}, {"kept": 1}):
        with pytest.raises(ConfigError, match="keep"):
            backup(job, wrong)
