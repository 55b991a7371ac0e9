"""Recall with its interval, and falls of it that are not chance."""

import numpy as np
import pytest

from pipeline.canaries.recall import HOUR_MS, Z_95, has_fallen, live_recall, wilson
from pipeline.catalogue import CanaryCount

NOW_MS = 1_700_000_000_000


class Counts:
    def __init__(self, *counts: tuple[str, int, int, int]) -> None:
        """Model, hours ago, injected, caught."""
        self._counts = [
            CanaryCount(
                stream="s", model_id=m, family="stuck", hour_ms=NOW_MS - h * HOUR_MS, injected=injected, caught=caught
            )
            for m, h, injected, caught in counts
        ]

    def canary_counts(self, stream: str, since_ms: int, model_id: str | None = None) -> list[CanaryCount]:
        return sorted((c for c in self._counts if c.hour_ms >= since_ms), key=lambda c: c.hour_ms)


@pytest.mark.parametrize(("caught", "injected"), [(0, 10), (10, 10), (3, 7), (50, 100), (0, 1)])
def test_the_interval_is_where_the_score_test_does_not_reject(caught: int, injected: int) -> None:
    share = caught / injected
    low, high = wilson(caught, injected)
    for end in (low, high):
        if 0.0 < end < 1.0:
            assert abs(share - end) == pytest.approx(Z_95 * np.sqrt(end * (1 - end) / injected), rel=1e-6, abs=1e-7)
    assert 0.0 <= low <= share <= high <= 1.0
    assert wilson(0, 0) == (0.0, 1.0)


def test_intervals_hold_the_true_share_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    for share in (0.05, 0.5, 0.93):
        held = [(low <= share <= high) for c in rng.binomial(60, share, 2_000) for low, high in [wilson(int(c), 60)]]
        assert np.mean(held) > 0.93


def test_chance_is_seldom_called_a_fall_and_a_real_one_is() -> None:
    rng = np.random.default_rng(1)
    before, now = rng.binomial(800, 0.8, 3_000), rng.binomial(200, 0.8, 3_000)
    false = [has_fallen((int(b), 800), (int(n), 200)) for b, n in zip(before, now, strict=True)]
    assert np.mean(false) < 0.003
    assert has_fallen((640, 800), (120, 200))
    assert not has_fallen((640, 800), (190, 200)), "a rise is none"
    assert not has_fallen((0, 0), (0, 200))


def test_recall_is_of_the_last_day_and_of_the_champion() -> None:
    counts = Counts(("m1", 1, 100, 90), ("m1", 30, 100, 95), ("m0", 2, 50, 1))
    found = live_recall(counts, "s", "m1", now_ms=NOW_MS)
    [family] = found.families
    assert (family.injected, family.caught, family.recall) == (100, 90, 0.9)
    assert found.document()["families"][0]["low"] == pytest.approx(family.low)
    assert live_recall(counts, "s", None, now_ms=NOW_MS).families == ()


def test_a_fall_since_the_model_before_and_since_the_days_before_is_said() -> None:
    worse = live_recall(Counts(("m0", 60, 400, 380), ("m1", 40, 200, 100)), "s", "m1", now_ms=NOW_MS)
    assert [fall.since for fall in worse.falls] == ["model"]
    assert worse.falls[0].words == "stuck is caught 50% of the time, 95% with the model before"
    drifted = live_recall(Counts(("m1", 60, 400, 380), ("m1", 3, 100, 50)), "s", "m1", now_ms=NOW_MS)
    assert [fall.since for fall in drifted.falls] == ["day"]
    same = live_recall(Counts(("m0", 60, 400, 380), ("m1", 40, 200, 188), ("m1", 2, 50, 47)), "s", "m1", now_ms=NOW_MS)
    assert same.falls == ()
