"""VUS-PR against its definition written out, and what it is for."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.evaluation import average_precision
from detectors.evaluation.vus import vus_pr

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def soft_by_definition(labels: BoolArray, buffer: int) -> FloatArray:
    soft: FloatArray = labels.astype(np.float64)
    bounds = np.diff(labels.astype(int), prepend=0, append=0)
    for start, end in zip(np.flatnonzero(bounds == 1), np.flatnonzero(bounds == -1) - 1, strict=True):
        for distance in range(1, buffer // 2 + 1):
            for at in (start - distance, end + distance):
                if 0 <= at < len(labels):
                    soft[at] += np.sqrt(1.0 - distance / buffer)
    return np.asarray(np.minimum(soft, 1.0), dtype=np.float64)


def by_definition(scores: FloatArray, labels: BoolArray, max_buffer: int) -> float:
    """A threshold, an interval and a buffer at a time."""
    areas = []
    for buffer in range(max_buffer + 1):
        soft = soft_by_definition(labels, buffer)
        bounds = np.diff((soft > 0).astype(int), prepend=0, append=0)
        spans = list(zip(np.flatnonzero(bounds == 1), np.flatnonzero(bounds == -1), strict=True))
        area, last = 0.0, 0.0
        for threshold in sorted(set(scores), reverse=True):
            flagged = scores >= threshold
            caught = float(soft[flagged].sum())
            touched = sum(flagged[a:b].any() for a, b in spans) / len(spans)
            recall = min(caught / (0.5 * (labels.sum() + soft.sum())), 1.0) * touched
            area += (recall - last) * caught / flagged.sum()
            last = recall
        areas.append(area)
    return float(np.mean(areas))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40).filter(
        lambda pairs: 0 < sum(label for _, label in pairs) < len(pairs)
    ),
    max_buffer=st.integers(0, 9),
)
def test_equals_the_definition(pairs: list[tuple[int, bool]], max_buffer: int) -> None:
    scores = np.array([score for score, _ in pairs], dtype=float)
    labels = np.array([label for _, label in pairs])
    assert vus_pr(scores, labels, max_buffer=max_buffer) == pytest.approx(by_definition(scores, labels, max_buffer))


def series(points: int, seed: int = 0) -> tuple[FloatArray, BoolArray]:
    g = np.random.default_rng(seed)
    labels = np.zeros(points, dtype=bool)
    for start in g.integers(0, points - 60, points // 2_000):
        labels[start : start + 50] = True
    return g.normal(size=points), labels


def test_without_buffer_and_one_interval_found_first_it_is_average_precision() -> None:
    noise, labels = series(2_500)
    scores = noise + 2.0 * labels
    scores[np.flatnonzero(labels)[0]] = 99.0
    assert vus_pr(scores, labels, max_buffer=0) == pytest.approx(average_precision(scores, labels))


def test_a_score_that_stays_high_around_the_interval_is_not_punished_as_noise_is() -> None:
    noise, labels = series(10_000)
    around = np.convolve(labels, np.ones(61), mode="same") > 0
    elsewhere = np.roll(around & ~labels, 5_000) | labels
    kept = vus_pr(around + 0.01 * noise, labels, max_buffer=100)
    assert kept > vus_pr(elsewhere + 0.01 * noise, labels, max_buffer=100) + 0.1


def test_missing_an_interval_costs_more_than_its_points() -> None:
    labels = np.zeros(1_000, dtype=bool)
    labels[100:200] = labels[500:505] = True
    found = labels.astype(float)
    missed = found.copy()
    missed[500:505] = 0.0
    assert vus_pr(missed, labels, max_buffer=0) < 0.6 < vus_pr(found, labels, max_buffer=0)


def test_shifting_and_stretching_scores_changes_nothing() -> None:
    noise, labels = series(4_000)
    scores = noise + labels
    assert vus_pr(scores, labels, max_buffer=20) == vus_pr(np.exp(scores / 3), labels, max_buffer=20)


def test_forty_thousand_points_take_seconds_at_most() -> None:
    noise, labels = series(40_000)
    assert 0.0 < vus_pr(noise, labels, max_buffer=100) < 0.2


@pytest.mark.parametrize(
    ("scores", "labels", "max_buffer"),
    [
        ([1.0, 2.0], [True, True], 1),
        ([1.0, 2.0], [False, False], 1),
        ([1.0, np.nan], [True, False], 1),
        ([1.0], [True, False], 1),
        ([1.0, 2.0], [True, False], -1),
    ],
)
def test_figures_that_do_not_exist_are_refused(scores: list[float], labels: list[bool], max_buffer: int) -> None:
    with pytest.raises(ValueError):
        vus_pr(np.array(scores), np.array(labels), max_buffer=max_buffer)
