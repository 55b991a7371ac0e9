"""A false positive keeps its like quiet, and nothing else."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.alerts.masking import Masking
from pipeline.alerts.model import AlertKind, Flagged
from pipeline.feedback.rules import HORIZON_MS, MOST_DEVIATION, QuietRules
from tests.alerts.builders import TOPIC_ID, FullMasking, OpenMasking, make_engine, make_spec, observe, reason, row
from tests.feedback.builders import Entry, alert_of, said


def quiet(entries: list[Entry], flagged: Flagged, masking: Masking | None = None) -> bool:
    rules = QuietRules.of(entries)
    return rules.quiet(flagged, flagged.reasons, masking or OpenMasking(), topic_id=TOPIC_ID)


FALSE = said(1, "false_positive", alert_of())
"""Of ada: amount 500 where 40 was expected."""


@pytest.mark.parametrize(
    ("flagged", "is_quiet"),
    [
        (row(9, 60), True),
        (row(9, 60, "bob"), False),
        (row(9, 60, None), False),
        (row(9, 60, reasons=(reason("country", actual="SE", expected="NO"),)), False),
        (row(9, 60, reasons=(reason(actual=40 + 460 * MOST_DEVIATION),)), True),
        (row(9, 60, reasons=(reason(actual=41 + 460 * MOST_DEVIATION),)), False),
        (row(9, 60, reasons=(reason(actual=-420.0),)), False),
        (row(9, 60, reasons=(reason(actual=None),)), False),
        (row(9, 60, reasons=()), False),
        (row(9, 60, tail=1.01e-5), True),
        (row(9, 60, tail=0.99e-5), False),
        (row(9, HORIZON_MS / 1000), True),
        (row(9, HORIZON_MS / 1000 + 1), False),
    ],
)
def test_only_the_like_is_kept_quiet(flagged: Flagged, is_quiet: bool) -> None:
    assert quiet([FALSE], flagged) is is_quiet


@pytest.mark.parametrize(("value", "is_quiet"), [("SE", True), ("NO", False), (None, False), (True, False)])
def test_of_names_only_the_same_value_is_alike(value: Any, is_quiet: bool) -> None:
    judged = alert_of(reasons=(reason("country", actual="SE", expected="DK"),))
    flagged = row(9, 60, reasons=(reason("country", actual=value, expected="DK"),))
    assert quiet([said(1, "false_positive", judged)], flagged) is is_quiet


def test_without_reasons_or_keys_the_like_is_what_has_none_either() -> None:
    judged = alert_of(None, reasons=())
    assert quiet([said(1, "false_positive", judged)], row(9, 60, None, reasons=()))
    assert not quiet([said(1, "false_positive", judged)], row(9, 60, "ada", reasons=()))


def test_a_storm_speaks_for_every_key_and_not_as_long() -> None:
    storm = said(1, "false_positive", alert_of(kind=AlertKind.STORM, key=None, key_hash=None))
    assert quiet([storm], row(9, 60, "bob"))
    assert not quiet([storm], row(9, 86_401, "bob"))


@pytest.mark.parametrize("kind", [AlertKind.SILENCE, AlertKind.REJECTS])
def test_verdicts_on_what_no_event_caused_keep_nothing_quiet(kind: AlertKind) -> None:
    assert not len(QuietRules.of([said(1, "false_positive", alert_of(kind=kind, reasons=()))]))


def test_the_newest_word_on_an_alert_holds() -> None:
    alert = alert_of()
    assert not quiet([FALSE, said(2, "withdrawn", alert)], row(9, 60))
    assert not quiet([FALSE, said(2, "confirmed", alert)], row(9, 60))
    assert quiet([FALSE, said(2, "confirmed", alert), said(3, "false_positive", alert)], row(9, 60))


def test_a_confirmed_alert_ends_older_rules_of_the_like_and_no_other() -> None:
    like = said(2, "confirmed", replace(alert_of(), id="f" * 32, started_ms=60_000, last_ms=60_000))
    other = said(2, "confirmed", replace(alert_of("bob"), id="e" * 32))
    assert not quiet([FALSE, like], row(9, 60))
    assert quiet([FALSE, other], row(9, 60))
    assert quiet([like, replace(FALSE, feedback_id=3)], row(9, 60)), "a newer false positive is believed again"


def test_a_rule_ends_for_a_model_that_was_taught_by_it() -> None:
    rules = QuietRules.of([FALSE, said(2, "false_positive", replace(alert_of("bob"), id="e" * 32))])
    assert len(rules.without(frozenset())) == 2
    left = rules.without(frozenset({1, 77}))
    assert [rule.feedback_id for found in left.by_column.values() for rule in found] == [2]


def test_masked_keys_and_values_are_compared_as_they_are_shown() -> None:
    masking = FullMasking()
    judged = replace(
        alert_of(), key_hash=masking.key_hash("ada", topic_id=TOPIC_ID), reasons=(masking.reason(reason()),)
    )
    entries = [said(1, "false_positive", judged)]
    assert quiet(entries, row(9, 60), masking)
    assert not quiet(entries, row(9, 60, "bob"), masking)


def test_an_engine_counts_what_it_keeps_quiet_and_still_alerts_on_others() -> None:
    rules = QuietRules.of([FALSE])
    engine = make_engine(make_spec())
    staged = observe(engine, [row(5, 1), row(6, 2, "bob"), row(7, 3)], quiet=rules)
    assert (staged.judged_false, [alert.key for alert in staged.alerts]) == (2, ["bob"])
    assert staged.suppressed == 0


rows = st.builds(
    row,
    st.integers(0, 50),
    st.floats(0, 3_000),
    st.sampled_from(["ada", "bob", None]),
    tail=st.sampled_from([1e-4, 1e-6]),
    reasons=st.sampled_from([(reason(),), (reason(actual=-10.0),), ()]),
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(rows, max_size=12), st.integers(0, 12))
def test_where_a_batch_is_cut_changes_nothing(flagged: list[Flagged], cut: int) -> None:
    rules = QuietRules.of([FALSE])
    flagged = [
        replace(one, offset=n, watermark_ms=max(r.time_ms for r in flagged[: n + 1])) for n, one in enumerate(flagged)
    ]

    def outcome(*batches: list[Flagged]) -> tuple[int, list[tuple[str, int]]]:
        engine, quiet_rows, alerts = make_engine(make_spec()), 0, list[tuple[str, int]]()
        newest = 0.0
        for batch in batches:
            newest = max([newest, *(r.time_ms / 1000 for r in batch)])
            staged = observe(engine, batch, watermark_seconds=newest, quiet=rules)
            engine.commit(staged)
            quiet_rows += staged.judged_false
            alerts += [(a.id, a.events) for a in staged.alerts]
        return quiet_rows, alerts

    assert outcome(flagged) == outcome(flagged[:cut], flagged[cut:])
