"""Recalibration: drift is followed and the promise kept again; an attack does not raise the threshold."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from detectors.alert_counts import AlertCounter, count_alerts
from detectors.errors import UnusableDataError
from detectors.recalibration import LEAST_AIM, TARGET, AdaptationRule, Outcome, Recalibrated, recalibrate
from detectors.thresholds import Budget, Kept, Threshold, calibrate, kept

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
DAY_MS = 86_400_000
ROWS_A_DAY = 4_000
KEYS = 200
GAP_SECONDS = 300.0
PER_DAY = 20.0
WINDOW_DAYS = 7


@dataclass(frozen=True)
class Rows:
    scores: Floats
    times: Ints
    groups: Ints

    def joined(self, other: "Rows") -> "Rows":
        return Rows(
            np.concatenate([self.scores, other.scores]),
            np.concatenate([self.times, other.times]),
            np.concatenate([self.groups, other.groups]),
        )

    def between(self, first_day: float, last_day: float) -> "Rows":
        chosen = (self.times >= first_day * DAY_MS) & (self.times < last_day * DAY_MS)
        return Rows(self.scores[chosen], self.times[chosen], self.groups[chosen])


def usual(days: int, *, seed: int = 0, growth: float = 1.0, start_day: int = 0) -> Rows:
    """Exponential scores of many keys, their scale `growth` times as large each day."""
    g = np.random.default_rng(seed)
    times = np.sort(g.integers(start_day * DAY_MS, (start_day + days) * DAY_MS, days * ROWS_A_DAY))
    scale = growth ** (times / DAY_MS - start_day)
    return Rows(g.exponential(3.0, len(times)) * scale, times, g.integers(0, KEYS, len(times)))


def attack(*, day: float, hours: float, rows: int, keys: int, seed: int = 1) -> Rows:
    g = np.random.default_rng(seed)
    times = np.sort(g.integers(int(day * DAY_MS), int((day + hours / 24) * DAY_MS), rows))
    return Rows(g.normal(90.0, 5.0, rows), times, g.integers(0, keys, rows))


def calibrated(rows: Rows) -> Threshold:
    budget = Budget(alerts_per_day=PER_DAY)
    return calibrate(rows.scores, budget=budget, times_ms=rows.times, groups=rows.groups, gap_seconds=GAP_SECONDS)


def once(threshold: Threshold, rows: Rows, *, served: Floats | None = None, seconds: float = 86_400.0) -> Recalibrated:
    return recalibrate(
        threshold,
        rows.scores,
        times_ms=rows.times,
        groups=rows.groups,
        gap_seconds=GAP_SECONDS,
        seconds_since=seconds,
        served_nats=served,
    )


def followed(threshold: Threshold, rows: Rows, *, days: int, first_day: int) -> tuple[list[float], Floats]:
    """Recalibrate at the end of every day; the threshold of each day and of each row."""
    served, nats = np.full(len(rows.scores), threshold.nats), []
    for day in range(first_day, first_day + days):
        today = (rows.times >= day * DAY_MS) & (rows.times < (day + 1) * DAY_MS)
        served[today] = threshold.nats
        nats.append(threshold.nats)
        window = (rows.times >= (day + 1 - WINDOW_DAYS) * DAY_MS) & (rows.times < (day + 1) * DAY_MS)
        chosen = Rows(rows.scores[window], rows.times[window], rows.groups[window])
        threshold = once(threshold, chosen, served=served[window]).threshold
    return nats, served


def alerts(rows: Rows, nats: float | Floats) -> int:
    return count_alerts(rows.scores > nats, times_ms=rows.times, groups=rows.groups, gap_seconds=GAP_SECONDS)


def test_a_gradual_drift_is_followed_and_the_promise_kept() -> None:
    rows = usual(40, growth=1.02)
    threshold = calibrated(rows.between(0, WINDOW_DAYS))
    _, served = followed(threshold, rows, days=33, first_day=WINDOW_DAYS)
    later = rows.times >= 20 * DAY_MS
    last = Rows(rows.scores[later], rows.times[later], rows.groups[later])
    assert kept(20 * PER_DAY, alerts(last, threshold.nats)) is Kept.BROKEN
    seen = alerts(last, served[later])
    assert kept(20 * PER_DAY, seen) is Kept.KEPT
    assert seen > 0.5 * 20 * PER_DAY


@pytest.mark.parametrize("keys", [3, 1])
def test_a_burst_in_few_keys_is_not_learned(keys: int) -> None:
    """A fifth of a week's rows within six hours, all of a few keys."""
    rows = usual(WINDOW_DAYS)
    threshold = calibrated(rows)
    burst = attack(day=5.0, hours=6.0, rows=WINDOW_DAYS * ROWS_A_DAY // 4, keys=keys)
    calm, hit = once(threshold, rows), once(threshold, rows.joined(burst))
    assert alerts(rows, hit.threshold.nats) > 0.8 * alerts(rows, calm.threshold.nats)
    assert (burst.scores > hit.threshold.nats).all()
    ninety_ninth = np.quantile(rows.scores, 0.99)
    assert hit.threshold.tail_probability(np.array([ninety_ninth]))[0] == pytest.approx(0.01, rel=0.3)


def test_an_attack_that_alerts_all_day_moves_the_threshold_no_further_than_the_bound() -> None:
    """Few keys again, but quiet in between, so that each of a thousand rows is an alert of its own."""
    rows = usual(WINDOW_DAYS)
    threshold = calibrated(rows)
    spread = attack(day=4.0, hours=40.0, rows=1_000, keys=4)
    calm, hit = once(threshold, rows), once(threshold, rows.joined(spread))
    assert alerts(spread, hit.threshold.nats) > 10 * PER_DAY
    assert alerts(rows, hit.threshold.nats) > 0.6 * LEAST_AIM / TARGET * alerts(rows, calm.threshold.nats)
    recovered, _ = followed(hit.threshold, rows.joined(usual(10, seed=2, start_day=7)), days=10, first_day=7)
    assert alerts(rows, recovered[-1]) > 0.5 * WINDOW_DAYS * PER_DAY


def test_a_broad_attack_is_learned_no_faster_than_the_greatest_rate() -> None:
    rows = usual(WINDOW_DAYS)
    threshold = calibrated(rows)
    broad = rows.joined(attack(day=0.0, hours=24.0 * WINDOW_DAYS, rows=2_500, keys=KEYS))
    counter = AlertCounter(
        broad.scores, np.ones(len(broad.scores)), times_ms=broad.times, groups=broad.groups, gap_seconds=GAP_SECONDS
    )
    before = counter.alerts_above(threshold.nats)
    for seconds, change in ((86_400.0, 4.0), (43_200.0, 2.0), (7 * 86_400.0, 4.0)):
        moved = once(threshold, broad, seconds=seconds)
        assert moved.outcome is Outcome.LIMITED
        assert threshold.nats < moved.threshold.nats < moved.wanted_nats
        assert before / change * 0.95 <= counter.alerts_above(moved.threshold.nats) < before / change * 1.3


def test_a_threshold_calibrated_among_anomalies_does_not_stay_silent() -> None:
    g = np.random.default_rng(4)
    rows = usual(28)
    first = rows.between(0, WINDOW_DAYS)
    anomalous = g.random(len(first.scores)) < 0.05
    threshold = calibrated(Rows(np.where(anomalous, 90.0, first.scores), first.times, first.groups))
    assert alerts(rows.between(7, 14), threshold.nats) == 0
    _, served = followed(threshold, rows, days=21, first_day=WINDOW_DAYS)
    later = rows.times >= 14 * DAY_MS
    seen = alerts(Rows(rows.scores[later], rows.times[later], rows.groups[later]), served[later])
    assert 0.5 * 14 * PER_DAY < seen < 14 * PER_DAY


def test_without_keys_a_short_burst_is_not_learned() -> None:
    rows = usual(WINDOW_DAYS)
    burst = attack(day=3.0, hours=3.0, rows=800, keys=1)
    both = rows.joined(burst)

    def nats(of: Rows) -> float:
        return recalibrate(calibrated(rows), of.scores, times_ms=of.times, seconds_since=86_400.0).threshold.nats

    alone = calibrated(rows)
    assert (rows.scores > nats(both)).sum() > 0.5 * LEAST_AIM / TARGET * (rows.scores > nats(rows)).sum()
    assert (burst.scores > nats(both)).all()
    assert np.isfinite(alone.nats)


def test_too_few_rows_or_alerts_leave_the_threshold_alone() -> None:
    rows = usual(WINDOW_DAYS)
    threshold = calibrated(rows)
    for few in (rows.between(0, 0.1), rows.between(0, 0.4), rows.between(0, 0)):
        moved = once(threshold, few)
        assert moved.outcome is Outcome.TOO_EARLY
        assert moved.threshold == threshold


def test_the_same_stream_again_changes_little() -> None:
    rows = usual(WINDOW_DAYS)
    threshold = once(calibrated(rows), rows).threshold
    again = once(threshold, usual(WINDOW_DAYS, seed=9)).threshold
    assert 0.5 < alerts(rows, again.nats) / alerts(rows, threshold.nats) < 1.5
    assert again.promised_per_day == PER_DAY


def test_what_cannot_be_followed_is_refused() -> None:
    rows = usual(WINDOW_DAYS)
    with pytest.raises(UnusableDataError, match="train again"):
        once(calibrated(rows), Rows(np.full(600, np.nan), rows.times[:600], rows.groups[:600]))
    for breadth, change in ((0.0, 2.0), (1.1, 2.0), (0.1, 1.0)):
        with pytest.raises(ValueError):
            AdaptationRule(breadth=breadth, most_change_per_day=change)
