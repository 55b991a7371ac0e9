"""Old history goes, what people or decisions refer to stays; every question has its index. On both databases."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, text

from pipeline.catalogue import Catalogue, history
from tests.pipeline.catalogue.test_jobs import RUN
from tests.pipeline.catalogue.test_service_records import ALERT, DECISION, FEEDBACK, VERDICT


def test_old_history_goes_but_not_what_is_referred_to(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "ROWS_AT_ONCE", 3)
    entries = [replace(ALERT, alert_id=f"a{n}", published_ms=n) for n in range(20)]
    catalogue.record_alerts([*entries, replace(ALERT, alert_id="b1", stream="logins", published_ms=1)], {}, "recorder")
    catalogue.add_feedback(replace(FEEDBACK, alert_id="a2"))
    for n in range(20):
        catalogue.add_run(replace(RUN, run_id=f"r{n}", fire_ms=n, status="queued" if n == 1 else "failed"))
        catalogue.add_quality(replace(VERDICT, result_id=f"q{n}", created_ms=n))
    catalogue.decide(replace(DECISION, run_id="r3"))
    assert catalogue.trim_history("payments", before_ms=10) == 9 + 8 + 10
    kept = {f"a{n}" for n in range(10, 20)} | {"a2", "b1"}
    assert {alert.alert_id for alert in catalogue.alerts()} == kept
    assert {run.run_id for run in catalogue.runs()} == {f"r{n}" for n in range(10, 20)} | {"r1", "r3"}
    assert {result.result_id for result in catalogue.quality_results()} == {f"q{n}" for n in range(10, 20)}
    assert catalogue.trim_history("payments", before_ms=10) == 0


def test_many_of_one_moment_are_all_let_go(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "ROWS_AT_ONCE", 3)
    catalogue.record_alerts([replace(ALERT, alert_id=f"a{n}", published_ms=5) for n in range(20)], {}, "recorder")
    assert catalogue.trim_history("payments", before_ms=6) == 20


QUESTIONS: tuple[Callable[[Catalogue], object], ...] = (
    lambda c: c.model("ab") if c.models("s") else None,
    lambda c: c.champion("s"),
    lambda c: c.champions("s"),
    lambda c: c.datasets("s"),
    lambda c: c.generators("s"),
    lambda c: c.requests("s"),
    lambda c: c.requests_for("d"),
    lambda c: c.known_dataset("d"),
    lambda c: c.runs(),
    lambda c: c.runs("s"),
    lambda c: c.runs("s", "j"),
    lambda c: c.runs(status="failed"),
    lambda c: c.runs("s", status="failed"),
    lambda c: c.runs("s", "j", status="queued", limit=1),
    lambda c: c.due_runs(1),
    lambda c: c.running_runs(),
    lambda c: c.alerts(),
    lambda c: c.alerts("s"),
    lambda c: c.alerts("s", 1, 2),
    lambda c: c.alerts("s", cause="bad_data"),
    lambda c: c.alert_counts("s", "m", 0, 1),
    lambda c: c.feedback("s", after_id=1),
    lambda c: c.feedback_on("a"),
    lambda c: c.decisions("s"),
    lambda c: c.evaluations("s"),
    lambda c: c.evaluations("s", "m"),
    lambda c: c.quality_results(),
    lambda c: c.quality_results("s"),
    lambda c: c.quality_results("s", "drift"),
    lambda c: c.parents("model", "m"),
    lambda c: c.children("model", "m"),
    lambda c: c.find_node("ab"),
    lambda c: c.is_withdrawn("model", "m"),
    lambda c: c.canary_counts("s", 0),
    lambda c: c.consumer_offsets("c", "t"),
    lambda c: c.lease("scheduler"),
)


def plans(catalogue: Catalogue, question: Callable[[Catalogue], object]) -> list[str]:
    """How the database would find every answer of a question."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.lstrip().startswith("SELECT") and "FROM" in statement:
            asked.append((statement, parameters))

    event.listen(catalogue._engine, "before_cursor_execute", note)
    question(catalogue)
    event.remove(catalogue._engine, "before_cursor_execute", note)
    assert asked
    is_sqlite = catalogue._engine.dialect.name == "sqlite"
    found = []
    with catalogue._reading() as connection:
        if not is_sqlite:
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # empty tables are read from end to end
        for statement, parameters in asked:
            explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
            rows = connection.exec_driver_sql(explain + statement, parameters)
            found.append("\n".join(str(row[-1]) for row in rows))
    return found


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_every_question_is_answered_from_an_index(catalogue: Catalogue, number: int) -> None:
    for plan in plans(catalogue, QUESTIONS[number]):
        lines = [line for line in plan.splitlines() if "SCAN" in line or "Seq Scan" in line]
        scans = [
            line for line in lines if "INDEX" not in line and "LIST SUBQUERY" not in line and "CONSTANT" not in line
        ]
        assert not scans, plan


PREFIXES: tuple[Callable[[Catalogue], object], ...] = (
    lambda c: c._models(_begins("ModelRow", "model_id")),
    lambda c: _none(c.alert),
    lambda c: _none(c.run),
    lambda c: _none(c.evaluation),
    lambda c: _none(c.quality_result),
    lambda c: _none(c.dataset),
    lambda c: _none(c.generator),
    lambda c: _none(c.request),
    lambda c: c.find_node("ab"),
)


def _begins(row: str, column: str) -> Any:
    from pipeline.catalogue import tables
    from pipeline.catalogue.connected import begins_with

    return begins_with(getattr(getattr(tables, row), column), "ab")


def _none(ask: Callable[[str], object]) -> None:
    from pipeline.errors import EddylineError

    with pytest.raises(EddylineError):
        ask("ab")


@pytest.mark.parametrize("number", range(len(PREFIXES)))
def test_the_beginning_of_an_id_is_one_stretch_of_an_index(catalogue: Catalogue, number: int) -> None:
    for plan in plans(catalogue, PREFIXES[number]):
        is_stretch = "Index Cond" in plan if catalogue._engine.dialect.name == "postgresql" else ">? AND" in plan
        assert is_stretch, plan
