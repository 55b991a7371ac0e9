"""Everything that is wrong with schedules is said with file and line, before a scheduler starts."""

import re
import threading
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.scheduling.problems import schedule_notes, schedule_problems
from pipeline.scheduling.process import run_scheduler
from pipeline.yaml_files import Loaded, load_files
from tests.project.repository import ROOT

HEAD = """\
stream: payments
topic: payments
columns:
  - {name: amount, kind: numeric, roles: [feature]}
budget: {alerts_per_day: 5}
"""


def loaded(folder: Path, schedule: str, rest: str = "") -> Loaded:
    (folder / "eddyline.yaml").write_text("streams: streams\nmetrics: {port: 0}\n")
    (folder / "streams").mkdir()
    (folder / "streams" / "payments.yaml").write_text(HEAD + "schedule:\n" + schedule + rest)
    return load_files(folder / "eddyline.yaml")


def said(folder: Path, schedule: str) -> list[str]:
    """The problems as `line: message`."""
    return [f"{problem.line}: {problem.message}" for problem in schedule_problems(loaded(folder, schedule))]


@pytest.mark.parametrize(
    ("job", "line", "hint"),
    [
        ("{name: a, run: retention, cron: '0 0 * *'}", 7, "schedule.0.cron: .*4 fields"),
        ("{name: a, run: retention, cron: '0 0 30 2 *'}", 7, "never fires"),
        ("{name: a, run: retention, cron: '0 25 * * *'}", 7, "hour .*0 to 23"),
        ("{name: a, run: retention, cron: '0 * * * *'}", 7, "overlap itself: it fires again after 3600 s"),
        ("{name: a, run: retention, every_seconds: 60}", 7, "overlap itself"),
        ("{name: a, run: retention, every_seconds: 0.2, timeout_seconds: 0.1}", 7, "at least 1 s"),
        ("{name: a, run: retention, cron: '0 0 * * *', arguments: {days: 3}}", 7, "arguments.days: there is no such"),
        ("{name: a, run: generate_dataset, cron: '0 0 * * *'}", 7, "arguments.rows: .*needed"),
        ("{name: a, run: train_generator, cron: '0 0 * * *', arguments: {model: van}}", 7, "arguments.model: 'van'"),
    ],
)
def test_each_mistake_is_said_at_its_line(tmp_path: Path, job: str, line: int, hint: str) -> None:
    [problem] = said(tmp_path, f"  - {job}\n")
    assert problem.startswith(f"{line}: ")
    assert re.search(hint, problem), problem


def test_lines_are_those_of_the_field_that_is_wrong_and_all_are_said_at_once(tmp_path: Path) -> None:
    schedule = """\
  - name: a
    run: compaction
    cron: "0 0 * * *"
    arguments:
      below_bytes: 1000
      least_file: 3
  - name: a
    run: retention
    every_seconds: 600
    timeout_seconds: 600
"""
    problems = said(tmp_path, schedule)
    assert [problem.split(":")[0] for problem in sorted(problems)] == ["12", "13", "16"]
    text = "\n".join(problems)
    assert "did you mean `least_files`" in text
    assert "also the name of the job on line 7" in text


def test_schedules_that_are_right_are_not_blamed(tmp_path: Path) -> None:
    schedule = """\
  - {name: a, run: retention, cron: "0 3 * * 0"}
  - {name: b, run: generate_dataset, cron: "0 5 * * *", arguments: {rows: 1000, seed: per fire}}
  - {name: c, run: drift_check, every_seconds: 3600, timeout_seconds: 3599}
"""
    assert said(tmp_path, schedule) == []


def test_the_example_has_no_mistakes(tmp_path: Path) -> None:
    (tmp_path / "eddyline.yaml").write_text("streams: streams\n")
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "payments.yaml").write_text((ROOT / "examples" / "payments.yaml").read_text())
    found = load_files(tmp_path / "eddyline.yaml")
    assert schedule_problems(found) == []
    notes = schedule_notes(found.specs.values())
    assert len(notes) == 1
    assert "eddyline archive payments" in notes[0]


def test_what_is_perhaps_not_meant_is_noted(tmp_path: Path) -> None:
    schedule = (
        "  - {name: a, run: train_detector, cron: '0 3 * * 0'}\n  - {name: b, run: retention, cron: '0 4 * * 0'}\n"
    )
    rest = "retention: {reports: null, history_days: null}\n"
    notes = "\n".join(schedule_notes(loaded(tmp_path, schedule, rest).specs.values()))
    assert "drift_check" in notes
    assert "nothing to delete" in notes


def test_a_scheduler_does_not_start_on_mistakes(tmp_path: Path) -> None:
    loaded(tmp_path, "  - {name: a, run: retention, cron: '0 0 30 2 *'}\n")
    with pytest.raises(ConfigError, match=r"payments\.yaml:7: .*never fires"):
        run_scheduler(tmp_path / "eddyline.yaml", threading.Event())
