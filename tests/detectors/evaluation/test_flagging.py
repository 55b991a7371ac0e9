"""Budgets are never exceeded, and a delay is counted from an event's first row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.evaluation import at_budget, budget_threshold, detection_delays, label_events


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 50))
def test_a_budget_is_kept_and_used_up_to_ties(levels: list[int], flagged: int) -> None:
    scores = np.array(levels, dtype=np.float64)
    above = int((scores > budget_threshold(scores, flagged)).sum())
    assert above <= flagged
    lower = np.unique(scores)[::-1]
    assert all((scores >= level).sum() > flagged for level in lower if (scores >= level).sum() > above)


def test_precision_and_recall_within_a_budget() -> None:
    scores = np.array([9.0, 8.0, 7.0, 1.0, 0.0])
    figures = at_budget(scores, np.array([True, False, False, True, False]), flagged=2)
    assert (figures.flagged, figures.precision, figures.recall) == (2, 0.5, 0.5)


def test_delays_count_from_the_first_row_of_each_event() -> None:
    event = np.array([0, -1, 0, 1, 0, 2, 2])
    flags = np.array([False, True, False, True, True, False, False])
    times = np.arange(7) * 1_000
    delays = detection_delays(flags, event, times_ms=times)
    assert (delays.events, delays.noticed) == (3, 2)
    assert delays.rows_E.tolist() == [2, 0, -1]
    assert (delays.median_rows, delays.median_seconds) == (1.0, 2.0)
    nothing = detection_delays(np.zeros(7, dtype=bool), np.full(7, -1))
    assert (nothing.events, nothing.noticed) == (0, 0)
    assert np.isnan(nothing.median_rows)


def test_labelled_rows_of_a_key_in_a_row_are_one_event() -> None:
    labels = np.array([True, True, False, True, True, True])
    groups = np.array([0, 1, 1, 0, 1, 1])
    assert label_events(labels, group_N=groups).tolist() == [0, 1, -1, 0, 2, 2]
    times = np.array([0, 1, 2, 900_000, 4, 5])
    assert label_events(labels, group_N=groups, times_ms=times, gap_seconds=60.0).tolist() == [0, 2, -1, 1, 3, 3]
    assert label_events(np.zeros(3, dtype=bool)).tolist() == [-1, -1, -1]
    assert label_events(np.array([True]), times_ms=np.array([5.0]), gap_seconds=1.0) == pytest.approx([0])
