"""Which rows of the archive an alert's verdict is about."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from detectors.feedback import RowLabels
from pipeline.alerts.identity import key_hash
from pipeline.alerts.model import Alert, AlertKind
from pipeline.feedback.labels import FeedbackLabels, feedback_fact, labels_of, taught_by
from tests.alerts.builders import TOPIC_ID
from tests.feedback.builders import alert_of, said

KEYS = ["ada", "bob", "ada", "ada", "bob", "ada", None]
BATCH = pa.record_batch({"customer": KEYS})
OFFSETS = np.arange(10, 17)


def alert(first: int, last: int, key: str | None = "ada", number: int = 1, **changes: Any) -> Alert:
    made = alert_of(key, id=f"{number:032x}", first_offset=first, last_offset=last, partition=3, topic_id=TOPIC_ID)
    return replace(made, **changes)


def rows(labels: FeedbackLabels, **changes: Any) -> RowLabels:
    place = {"topic_id": TOPIC_ID, "partition": 3, **changes}
    return labels.of(
        BATCH, OFFSETS, key_columns=("customer",), hashed=lambda key: key_hash(key, topic_id=TOPIC_ID), **place
    )


def where(mask: Any) -> list[int]:
    return [int(offset) for offset in OFFSETS[mask]]


def test_the_ends_were_flagged_and_rows_between_count_where_they_are_said_to_be() -> None:
    labels = labels_of([said(1, "confirmed", alert(10, 15))])
    assert where(rows(labels).confirmed_N) == [10, 15]
    flagged = np.array([True, True, False, True, False, False, False])
    assert where(rows(labels, flagged_B=flagged).confirmed_N) == [10, 13, 15], "bob's flagged row is not ada's"


@pytest.mark.parametrize("place", [{"topic_id": "another"}, {"partition": 2}])
def test_other_partitions_and_incarnations_are_left_alone(place: dict[str, Any]) -> None:
    assert not rows(labels_of([said(1, "confirmed", alert(10, 15))]), **place).judged_N.any()


def test_a_storm_is_about_every_key() -> None:
    storm = alert(10, 11, kind=AlertKind.STORM, key=None, key_hash=None)
    assert where(rows(labels_of([said(1, "false_positive", storm)])).false_positive_N) == [10, 11]


def test_the_newer_verdict_on_a_row_holds_and_withdrawn_ones_say_nothing() -> None:
    older, newer = said(1, "false_positive", alert(10, 12)), said(2, "confirmed", alert(12, 15, number=2))
    labels = rows(labels_of([newer, older]))
    assert (where(labels.confirmed_N), where(labels.false_positive_N)) == ([12, 15], [10])
    assert not labels_of([older, said(3, "withdrawn", alert(10, 12))])


def test_silence_is_about_no_row() -> None:
    assert not labels_of([said(1, "confirmed", alert(10, 12, kind=AlertKind.SILENCE))])


def test_a_bundle_says_which_verdicts_found_rows_that_it_learned_from() -> None:
    labels = labels_of([said(4, "confirmed", alert(10, 12)), said(5, "confirmed", alert(90, 99, number=2))])
    met: set[int] = set()
    rows(labels, met=met)
    fact = feedback_fact(labels, confirmed_rows=2, false_positive_rows=0, met=met)
    assert taught_by({"feedback": fact}) == {4}
    assert taught_by({}) == frozenset()
    assert labels.feedback_ids == (4, 5)
