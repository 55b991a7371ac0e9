"""On Apache Kafka and Postgres: a stream that changes its ways is noticed, learned anew and scored by a better model.

Bad data and worse models are turned away, and all of it is in the records.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from detectors.evaluation.ranking import average_precision as ranked_precision
from pipeline.catalogue import Catalogue
from pipeline.model_store import ModelStore
from tests.integration.journey import run
from tests.integration.service import Service, eventually
from tests.integration.shifting import DAY_MS, columns, shifting_events

PARTITIONS = 2
SECONDS = 240.0


class Life:
    """The running service, and what a person does with it."""

    def __init__(self, service: Service, now_ms: int) -> None:
        self.service, self.now_ms = service, now_ms
        self.sent = 0
        self.catalogue: Catalogue = service.catalogue()

    def replay(self, table: pa.Table, name: str) -> None:
        """Send events and wait until they are archived."""
        path = self.service.folder / f"{name}.parquet"
        pq.write_table(table, path)
        run(self.service.folder, "replay", str(path), "--stream", self.service.stream)
        self.sent += table.num_rows
        eventually(f"{name} is archived", lambda: self._archived() == self.sent, seconds=SECONDS)

    def _archived(self) -> int:
        folder = self.service.folder / "lake" / "real" / self.service.stream
        return sum(pq.read_metadata(path).num_rows for path in folder.glob("*/date=*/p*.parquet"))

    def job(self, kind: str, **arguments: object) -> str:
        """Ask the scheduler for a run and wait for its end; returns how it ended."""
        told = [word for name, value in arguments.items() for word in ("--argument", f"{name}={value}")]
        asked = self.service.start("jobs", "run", self.service.stream, kind, *told, "--wait")
        asked.wait(SECONDS)
        ended = next(one for one in self.catalogue.runs(stream=self.service.stream) if one.kind == kind)
        print(ended.kind, ended.status, ended.reason, ended.last_lines)  # noqa: T201 - shown where the test failed
        return ended.status

    def moment(self, days_ago: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((self.now_ms - days_ago * DAY_MS) / 1000))

    def champion(self) -> str | None:
        return self.catalogue.champion(self.service.stream)


def average_precision(service: Service, model_id: str, table: pa.Table) -> float:
    """Of one model on labelled events."""
    detector = ModelStore(service.folder / "models").load(model_id).detector
    [batch] = table.drop_columns(["fraud"]).combine_chunks().to_batches()
    return ranked_precision(detector.score(batch), np.asarray(table["fraud"].to_numpy()))


def test_a_shift_is_noticed_learned_and_scored_better_and_bad_data_and_worse_models_are_turned_away(
    make_service: Callable[..., Service], kafka_bootstrap: str, postgres_url: str, tmp_path: Path
) -> None:
    now_ms = time.time_ns() // 1_000_000
    service = make_service(
        kafka_bootstrap,
        partitions=PARTITIONS,
        catalogue_url=postgres_url,
        columns=columns(),
        budget={"alerts_per_day": 40},
        detector={"time_budget_seconds": 30, "max_rows": 20_000},
        retraining={"window_days": 4, "least_hours_between": 0},
        quality={"window_hours": 72},
        archive={"roll_seconds": 2},
    )
    life = Life(service, now_ms)
    stream = service.stream
    for command in ("archive", "record", "schedule"):
        service.start(command)
    life.replay(shifting_events(end_ms=now_ms, days=6, before_end=5, shifted=False, seed=1), "before")
    assert life.job("quality_report", start=life.moment(11), end=life.moment(5)) == "succeeded"
    assert life.job("train_detector", start=life.moment(11), end=life.moment(5)) == "succeeded"
    first = life.champion()
    assert first is not None
    service.start("score", stream)

    life.replay(shifting_events(end_ms=now_ms, days=4, before_end=1, shifted=True, seed=2), "after")
    assert life.job("drift_check") == "succeeded"
    eventually("a challenger took over by itself", lambda: life.champion() != first, seconds=SECONDS)
    second = life.champion()
    assert second is not None
    after = shifting_events(end_ms=now_ms, days=1, shifted=True, seed=3)
    used = len(service.models_used(PARTITIONS))
    eventually("the scorer changed to it", lambda: second in status_of(service), seconds=30)
    life.replay(after, "later")
    eventually("all of it is scored", lambda: service.committed() == life.sent, seconds=SECONDS)
    assert second in service.models_used(PARTITIONS)[used:]
    assert average_precision(service, second, after) > average_precision(service, first, after) + 0.05

    poisoned = shifting_events(end_ms=now_ms, days=2, before_end=20, shifted=True, seed=4)
    holes = pa.array(np.random.default_rng(4).random(poisoned.num_rows) < 0.3)
    amount = pa.compute.if_else(holes, None, poisoned["amount"])
    life.replay(poisoned.set_column(poisoned.schema.get_field_index("amount"), "amount", amount), "poisoned")
    assert life.job("train_detector", start=life.moment(22), end=life.moment(20)) == "refused"
    assert life.job("train_detector", detector="ecod") == "refused"
    assert life.champion() == second

    decisions = life.catalogue.decisions(stream)
    assert [(one.kind, one.model_id) for one in reversed(decisions)][:2] == [("promoted", first), ("promoted", second)]
    worse, bad = decisions[0], decisions[1]
    assert (bad.kind, worse.kind) == ("refused", "refused")
    assert "amount" in bad.reason
    assert worse.figures
    [edge] = [edge for edge in life.catalogue.parents("model", second) if edge.parent_kind == "window"]
    assert edge.stream == stream


def status_of(service: Service) -> str:
    return run(service.folder, "status", "--json")
