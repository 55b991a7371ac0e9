"""Thresholds: the promise is kept and not by silence, with and without anomalies among the calibration rows."""

import json
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from detectors.errors import IncompatibleArtifactError, UnusableDataError
from detectors.thresholds import Budget, Counted, Kept, Threshold, calibrate, kept, observed_rate

Scores = npt.NDArray[np.float64]
NORMAL: dict[str, Callable[[np.random.Generator, int], Scores]] = {
    "gaussian": lambda g, n: g.normal(10.0, 2.0, n),
    "exponential": lambda g, n: g.exponential(3.0, n),
    "gamma": lambda g, n: g.gamma(6.0, 2.0, n),
    "lognormal": lambda g, n: np.exp(g.normal(2.0, 0.5, n)),
    "student": lambda g, n: 20.0 + 2.0 * np.abs(g.standard_t(4, n)),
}
ROWS = 20_000


def contaminated(
    g: np.random.Generator, normal: Callable[[np.random.Generator, int], Scores], rows: int = ROWS
) -> Scores:
    """5 % anomalies well above the rest, in a cluster, behind the others."""
    usual = normal(g, int(0.95 * rows))
    return np.concatenate([usual, g.normal(3.0, 0.2, rows - len(usual)) * np.quantile(usual, 0.999)])


def observed_of_promised(name: str, share: float, *, anomalies: bool) -> list[float]:
    found = []
    for seed in range(3):
        g = np.random.default_rng(seed)
        scores = contaminated(g, NORMAL[name]) if anomalies else NORMAL[name](g, ROWS)
        threshold = calibrate(scores, budget=Budget(share_of_events=share, counted=Counted.NORMAL))
        found.append(float(threshold.flags(NORMAL[name](g, 200_000)).mean()) / share)
    return found


@pytest.mark.parametrize("anomalies", [False, True], ids=["clean", "contaminated"])
@pytest.mark.parametrize("name", NORMAL)
def test_a_promise_is_kept_and_not_by_silence(name: str, anomalies: bool) -> None:
    ratios = observed_of_promised(name, 0.01, anomalies=anomalies)
    assert max(ratios) < 1.0
    assert min(ratios) > 0.5
    rarer = observed_of_promised(name, 0.001, anomalies=anomalies)
    assert 0.5 < np.mean(rarer) < 1.0
    assert max(rarer) < 1.3


@pytest.mark.parametrize("anomalies", [False, True], ids=["clean", "contaminated"])
@pytest.mark.parametrize("name", ["exponential", "lognormal"])
def test_a_promise_finer_than_the_calibration_is_marked_and_near(name: str, anomalies: bool) -> None:
    g = np.random.default_rng(0)
    scores = contaminated(g, NORMAL[name]) if anomalies else NORMAL[name](g, ROWS)
    assert not calibrate(scores, budget=Budget(share_of_events=1e-4, counted=Counted.NORMAL)).extrapolated
    threshold = calibrate(scores, budget=Budget(share_of_events=2e-5, counted=Counted.NORMAL))
    assert threshold.extrapolated
    fresh = NORMAL[name](g, 2_000_000)
    assert threshold.flags(fresh).mean() < 3 * 2e-5
    assert threshold.nats < 1.5 * fresh.max()


def test_anomalies_are_flagged_once_the_budget_is_learned_among_them() -> None:
    g = np.random.default_rng(3)
    scores = contaminated(g, NORMAL["gamma"])
    threshold = calibrate(scores, budget=Budget(share_of_events=0.001, counted=Counted.NORMAL))
    assert threshold.flags(scores[int(0.95 * ROWS) :]).mean() > 0.99
    assert threshold.suspected_share == pytest.approx(0.05, abs=0.01)


def test_clean_scores_raise_no_suspicion() -> None:
    for name, normal in NORMAL.items():
        threshold = calibrate(
            normal(np.random.default_rng(1), ROWS), budget=Budget(share_of_events=0.01, counted=Counted.NORMAL)
        )
        assert threshold.suspected_share == 0.0, name


@pytest.mark.parametrize("share", [0.01, 0.001])
@pytest.mark.parametrize("name", NORMAL)
def test_nobody_gets_more_alerts_than_stated_whatever_stands_apart(name: str, share: float) -> None:
    """A rare habit of normal rows looks like an attack; by default it counts."""
    ratios = []
    for seed in range(5):
        g = np.random.default_rng(seed)
        rows = contaminated(g, NORMAL[name], rows=10 * ROWS)
        g.shuffle(rows)
        threshold = calibrate(rows[:ROWS], budget=Budget(share_of_events=share))
        ratios.append(float(threshold.flags(rows[ROWS:]).mean()) / share)
    assert 0.5 < np.mean(ratios) < 1.0
    assert max(ratios) < 1.3


