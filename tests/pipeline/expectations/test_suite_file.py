"""The suite's file: read back as written, wrong entries named by line, people's changes kept."""

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.expectations.asked import edited_entries
from pipeline.expectations.inference import infer
from pipeline.expectations.suite_file import read_suite, suite_yaml, usable_suite, write_suite
from tests.pipeline.expectations.making import START_MS, inferred_of_simulated, orders_spec, orders_suite, orders_window


def written(folder: Path) -> Path:
    path = folder / "orders.yaml"
    write_suite(path, orders_suite(), {})
    return path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    suite, problems = read_suite(written(tmp_path), orders_spec())
    assert problems == ()
    assert suite == orders_suite()
    assert edited_entries(orders_suite()) == set()
    assert suite_yaml(inferred_of_simulated().suite, {}) == suite_yaml(inferred_of_simulated().suite, {})


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("  country:\n", "  land:\n", "columns.land: stream 'orders' has no such column"),
        (
            "    quantiles:",
            "    quantile:",
            "columns.amount.quantile: there is no such field: did you mean `quantiles`?",
        ),
        ("    true: {least: ", "    true: {least: 0.9, most: 0.1}\n    zeros: {least: ", "least 0.9 is above most 0.1"),
        ("  email:\n", "  email:\n    quantiles: {at: {'0.5': [1, 2]}}\n", "the column is text; this fits"),
        ("stream: orders", "stream: others", "'others' is stated, the file is for 'orders'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    path = written(tmp_path)
    text = path.read_text()
    assert text.count(was) == 1
    path.write_text(text.replace(was, becomes))
    line = text[: text.index(was)].count("\n") + 1
    _, problems = read_suite(path, orders_spec())
    assert any(said in problem.message and abs(problem.line - line) <= 1 for problem in problems), problems
    with pytest.raises(ConfigError, match=r"orders\.yaml:"):
        usable_suite(path, orders_spec())


def test_people_s_changes_outlive_a_new_inference(tmp_path: Path) -> None:
    path = written(tmp_path)
    text = path.read_text()
    start = text.index("  country:")
    missing = next(line for line in text[start:].splitlines() if "missing:" in line)
    edited = text[:start] + text[start:].replace(missing, "    missing: {most: 0.25, note: they forget it}", 1)
    edited = edited.replace("  standing:", "  # gone\n  #standing:", 1)
    path.write_text(edited)
    before = usable_suite(path, orders_spec())
    assert before is not None
    assert edited_entries(before) == {"columns.country.missing"}
    later = infer(orders_window(10.0, seed=9), stream="orders", window_hours=24.0, now_ms=START_MS, before=before)
    entry = later.suite.columns["country"].missing
    assert entry is not None
    assert (entry.most, entry.note) == (0.25, "they forget it")
    assert later.suite.rows.standing is None
    assert later.suite.columns["amount"].quantiles != before.columns["amount"].quantiles
    write_suite(path, later.suite, later.comments)
    again = usable_suite(path, orders_spec())
    assert again == later.suite
    assert "edited by hand" in path.read_text()
