"""Score drift: nothing while the stream stays, decades when it moves, forgotten when it is over."""

import numpy as np
import pytest

from detectors.score_drift import HALF_LIFE_ROWS, ScoreDrift, counts_below_levels
from detectors.thresholds import Budget, calibrate

RNG_SEED = 3


def fed(drift: ScoreDrift, tails: np.ndarray, batch: int = 1_000) -> ScoreDrift:
    for start in range(0, len(tails), batch):
        part = tails[start : start + batch]
        drift.add(len(part), counts_below_levels(part))
    return drift


def test_the_calibrations_own_stream_does_not_drift() -> None:
    g = np.random.default_rng(RNG_SEED)
    threshold = calibrate(g.exponential(3.0, 20_000), budget=Budget(share_of_events=0.002))
    drift = fed(ScoreDrift(), threshold.tail_probability(g.exponential(3.0, 30_000)))
    assert drift.decades == pytest.approx(0.0, abs=0.1)


def test_more_high_scores_are_counted_in_decades_and_fewer_are_negative() -> None:
    g = np.random.default_rng(RNG_SEED)
    often = fed(ScoreDrift(), np.where(g.random(20_000) < 0.1, 0.001, g.uniform(0.02, 1.0, 20_000)))
    assert often.decades == pytest.approx(1.0, abs=0.05)
    never = fed(ScoreDrift(), g.uniform(0.5, 1.0, 20_000))
    assert never.decades is not None
    assert never.decades < -1.0


def test_a_burst_is_forgotten_and_batches_do_not_matter() -> None:
    g = np.random.default_rng(RNG_SEED)
    quiet, burst = g.uniform(size=20_000), np.full(2_000, 0.001)
    hit = fed(fed(ScoreDrift(), quiet), burst)
    assert hit.decades is not None
    assert hit.decades > 0.7
    later = fed(hit, g.uniform(size=8 * HALF_LIFE_ROWS))
    assert later.decades == pytest.approx(0.0, abs=0.05)
    one, other = fed(ScoreDrift(), quiet, batch=500), fed(ScoreDrift(), quiet, batch=5_000)
    assert one.decades == pytest.approx(other.decades, abs=0.02)


def test_it_is_too_early_to_say_before_enough_rows() -> None:
    assert ScoreDrift().decades is None
    assert fed(ScoreDrift(), np.full(150, 0.001)).decades is None