def test_alerts_are_counted_after_grouping() -> None:
    """Every excursion lasts ten rows: counted by rows, the budget would be spent ten times too fast."""
    g = np.random.default_rng(0)
    rows = 50_000
    scores = np.repeat(g.exponential(3.0, rows // 10), 10) + g.uniform(0.0, 0.01, rows)
    times = np.arange(rows) * 1_000
    groups = np.array(["a", "b"])[np.arange(rows) // 10 % 2]
    budget = Budget(share_of_events=0.002)
    grouped = calibrate(scores, budget=budget, times_ms=times, groups=groups, gap_seconds=5.0)
    single = calibrate(scores, budget=budget)
    assert grouped.nats < single.nats - 3.0
    assert grouped.flags(scores).sum() > 5 * single.flags(scores).sum()
    shuffled = g.permutation(rows)
    again = calibrate(
        scores[shuffled], budget=budget, times_ms=times[shuffled], groups=groups[shuffled], gap_seconds=5.0
    )
    assert again.nats == pytest.approx(grouped.nats)


def test_alerts_that_run_into_each_other_do_not_count_as_few() -> None:
    """With everything flagged there is one endless alert; that must never pass for a kept budget."""
    g = np.random.default_rng(0)
    scores, times = g.exponential(1.0, 5_000), np.arange(5_000) * 1_000
    threshold = calibrate(scores, budget=Budget(alerts_per_day=500.0), times_ms=times, groups=None, gap_seconds=3_600.0)
    assert threshold.flags(scores).mean() < 0.1


def test_a_budget_a_day_follows_the_calibrations_clock() -> None:
    g = np.random.default_rng(0)
    scores, times = g.exponential(1.0, 20_000), np.arange(20_000) * 43_200
    threshold = calibrate(scores, budget=Budget(alerts_per_day=20.0), times_ms=times, gap_seconds=60.0)
    assert threshold.calibration_seconds == pytest.approx(10 * 86_400.0)
    assert threshold.promised_per_day == 20.0
    assert 100 < threshold.flags(g.exponential(1.0, 20_000)).sum() < 200
    with pytest.raises(ValueError, match="times"):
        calibrate(scores, budget=Budget(alerts_per_day=20.0))


@pytest.mark.parametrize("name", NORMAL)
def test_tail_probabilities_fall_strictly_beyond_the_data_and_match_it(name: str) -> None:
    g = np.random.default_rng(0)
    scores = NORMAL[name](g, ROWS)
    threshold = calibrate(scores, budget=Budget(share_of_events=0.01))
    far = threshold.tail_probability(scores.max() * np.geomspace(1.0, 1e6, 300))
    assert (np.diff(far) < 0).all()
    assert (far > 0).all()
    fresh = NORMAL[name](g, 200_000)
    for share in (0.5, 0.1, 0.01, 0.001):
        at = np.quantile(fresh, 1.0 - share)
        assert threshold.tail_probability(np.array([at]))[0] == pytest.approx(share, rel=0.5)
    grid = threshold.tail_probability(np.linspace(scores.min(), scores.max() * 2, 1_000))
    assert (np.diff(grid) <= 0).all()


@pytest.mark.parametrize("scores", [[3.0], [1.0] * 100, [0.0, 1e300], [-5.0, -5.0, -4.0], [1.0] * 999 + [2.0]])
def test_few_and_equal_scores_still_give_a_threshold(scores: list[float]) -> None:
    threshold = calibrate(np.array(scores), budget=Budget(share_of_events=0.001))
    assert np.isfinite(threshold.nats)
    assert not threshold.flags(np.array([min(scores)]))[0]
    assert np.isfinite(threshold.tail_probability(np.array([*scores, 1e308]))).all()
    assert Threshold.from_document(json.loads(json.dumps(threshold.to_document(), allow_nan=False))) == threshold


def test_scores_that_say_nothing_are_refused() -> None:
    for bad in ([], [1.0, float("nan")], [float("inf")]):
        with pytest.raises(UnusableDataError):
            calibrate(np.array(bad), budget=Budget(share_of_events=0.01))


def test_a_threshold_comes_back_from_its_document() -> None:
    threshold = calibrate(np.random.default_rng(0).exponential(1.0, 500), budget=Budget(share_of_events=0.01))
    document = json.loads(json.dumps(threshold.to_document(), allow_nan=False))
    assert Threshold.from_document(document) == threshold
    with pytest.raises(IncompatibleArtifactError):
        Threshold.from_document({**document, "format": 99})


def test_a_budget_states_exactly_one_thing() -> None:
    for per_day, share in ((None, None), (1.0, 0.1), (0.0, None), (None, 0.6)):
        with pytest.raises(ValueError):
            Budget(alerts_per_day=per_day, share_of_events=share)


def test_intervals_are_exact_poisson() -> None:
    """Garwood's interval for 10 events is 4.795 to 18.391; for none 0 to 3.689."""
    ten, none = observed_rate(10, 2.0), observed_rate(0, 1.0)
    assert (ten.rate, ten.low, ten.high) == pytest.approx((5.0, 4.795 / 2, 18.391 / 2), rel=1e-3)
    assert (none.rate, none.low, none.high) == pytest.approx((0.0, 0.0, 3.689), rel=1e-3)
    with pytest.raises(ValueError):
        observed_rate(1, 0.0)


@pytest.mark.parametrize(
    ("promised", "alerts", "verdict"),
    [
        (19.0, 0, Kept.TOO_EARLY),
        (20.0, 11, Kept.KEPT),
        (20.0, 12, Kept.TOO_EARLY),
        (20.0, 30, Kept.BROKEN),
        (200.0, 172, Kept.KEPT),
        (200.0, 230, Kept.BROKEN),
    ],
)
def test_a_promise_is_judged_by_its_interval(promised: float, alerts: int, verdict: Kept) -> None:
    assert kept(promised, alerts) is verdict
