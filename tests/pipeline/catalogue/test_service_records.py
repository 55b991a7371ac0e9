"""Alerts, feedback, decisions, verdicts, lineage and canaries in the catalogue, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from pipeline.catalogue import (
    AlertEntry,
    CanaryCount,
    Catalogue,
    DecisionEntry,
    EvaluationEntry,
    FeedbackEntry,
    LineageEdge,
    Place,
    QualityEntry,
    SchemaVersionEntry,
    WithdrawalEntry,
)
from pipeline.errors import ConfigError, ModelError
from tests.pipeline.catalogue.test_catalogue import stub

ALERT = AlertEntry(
    alert_id="aa11", stream="payments", revision=1, kind="anomaly", status="open", severity="warning",
    started_ms=100, last_ms=110, published_ms=120, model_id="m1", document={"id": "aa11", "event": {"card": "****"}},
)  # fmt: skip
PLACE = Place("payments.alerts", "id-1", 0)
FEEDBACK = FeedbackEntry(
    alert_id="aa11", stream="payments", verdict="confirmed", user="ada", given_ms=1, alert={"id": "aa11"}
)
DECISION = DecisionEntry(
    decision_id="d1", stream="payments", kind="promoted", model_id="bb", before_id="aa", by="schedule",
    reason="better", figures={"ap": 0.5}, decided_ms=5,
)  # fmt: skip
EDGE = LineageEdge(
    parent_kind="window", parent_id="payments:1-2:ff", child_kind="model", child_id="bb", stream="payments", made_ms=1
)

EVALUATION = EvaluationEntry(evaluation_id="e1", stream="payments", model_id="aa", created_ms=1, figures={"ap": 0.1})
SCHEMA = SchemaVersionEntry(stream="payments", version=1, sha256="0" * 64, columns={"a": "int64"}, seen_ms=1)
VERDICT = QualityEntry(
    result_id="q1", stream="payments", subject="archive", verdict="failed", evaluated=9, failed=2, created_ms=1,
    summary={"failed": ["amount"]},
)  # fmt: skip
WITHDRAWAL = WithdrawalEntry(
    kind="window", id="payments:1-2:ff", stream="payments", because_kind="window", because_id="payments:1-2:ff",
    reason="wrong clock", start_ms=1, end_ms=2, withdrawn_ms=5,
)  # fmt: skip


def test_a_higher_revision_replaces_and_offsets_never_go_back(catalogue: Catalogue) -> None:
    resolved = replace(ALERT, revision=3, status="resolved", cause="bad_data")
    catalogue.record_alerts([ALERT, resolved, replace(ALERT, revision=2)], {PLACE: 3}, "recorder")
    assert catalogue.alert("aa") == resolved
    catalogue.record_alerts([replace(ALERT, revision=2)], {PLACE: 2, PLACE._replace(topic_id="id-2"): 1}, "recorder")
    assert catalogue.alerts() == [resolved]
    assert catalogue.consumer_offsets("recorder", "payments.alerts") == {PLACE: 3, PLACE._replace(topic_id="id-2"): 1}
    assert catalogue.consumer_offsets("other", "payments.alerts") == {}


def test_two_recorders_at_the_same_alerts_lose_nothing(url: str) -> None:
    """After a rebalance the one before may still write what it had read."""
    recorders = [Catalogue.open(url) for _ in range(2)]

    def record(number: int) -> None:
        for turn in range(10):
            ids = range(20) if number else range(19, -1, -1)
            entries = [replace(ALERT, alert_id=f"a{i}", revision=turn) for i in ids]
            recorders[number].record_alerts(entries, {PLACE: turn}, "recorder")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(record, range(2)))
    found = recorders[0].alerts(limit=1_000)
    assert sorted(entry.alert_id for entry in found) == sorted(f"a{i}" for i in range(20))
    assert {entry.revision for entry in found} == {9}
    for opened in recorders:
        opened.close()


def test_alerts_are_listed_and_counted_by_what_is_asked(catalogue: Catalogue) -> None:
    def alert(number: int, **values: Any) -> AlertEntry:
        return replace(ALERT, alert_id=f"a{number}", published_ms=number, started_ms=number, **values)

    entries = [
        alert(1), alert(2, kind="storm"), alert(3, kind="silence"), alert(4, shadow=True),
        alert(5, stream="logins"), alert(6, model_id="m2"), alert(7, cause="bad_data"),
    ]  # fmt: skip
    catalogue.record_alerts(entries, {}, "recorder")
    assert [a.alert_id for a in catalogue.alerts("payments", since_ms=2, until_ms=6)] == ["a4", "a3", "a2"]
    assert [a.alert_id for a in catalogue.alerts(limit=2)] == ["a7", "a6"]
    assert [a.alert_id for a in catalogue.alerts("payments", cause="bad_data")] == ["a7"]
    assert catalogue.alert_counts("payments", "m1", 0, 100) == 3
    assert catalogue.alert_counts("payments", "m1", 2, 7) == 1
    with pytest.raises(ConfigError, match="several recorded alerts have"):
        catalogue.alert("a")
    with pytest.raises(ConfigError, match=r"no recorded alert has.*eddyline record"):
        catalogue.alert("zz")


def test_the_newest_word_on_an_alert_holds_and_all_are_kept(catalogue: Catalogue) -> None:
    first = catalogue.add_feedback(FEEDBACK)
    other = catalogue.add_feedback(replace(FEEDBACK, alert_id="bb22", score=0.5, note="seen"))
    last = catalogue.add_feedback(replace(FEEDBACK, verdict="withdrawn", given_ms=2))
    catalogue.add_feedback(replace(FEEDBACK, stream="logins"))
    assert [(f.feedback_id, f.verdict) for f in catalogue.feedback("payments")] == [
        (other, "confirmed"),
        (last, "withdrawn"),
    ]
    assert [f.feedback_id for f in catalogue.feedback("payments", after_id=other)] == [last]
    assert [f.feedback_id for f in catalogue.feedback_on("aa11")][-2:] == [last, first]
    assert catalogue.feedback_on("bb22")[0].score == 0.5


def test_a_decision_and_its_champion_are_written_together_or_not_at_all(catalogue: Catalogue) -> None:
    for model in ("aa", "bb", "cc"):
        catalogue.add_model(stub(model))
    catalogue.set_champion("payments", "aa", "first", 1)
    assert catalogue.decide(DECISION, champion="bb")
    assert catalogue.champion("payments") == "bb"
    assert not catalogue.decide(replace(DECISION, decision_id="d2", model_id="cc"), champion="cc"), "no longer aa's"
    assert catalogue.champion("payments") == "bb"
    with pytest.raises(ModelError, match="is not in the catalogue"):
        catalogue.decide(replace(DECISION, decision_id="d3", before_id="bb"), champion="zz")
    refused = replace(DECISION, decision_id="d4", kind="refused", model_id="cc", before_id="bb", decided_ms=9)
    assert catalogue.decide(refused, champion=None)
    assert catalogue.decisions("payments") == [refused, DECISION]
    assert catalogue.decisions("payments", limit=1) == [refused]
    assert [c.reason for c in catalogue.champions("payments")] == ["better", "first"]


def test_of_two_who_decide_at_once_one_is_told_no(url: str) -> None:
    deciders = [Catalogue.open(url) for _ in range(4)]
    for number in range(5):
        deciders[0].add_model(stub(f"m{number}"))
    deciders[0].set_champion("payments", "m4", "first", 1)

    def decide(number: int) -> bool:
        entry = replace(DECISION, decision_id=f"d{number}", model_id=f"m{number}", before_id="m4")
        return deciders[number].decide(entry, champion=f"m{number}")

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(decide, range(4))) == 1
    assert len(deciders[0].champions("payments")) == 2
    for opened in deciders:
        opened.close()


def test_evaluations_and_schemas_come_out_as_they_went_in(catalogue: Catalogue) -> None:
    catalogue.add_model(stub("aa"))
    entry = EVALUATION
    later = replace(entry, evaluation_id="e2", created_ms=2)
    for each in (entry, later, entry):
        catalogue.add_evaluation(each)
    assert catalogue.evaluations("payments") == [later, entry] == catalogue.evaluations("payments", "aa")
    assert catalogue.evaluations("payments", "bb") == []
    assert catalogue.evaluation("e2") == later
    catalogue.put_schema_version(SCHEMA)
    catalogue.put_schema_version(replace(SCHEMA, seen_ms=9))
    assert catalogue.schema_versions("payments") == [SCHEMA], "first seen stays"


def test_verdicts_are_listed_newest_first(catalogue: Catalogue) -> None:
    entry = VERDICT
    drift = replace(entry, result_id="q2", subject="drift", created_ms=2)
    catalogue.add_quality(entry)
    catalogue.add_quality(drift)
    assert catalogue.quality_results("payments") == [drift, entry] == catalogue.quality_results()
    assert catalogue.quality_results("payments", "archive") == [entry]
    assert catalogue.quality_result("q1") == entry
    with pytest.raises(ConfigError, match="several quality results have"):
        catalogue.quality_result("q")


def test_lineage_is_walked_both_ways_and_found_by_the_beginning_of_an_id(catalogue: Catalogue) -> None:
    dataset = replace(EDGE, parent_kind="model", parent_id="bb", child_kind="dataset", child_id="payments:ds")
    catalogue.add_edges([EDGE, dataset, EDGE])
    catalogue.add_edges([replace(EDGE, made_ms=99)])
    assert catalogue.parents("model", "bb") == [EDGE]
    assert catalogue.children("model", "bb") == [dataset]
    assert catalogue.find_node("payments:") == [("dataset", "payments:ds"), ("window", "payments:1-2:ff")]
    assert catalogue.find_node("b") == [("model", "bb")]
    assert catalogue.find_node("zz") == []


def test_what_is_withdrawn_keeps_its_first_reason(catalogue: Catalogue) -> None:
    entry = WITHDRAWAL
    catalogue.add_withdrawals([entry])
    catalogue.add_withdrawals([replace(entry, reason="other"), replace(entry, kind="model", id="bb", withdrawn_ms=9)])
    assert catalogue.is_withdrawn("window", "payments:1-2:ff")
    assert not catalogue.is_withdrawn("window", "bb")
    assert [w.reason for w in catalogue.withdrawals("payments")] == ["wrong clock", "wrong clock"]
    assert [w.kind for w in catalogue.withdrawals()] == ["model", "window"]


def test_canaries_add_up_within_their_hour(catalogue: Catalogue) -> None:
    catalogue.count_canaries("payments", "aa", {"spike": (2, 1), "swap": (1, 0)}, 0)
    catalogue.count_canaries("payments", "aa", {"spike": (3, 3)}, 0)
    catalogue.count_canaries("payments", "bb", {"spike": (1, 1)}, 3_600_000)
    spike = CanaryCount(stream="payments", model_id="aa", family="spike", hour_ms=0, injected=5, caught=4)
    assert catalogue.canary_counts("payments", 0, "aa")[0] == spike
    assert [(c.model_id, c.family) for c in catalogue.canary_counts("payments", 1)] == [("bb", "spike")]
