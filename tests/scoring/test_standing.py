"""Where the budget stands: a promise, what came with its interval, and a verdict, per worker and for the stream."""

import pytest
from prometheus_client import CollectorRegistry

from detectors.budget import Kept
from pipeline.clock import ManualClock
from pipeline.commands.status import standing_text
from pipeline.config import BudgetSpec
from pipeline.metrics import Metrics
from pipeline.scoring.standing import standing, standing_of
from pipeline.scoring.status import StreamStatus
from pipeline.scoring.stream_scorer import Scored
from tests.pipeline.archive.bench import number_spec

DAY = 86_400.0


def test_a_day_s_budget_is_judged_by_event_time_and_early_on_not_at_all() -> None:
    budget = BudgetSpec(alerts_per_day=20.0)
    assert standing(budget, alerts=0, events=10, seconds=0.0).observed is None
    early = standing(budget, alerts=3, events=10, seconds=DAY / 2)
    assert early.verdict is Kept.TOO_EARLY
    week = standing(budget, alerts=70, events=10, seconds=7 * DAY)
    assert week.verdict is Kept.KEPT
    assert week.observed is not None
    assert (week.observed.rate, week.observed.low, week.observed.high) == pytest.approx((10.0, 7.80, 12.63), rel=1e-2)
    assert standing(budget, alerts=200, events=10, seconds=7 * DAY).verdict is Kept.BROKEN


def test_a_share_is_judged_by_events() -> None:
    seen = standing(BudgetSpec(share_of_events=0.001), alerts=60, events=100_000, seconds=0.0)
    assert seen.verdict is Kept.KEPT
    assert seen.document()["observed"] == pytest.approx(0.0006)
    assert "promised at most 1 alerts in 1,000 events, observed 0.6 (95%: " in standing_text(seen)


def test_workers_of_one_stream_are_taken_together() -> None:
    one = standing(BudgetSpec(alerts_per_day=20.0), alerts=60, events=1, seconds=5 * DAY)
    states = [{**one.document(), "alerts": 60, "events": 1, "exposure_seconds": 5 * DAY}] * 2
    both = standing_of([*states, {"lag": 3}])
    assert both is not None
    assert one.verdict is Kept.KEPT
    assert both.verdict is Kept.BROKEN or both.verdict is Kept.TOO_EARLY
    assert both.observed is not None
    assert both.observed.rate == pytest.approx(24.0)
    assert standing_of([{"lag": 3}]) is None


def test_a_worker_s_metrics_show_the_interval_and_the_drift() -> None:
    registry = CollectorRegistry()
    metrics, spec = Metrics(registry).stream("numbers"), number_spec()
    status = StreamStatus(spec.model_copy(update={"budget": BudgetSpec(share_of_events=0.01)}), ManualClock())
    scored = Scored(model_id="a", events=4_000)
    scored.below_levels[:] = (4_000, 400)
    status.scored(scored)
    status.alerts = 20
    metrics.budget(status)

    def value(name: str) -> float | None:
        return registry.get_sample_value(name, {"stream": "numbers"})

    assert value("eddyline_budget_promised") == 0.01
    assert value("eddyline_budget_observed") == pytest.approx(0.005)
    low, high = value("eddyline_budget_observed_low"), value("eddyline_budget_observed_high")
    assert low is not None
    assert high is not None
    assert low == pytest.approx(0.00305, rel=0.01)
    assert high == pytest.approx(0.00772, rel=0.01)
    assert value("eddyline_score_drift") == pytest.approx(1.0, abs=0.05)
    assert status.document(None, None)["verdict"] == "kept"


def test_drift_begins_anew_with_another_model() -> None:
    status = StreamStatus(number_spec(), ManualClock())
    scored = Scored(model_id="a", events=4_000)
    scored.below_levels[:] = (4_000, 4_000)
    status.scored(scored)
    assert status.score_drift is not None
    status.scored(Scored(model_id="b", events=100))
    assert status.score_drift is None
