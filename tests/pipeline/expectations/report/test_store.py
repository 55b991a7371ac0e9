"""The folder of reports: whole after any death, right under two writers, without links that lead nowhere."""

import json
import multiprocessing
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.expectations.document import Verdict
from pipeline.expectations.report.heads import INDEX_DATA
from pipeline.expectations.report.store import ReportFolder
from tests.pipeline.expectations.report.documents import DAY_MS, START_MS, past, result

Document = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> ReportFolder:
    return ReportFolder(tmp_path / "reports")


def small(at: int, *, stream: str = "payments") -> Document:
    """The result of run `at`, with a history and without pictures."""
    runs = past(64, stream=stream)
    made = result(f"r-{at}", stream=stream, verdict=runs[at].verdict, history=runs[:at], created_ms=runs[at].created_ms)
    return {**made.document(), "distributions": [], "volume": []}


def written(folder: ReportFolder, at: int, *, stream: str = "payments", keep: int | None = None) -> Path:
    document = small(at, stream=stream)
    return folder.write(document, stream=stream, result_id=f"r-{at}", created_ms=document["created_ms"], keep=keep)


def dead_links(root: Path) -> list[tuple[str, str]]:
    """Links of all pages that lead to no file."""
    found = []
    for page in root.rglob("*.html"):
        for link in re.findall(r'href="([^"#]+)"', page.read_text(encoding="utf-8")):
            if not (page.parent / link).resolve().is_file():
                found.append((page.name, link))
    return found


def entries(root: Path) -> set[str]:
    return {f"{path.parent.name}/{path.name}" for path in root.rglob("*") if path.is_file()}


def test_a_result_becomes_a_page_its_json_and_a_line_of_the_index(folder: ReportFolder, tmp_path: Path) -> None:
    path = written(folder, 1)
    assert path == tmp_path / "reports" / "payments" / "r-1.html"
    assert json.loads(path.with_suffix(".json").read_bytes())["result_id"] == "r-1"
    assert 'href="payments/r-1.html"' in folder.index.read_text(encoding="utf-8")
    assert [head.result_id for head in folder.reports()] == ["r-1"]
    assert folder.document(folder.found("payments"))["stream"] == "payments"


def test_old_reports_go_by_policy_and_nothing_links_to_them(folder: ReportFolder, tmp_path: Path) -> None:
    for at in range(9):
        written(folder, at, keep=4)
        written(folder, at, stream="logins", keep=None)
        assert dead_links(tmp_path) == []
    assert [head.result_id for head in folder.reports("payments")] == ["r-8", "r-7", "r-6", "r-5"]
    assert len(folder.reports("logins")) == 9
    newest = folder.path(folder.found("payments")).read_text(encoding="utf-8")
    assert 'href="r-7.html"' in newest
    assert newest.count("<li><span") == 6, "the five that went and this one still have their marks"
    assert folder.prune("logins", 1) == 8
    assert dead_links(tmp_path) == []


def test_a_result_written_again_replaces_itself(folder: ReportFolder) -> None:
    written(folder, 3)
    document = {**small(3), "reasons": ["another reason"]}
    path = folder.write(document, stream="payments", result_id="r-3", created_ms=document["created_ms"], keep=1)
    assert "another reason" in path.read_text(encoding="utf-8")
    assert folder.reports()[0].reason == "another reason"


def test_the_index_is_made_from_the_files_alone(folder: ReportFolder, tmp_path: Path) -> None:
    for at in range(4):
        written(folder, at)
    before = folder.index.read_text(encoding="utf-8")
    folder.index.unlink()
    for damage in ("", "{", '{"format": "eddyline.reports/1", "reports": [{"file": 1}]}', "[]"):
        (tmp_path / "reports" / INDEX_DATA).write_text(damage)
        assert folder.remake_index().read_text(encoding="utf-8") == before


def test_files_of_others_are_passed_over(folder: ReportFolder, tmp_path: Path) -> None:
    written(folder, 1)
    strange = tmp_path / "reports" / "payments"
    (strange / "notes.json").write_text("[1, 2]")
    (strange / "half.json").write_text('{"format": "eddyline.qual')
    (strange / "moved.json").write_bytes((strange / "r-1.json").read_bytes())
    assert [head.result_id for head in folder.reports()] == ["r-1"]


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", "a.b", ".hidden", "a b", "x" * 101, "Ä"])
def test_names_that_are_no_file_names_are_refused(folder: ReportFolder, tmp_path: Path, name: str) -> None:
    for stream, result_id in ((name, "r-1"), ("payments", name)):
        with pytest.raises(ConfigError):
            folder.write(small(1), stream=stream, result_id=result_id, created_ms=1, keep=None)
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_found_by_stream_or_by_the_beginning_of_its_id(folder: ReportFolder) -> None:
    for at in (1, 10, 11):
        written(folder, at)
    assert folder.found("payments").result_id == "r-11"
    assert folder.found("r-1").result_id == "r-1"
    with pytest.raises(ConfigError, match="several"):
        folder.found("r-")
    with pytest.raises(ConfigError, match="quality list"):
        folder.found("nobody")


