"""Rows that the champion flags: few are left out, many are a stream that moved, judged ones are untouched."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from detectors.feedback import RowLabels
from detectors.pca import PcaDetector
from detectors.thresholds import Budget, calibrate
from pipeline.jobs.train import score_table
from pipeline.lifecycle.flagged import is_drift, leave_out_flagged
from pipeline.model_store import Bundle, ModelStore
from tests.pipeline.lifecycle.making import readings, stream_of_readings


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder: Path = tmp_path_factory.mktemp("models")
    learned, held_out = readings(1, seed=1), readings(1, seed=2)
    detector = PcaDetector()
    detector.fit(learned)
    threshold = calibrate(score_table(detector, held_out), budget=Budget(share_of_events=0.01))
    return ModelStore(folder).save(
        stream="readings", detector=detector, threshold=threshold, schema=stream_of_readings().schema(),
        created_ms=1, facts={},
    )  # fmt: skip


def test_a_few_flagged_rows_are_left_out_highest_first_up_to_the_share(champion: Bundle) -> None:
    table = readings(2, seed=3)
    scores = score_table(champion.detector, table)
    flagged = int(champion.threshold.flags(scores).sum())
    assert flagged > 10
    kept, _, found = leave_out_flagged(table, None, champion, most_share=0.5)
    assert (found.flagged, found.left_out, found.drifted) == (flagged, flagged, False)
    assert kept.num_rows == table.num_rows - flagged
    assert score_table(champion.detector, kept).max() <= champion.threshold.nats
    fewer, _, capped = leave_out_flagged(table, None, champion, most_share=5 / table.num_rows)
    assert capped.left_out == 5
    assert fewer.num_rows == table.num_rows - 5
    assert score_table(champion.detector, fewer).max() == np.sort(scores)[-6]


def test_a_stream_that_moved_is_learned_whole(champion: Bundle) -> None:
    table = readings(1, seed=4, shifted=True)
    kept, _, found = leave_out_flagged(table, None, champion, most_share=0.5)
    assert found.drifted
    assert found.flagged > table.num_rows / 4
    assert kept.num_rows == table.num_rows


def test_rows_that_people_spoke_of_stay_with_their_labels(champion: Bundle) -> None:
    table = readings(1, seed=5)
    scores = score_table(champion.detector, table)
    highest = np.argsort(-scores)[:4]
    labels = RowLabels.none(table.num_rows)
    labels.confirmed_N[highest[:2]] = True
    labels.false_positive_N[highest[2:]] = True
    kept, taken, found = leave_out_flagged(table, labels, champion, most_share=0.5)
    assert taken is not None
    assert found.left_out > 0
    assert len(taken.confirmed_N) == kept.num_rows
    assert (int(taken.confirmed_N.sum()), int(taken.false_positive_N.sum())) == (2, 2)
    np.testing.assert_array_equal(
        np.sort(score_table(champion.detector, kept)[taken.judged_N]), np.sort(scores[highest])
    )
    assert isinstance(kept, pa.Table)


@pytest.mark.parametrize(
    ("flagged", "rows", "drifted"),
    [(0, 1_000, False), (10, 1_000, False), (60, 1_000, False), (80, 1_000, True), (3, 20, False), (0, 0, False)],
)
def test_drift_is_far_more_than_calibrated_for_and_beyond_chance(flagged: int, rows: int, drifted: bool) -> None:
    assert is_drift(flagged, rows, expected_share=0.01) is drifted
