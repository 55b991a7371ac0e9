"""Figures from sums: as good as exact ones, whatever the batches."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.evaluation import auroc, average_precision
from pipeline.jobs.score_summary import RankHistogram, Timeline, anomalous


@settings(max_examples=25, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(20, 3000), shift=st.floats(0.0, 20.0), scale=st.floats(0.1, 200.0))
def test_ranking_figures_agree_with_exact_ones(seed: int, rows: int, shift: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.random(rows) < 0.1
    labels[:2] = [True, False]
    scores = (rng.gamma(2.0, 1.0, rows) + shift * labels) * scale
    ranks = RankHistogram()
    for part in np.array_split(np.arange(rows), 3):
        ranks.add(scores[part], labels[part])
    assert ranks.auroc() == pytest.approx(auroc(scores, labels), abs=0.003)
    assert ranks.average_precision() == pytest.approx(average_precision(scores, labels), abs=0.01)
    assert ranks.anomalies == labels.sum()


def test_without_both_kinds_of_rows_there_is_no_figure() -> None:
    ranks = RankHistogram()
    assert ranks.auroc() is None
    assert ranks.average_precision() is None
    ranks.add(np.array([1.0, -1e9, 1e300]), np.zeros(3, np.bool_))
    assert ranks.auroc() is None


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pa.array([True, False, None]), [True, False, False]),
        (pa.array([1, 0, None], pa.int64()), [True, False, False]),
        (pa.array([0.0, 2.5]), [False, True]),
        (
            pa.array(["normal.", "smurf.", " Normal ", "", None, "0", "fraud"]),
            [False, True, False, False, False, False, True],
        ),
    ],
)
def test_labels_of_every_kind_say_what_is_anomalous(labels: pa.Array, expected: list[bool]) -> None:
    assert anomalous(labels).tolist() == expected


@settings(max_examples=25, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10_000), span_ms=st.integers(1, 10**9), split=st.integers(1, 400))
def test_a_timeline_keeps_every_row_and_the_highest_score_in_bounded_memory(
    seed: int, span_ms: int, split: int
) -> None:
    rng = np.random.default_rng(seed)
    times, scores = rng.integers(0, span_ms, 400), rng.normal(size=400)
    timeline = Timeline(most=50)
    timeline.add(times[:split], scores[:split])
    timeline.add(times[split:], scores[split:])
    points = timeline.points()
    assert len(points) <= 50
    assert sum(p.rows for p in points) == 400
    assert max(p.max_nats for p in points) == scores.max()
    assert sum(p.mean_nats * p.rows for p in points) == pytest.approx(scores.sum())
    assert [p.start_ms for p in points] == sorted(p.start_ms for p in points)
