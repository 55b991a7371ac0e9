"""Verdicts on alerts as a training meets them: in the archive's older part and in its newest."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from pipeline.alerts.identity import key_hash
from pipeline.feedback.labels import labels_of, taught_by
from pipeline.jobs.training_data import TrainingData
from pipeline.lifecycle.rows import FeedbackJudge, LeftOut
from pipeline.masking import Masker
from tests.feedback.builders import Entry, alert_of, said
from tests.jobs.archived import Archived
from tests.jobs.test_training_data import SPEC, archive, held_out


def verdict(number: int, word: str, row: int) -> Entry:
    """On the alert of one archived row: two partitions, five keys in turn."""
    key = None if row % 5 == 4 else f"k{row % 5}"
    at = row // 2
    alert = alert_of(key, id=f"{number:032x}", partition=row % 2, topic_id="t0", first_offset=at, last_offset=at)
    return said(number, word, replace(alert, key_hash=None if key is None else key_hash(key, topic_id="t0")))


def test_what_was_said_of_old_and_recent_events_teaches_and_only_confirmed_ones_are_not_calibrated_on() -> None:
    rows = archive(1_000).append_column("_offset", pa.array(np.arange(1_000) // 2))
    entries = [
        verdict(1, "false_positive", 100),
        verdict(2, "confirmed", 202),
        verdict(3, "confirmed", 903),
        verdict(4, "false_positive", 906),
        verdict(5, "confirmed", 3_000),
    ]
    left_out = LeftOut([], FeedbackJudge(SPEC, labels_of(entries), Masker(SPEC)))
    data = TrainingData(SPEC, Archived(rows, batch_rows=61), leave_out=left_out)
    fit = data.fit_sample()
    assert data.labels is not None
    x = fit["x"].to_numpy()
    assert x[data.labels.confirmed_N].tolist() == [202, 903]
    assert x[data.labels.false_positive_N].tolist() == [100, 906]
    assert (fit.num_rows, data.fit_part_rows) == (752, 750)
    assert set(range(750, 1_000)) - set(held_out(data)) == {903}
    facts = left_out.facts()
    assert taught_by(facts) == {1, 2, 3, 4}, "what found no event is not learned, and its rule goes on"
    assert (facts["feedback"]["confirmed_rows"], facts["feedback"]["false_positive_rows"]) == (2, 2)
