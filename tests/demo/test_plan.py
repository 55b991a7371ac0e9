"""What the demo runs on, and when what an earlier run learned may be used again."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import BudgetSpec
from pipeline.demo.cache import DemoCache
from pipeline.demo.payments import SimulationConfig, simulate, stream_spec
from pipeline.demo.plan import DemoPlan, file_plan, simulated_plan
from pipeline.errors import ConfigError

SMALL = SimulationConfig(days=4.0, customers=200, merchants=150)


@pytest.fixture(scope="module")
def plan() -> DemoPlan:
    return simulated_plan(SMALL, history_days=3.0)


def test_the_live_part_follows_the_history_and_frauds_stay_in_both(plan: DemoPlan) -> None:
    assert pa.concat_tables([plan.history, plan.live]).equals(simulate(SMALL))
    assert plan.history["time"][-1].as_py().date().isoformat() == "2026-01-07"
    assert plan.live["time"][0].as_py().date().isoformat() == "2026-01-08"
    assert any(plan.history["label"].to_pylist()), "what is learned from is contaminated, as any archive is"


def test_another_plan_has_another_fingerprint(plan: DemoPlan) -> None:
    other_spec = plan.spec.model_copy(update={"budget": BudgetSpec(alerts_per_day=3.0)})
    others = [
        simulated_plan(SMALL, history_days=3.0),
        simulated_plan(SMALL, history_days=2.0),
        simulated_plan(replace(SMALL, seed=8), history_days=3.0),
        replace(plan, spec=other_spec),
    ]
    prints = [other.fingerprint() for other in others]
    assert prints[0] == plan.fingerprint()
    assert len({plan.fingerprint(), *prints}) == 4


def test_a_file_is_put_in_order_and_its_newest_fifth_is_live(tmp_path: Path) -> None:
    events = simulate(SMALL)
    pq.write_table(events.take(pa.array(range(events.num_rows - 1, -1, -1))), tmp_path / "f.parquet")
    plan = file_plan(tmp_path / "f.parquet", stream_spec(), alerts_per_day=4.0)
    times = pa.concat_tables([plan.history, plan.live])["time"].to_pylist()
    assert times == sorted(times)
    assert plan.live.num_rows == pytest.approx(events.num_rows / 5, abs=1)
    assert plan.spec.budget.alerts_per_day == 4.0


def test_a_file_that_is_too_small_or_without_times_is_refused(tmp_path: Path) -> None:
    events = simulate(SMALL).slice(0, 1500)
    pq.write_table(events.slice(0, 10), tmp_path / "small.parquet")
    with pytest.raises(ConfigError, match="1,000 at least"):
        file_plan(tmp_path / "small.parquet", stream_spec())
    pq.write_table(events.drop_columns(["time"]), tmp_path / "timeless.parquet")
    with pytest.raises(ConfigError, match="--time"):
        file_plan(tmp_path / "timeless.parquet", stream_spec())


def test_a_finished_run_is_reused_and_an_unfinished_or_unwanted_one_is_not(tmp_path: Path) -> None:
    first = DemoCache.open("abc", root=tmp_path)
    (first.folder / "half").write_text("")
    assert not DemoCache.open("abc", root=tmp_path).is_ready
    assert not (first.folder / "half").exists()
    (first.folder / "kept").write_text("")
    first.mark_ready({"fit_seconds": 1.0})
    assert DemoCache.open("abc", root=tmp_path).is_ready
    assert (first.folder / "kept").exists()
    assert not DemoCache.open("other", root=tmp_path).is_ready
    assert not DemoCache.open("abc", root=tmp_path, fresh=True).is_ready
    assert not (first.folder / "kept").exists()
