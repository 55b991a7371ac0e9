"""`eddyline quality` as a person runs it; the run itself is made up, what becomes of it is not."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pipeline.catalogue.service_entries import QualityEntry
from pipeline.commands import quality_edit
from pipeline.commands.main import app
from pipeline.config import JobKind
from pipeline.expectations.document import Verdict
from pipeline.expectations.report.store import ReportFolder
from pipeline.scheduling import registry
from pipeline.scheduling.job import JobContext, JobOutcome
from tests.pipeline.expectations.report.documents import START_MS, past, result

Run = Callable[..., Result]
asked: list[dict[str, Any]] = []
INFERRED = "{at: 2026-11-12T00:00:00Z, rows: 10, window_rows: 5, windows: 2}"
SUITE = f"stream: payments\ninferred: {INFERRED}\ncolumns:\n  amount:\n    missing: {{most: 0.01}}\n"


def made_up(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """A run whose verdict is that of its name: `clean` datasets pass."""
    asked.append(arguments)
    job.report(0.5, "asking")
    verdict = Verdict.PASSED if arguments.get("dataset") == "clean" else Verdict.FAILED
    name = f"result{len(asked)}"
    document = result(name, verdict=verdict, created_ms=START_MS + len(asked), history=past(2))
    folder = ReportFolder(Path(job.context.settings.scheduler.reports))
    folder.write(document.document(), stream="payments", result_id=name, created_ms=document.created_ms, keep=3)
    entry = QualityEntry(
        result_id=name, stream="payments", subject="archive", verdict=verdict, evaluated=24, failed=4,
        created_ms=document.created_ms, page=f"payments/{name}.html",
    )  # fmt: skip
    job.catalogue.add_quality(entry)
    return JobOutcome(result={"results": [{"result_id": name, "verdict": verdict.value}]})


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    asked.clear()
    monkeypatch.setitem(registry.JOBS, JobKind.QUALITY_REPORT, f"{__name__}:made_up")
    (tmp_path / "streams").mkdir()
    (tmp_path / "eddyline.yaml").write_text("instance: here\n")
    (tmp_path / "streams" / "payments.yaml").write_text(
        "stream: payments\ntopic: payments\ncolumns:\n  - {name: amount, kind: numeric, roles: [feature]}\n"
        "budget: {alerts_per_day: 1}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments, **more: CliRunner().invoke(app, list(arguments), **more)


def test_a_failed_run_says_why_where_the_page_lies_and_ends_with_1(run: Run, tmp_path: Path) -> None:
    said = run("quality", "run", "payments", "--from", "2026-11-13", "--to", "2026-11-14T06:00")
    assert said.exit_code == 1, said.output
    assert asked == [{"start": "2026-11-13T00:00:00+00:00", "end": "2026-11-14T06:00:00+00:00"}]
    assert "Failed: 3 of 24 expectations failed, 1 could not be asked; 1 warning" in said.output
    assert "country: 31.2% missing, at most 1.2% expected" in said.output
    [path] = [line.split(": ")[1] for line in said.output.splitlines() if line.startswith("page:")]
    assert (tmp_path / path).is_file()
    assert "eddyline quality edit payments" in said.output


def test_a_run_that_passed_ends_with_0(run: Run) -> None:
    said = run("quality", "run", "payments", "--dataset", "clean")
    assert said.exit_code == 0, said.output
    assert "Passed" in said.output
    assert "quality edit" not in said.output


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--from", "2026-11-14", "--to", "2026-11-13"], "no event lies between"),
        (["--from", "yesterday"], "not a moment"),
        (["--dataset", "x", "--from", "2026-11-14"], "leave --from and --to out"),
        (["--suite", "nowhere.yaml"], "no such file"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_runs(run: Run, options: list[str], reason: str) -> None:
    said = run("quality", "run", "payments", *options)
    assert said.exit_code == 2
    assert reason in said.output
    assert asked == []


def test_another_suite_is_told_by_its_whole_path(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(SUITE)
    run("quality", "run", "payments", "--suite", "other.yaml")
    assert asked == [{"suite": str(tmp_path / "other.yaml")}]


def test_a_report_is_shown_in_the_terminal_without_personal_values(run: Run) -> None:
    run("quality", "run", "payments")
    said = run("quality", "show", "payments")
    assert said.exit_code == 0, said.output
    for told in ("amount: range", "129900, 4999", "8,402", "drift: amount, country moved", "note: the suite was"):
        assert told in said.output
    document = json.loads(run("quality", "show", "result1", "--json").output)
    assert document["result_id"] == "result1"
    assert run("quality", "show").output == said.output


def test_verdicts_are_listed_with_those_whose_page_went(run: Run) -> None:
    for _ in range(5):
        run("quality", "run", "payments")
    said = run("quality", "list")
    pages = [line.split()[-1] for line in said.output.splitlines() if " failed " in line and "of 24" in line]
    assert pages == ["yes", "yes", "yes", "-", "-"]
    entries = json.loads(run("quality", "list", "payments", "--limit", "2", "--json").output)
    assert [entry["result_id"] for entry in entries] == ["result5", "result4"]
    gone = run("quality", "show", "result1")
    assert gone.exit_code == 2
    assert "eddyline quality list" in gone.output


def test_nothing_yet_is_said_with_what_to_do(run: Run) -> None:
    assert "eddyline quality run" in run("quality", "list").output
    for command in (["show"], ["open"], ["show", "payments"]):
        said = run("quality", *command)
        assert said.exit_code == 2
        assert "quality" in said.output


def test_open_prints_the_path_where_there_is_no_browser(run: Run, tmp_path: Path) -> None:
    run("quality", "run", "payments")
    assert run("quality", "open", "payments").output.strip() == str(tmp_path / "reports/payments/result1.html")
    assert run("quality", "open").output.strip() == str(tmp_path / "reports/index.html")


def test_open_opens_where_there_is_one(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setattr("webbrowser.open", opened.append)
    run("quality", "run", "payments")
    run("quality", "open", "result1")
    assert opened == [(tmp_path / "reports/payments/result1.html").as_uri()]


# -- edit ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def suite(tmp_path: Path, run: Run) -> Path:
    (tmp_path / "quality").mkdir()
    path = tmp_path / "quality" / "payments.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes an editor that replaces one text by another, and a terminal."""
    monkeypatch.setattr(quality_edit, "has_terminal", lambda: True)

    def make(code: str) -> None:
        program = tmp_path / "editor.py"
        program.write_text(f"import sys, pathlib\nfile = pathlib.Path(sys.argv[1])\ntext = file.read_text()\n{code}\n")
        monkeypatch.setenv("EDITOR", f"{sys.executable} {program}")

    return make