def _writes(root: Path, stream: str, first: int) -> None:
    for at in range(first, first + 16, 2):
        written(ReportFolder(root), at, stream=stream, keep=6)


def test_two_writers_at_once_leave_a_whole_folder(folder: ReportFolder, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_writes, args=(tmp_path / "reports", "payments", first)) for first in (0, 1)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert [head.result_id for head in folder.reports()] == [f"r-{at}" for at in range(15, 9, -1)]
    assert dead_links(tmp_path) == []
    index = folder.index.read_text(encoding="utf-8")
    assert set(re.findall(r'href="payments/(r-\d+)\.html"', index)) == {f"r-{at}" for at in range(10, 16)}


def _dies_at(root: Path, call: str, step: int) -> None:
    """Write, and be killed at the given one of its renames or removals of files."""
    real = getattr(os, call)
    count = iter(range(1000))

    def deadly(*arguments: Any, **named: Any) -> Any:
        if next(count) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)

    setattr(os, call, deadly)
    written(ReportFolder(root), 7, keep=3)


@pytest.fixture
def four(folder: ReportFolder) -> ReportFolder:
    for at in range(3, 7):
        written(folder, at)
    return folder


@pytest.mark.parametrize(
    ("call", "step"), [*(("replace", step) for step in range(7)), *(("unlink", step) for step in range(4))]
)
def test_a_writer_killed_at_any_moment_leaves_nothing_half(
    four: ReportFolder, tmp_path: Path, call: str, step: int
) -> None:
    root = tmp_path / "reports"
    killed = multiprocessing.get_context("fork").Process(target=_dies_at, args=(root, call, step))
    killed.start()
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    index = four.index.read_text(encoding="utf-8")
    assert index.endswith("</html>\n")
    assert all((root / link).is_file() for link in re.findall(r'href="(payments/[^"]+)"', index))
    assert dead_links(tmp_path) == []

    written(four, 8, keep=3)
    names = [head.result_id for head in four.reports()]
    assert names in (["r-8", "r-6", "r-5"], ["r-8", "r-7", "r-6"])
    assert entries(root) == {
        *(f"payments/{name}.{suffix}" for name in names for suffix in ("html", "json")),
        *(f"reports/{name}" for name in ("index.html", "index.json", ".lock")),
    }
    assert dead_links(tmp_path) == []


def test_texts_that_no_file_can_hold_are_replaced(folder: ReportFolder) -> None:
    document = {**small(1), "reasons": ["half \ud800 a character"]}
    path = folder.write(document, stream="payments", result_id="r-1", created_ms=START_MS, keep=None)
    assert "half" in path.read_text(encoding="utf-8")
    assert "half" in folder.index.read_text(encoding="utf-8")


def test_the_index_tells_how_each_stream_stands(folder: ReportFolder) -> None:
    for at in (3, 4, 5):
        written(folder, at)
        written(folder, at, stream="logins")
    index = folder.index.read_text(encoding="utf-8")
    assert "6 reports: 4 passed, 2 failed" in index
    for stream in ("payments", "logins"):
        assert f'href="#stream-{stream}"' in index
        assert f'id="stream-{stream}"' in index
    assert index.count("The last 3 verdicts: 2 passed, 1 did not") == 2
    newest = re.findall(r'href="payments/(r-\d)\.html"', index.split('id="stream-payments"')[1])
    assert newest == ["r-5", "r-4", "r-3"]


def test_an_empty_folder_says_what_makes_a_report(folder: ReportFolder) -> None:
    assert folder.reports() == []
    assert folder.prune("payments", 1) == 0
    assert "eddyline quality run" in folder.remake_index().read_text(encoding="utf-8")


def test_results_of_one_moment_have_one_order(folder: ReportFolder) -> None:
    for name in ("b", "a", "c"):
        document = result(name, created_ms=START_MS + DAY_MS, verdict=Verdict.PASSED).document()
        folder.write(document, stream="payments", result_id=name, created_ms=START_MS + DAY_MS, keep=2)
    assert [head.result_id for head in folder.reports()] == ["c", "b"]