def test_edit_without_a_terminal_prints_the_path(run: Run, suite: Path) -> None:
    assert run("quality", "edit", "payments").output.strip() == str(suite)


def test_edit_before_there_are_expectations_says_what_makes_them(run: Run) -> None:
    said = run("quality", "edit", "payments")
    assert said.exit_code == 2
    assert "eddyline quality run payments" in said.output


def test_what_is_right_replaces_the_file(run: Run, suite: Path, editor: Callable[[str], None]) -> None:
    editor("file.write_text(text.replace('0.01', '0.2'))")
    said = run("quality", "edit", "payments")
    assert said.exit_code == 0, said.output
    assert "0.2" in suite.read_text()


@pytest.mark.parametrize("answer", ["n\n", ""], ids=["no", "nothing"])
def test_what_is_wrong_does_not_and_is_said_by_line(
    run: Run, suite: Path, editor: Callable[[str], None], answer: str
) -> None:
    editor("file.write_text(text.replace('amount:', 'amuont:'))")
    said = run("quality", "edit", "payments", input=answer)
    assert said.exit_code == 2
    assert "payments.yaml:4:" in said.output
    assert suite.read_text() == SUITE
    assert "amuont" in suite.with_suffix(".rejected.yaml").read_text()


def test_it_can_be_put_right_in_a_second_try(run: Run, suite: Path, editor: Callable[[str], None]) -> None:
    editor("file.write_text(text.replace('0.01', 'x') if '0.01' in text else text.replace('x', '0.5'))")
    said = run("quality", "edit", "payments", input="y\n")
    assert said.exit_code == 0, said.output
    assert "0.5" in suite.read_text()


def test_an_editor_that_fails_changes_nothing(run: Run, suite: Path, editor: Callable[[str], None]) -> None:
    editor("file.write_text('ruined'); sys.exit(3)")
    said = run("quality", "edit", "payments")
    assert said.exit_code == 2
    assert "exit status 3" in said.output
    assert suite.read_text() == SUITE


def test_somebody_elses_change_meanwhile_is_not_lost(run: Run, suite: Path, editor: Callable[[str], None]) -> None:
    editor(f"file.write_text(text.replace('0.01', '0.3')); pathlib.Path({str(suite)!r}).write_text('theirs')")
    said = run("quality", "edit", "payments")
    assert said.exit_code == 2
    assert "somebody else" in said.output
    assert suite.read_text() == "theirs"
    assert "0.3" in suite.with_suffix(".rejected.yaml").read_text()


def test_nothing_changed_is_said(run: Run, suite: Path, editor: Callable[[str], None]) -> None:
    editor("pass")
    assert "is as it was" in run("quality", "edit", "payments").output
