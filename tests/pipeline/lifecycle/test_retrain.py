"""The training job: windows it refuses, runs done again, arguments it does not take."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from pipeline.catalogue import Catalogue
from pipeline.catalogue.service_entries import WithdrawalEntry
from pipeline.clock import ManualClock
from pipeline.config import Settings
from pipeline.errors import ConfigError
from pipeline.lake.contents import PartitionContents
from pipeline.lifecycle.records import PROMOTED, REFUSED
from pipeline.lifecycle.retrain import recalibrate, train_detector
from pipeline.masking import Masker
from pipeline.model_store import ModelStore
from pipeline.scheduling.job import JobContext, RunStatus
from tests.pipeline.lifecycle.making import DAY_MS, START_MS, ArchivedLake, archived, readings, stream_of_readings

SPEC = stream_of_readings()
NAME = SPEC.stream
END_MS = START_MS + 4 * DAY_MS
SUITE = """stream: readings
inferred: {at: "2026-01-05T00:00:00Z", rows: 6000, window_hours: 24, window_rows: 1500, windows: 4}
columns:
  heat:
    missing: {most: 0.001}
"""


class WholeLake(ArchivedLake):
    """An archive that says how many rows a window has, as the gate asks."""

    def contents(self, stream: str, *, start_ms: int | None = None, end_ms: int | None = None) -> Any:
        assert self.table is not None
        times = self.table["_time"].cast(pa.int64()).to_numpy()
        rows = int(((times >= (start_ms or 0)) & (times < (end_ms or 2**62))).sum())
        part = PartitionContents(
            topic_id="t0", partition=0, rows=rows, first_offset=0, last_offset=rows, first_ms=START_MS, last_ms=END_MS
        )
        return [part] if rows else []

    def iterate_in_order(self, stream: str, *, columns: Any = None, **more: Any) -> Any:
        assert self.table is not None
        more = {"start_ms": None, "end_ms": None, "history": False, **more}
        return super().iterate_in_order(stream, columns=columns or self.table.column_names, **more)


@dataclass
class Service:
    """A folder with an archive, a catalogue and, where it was written, a suite of expectations."""

    folder: Path
    catalogue: Catalogue
    table: pa.Table

    @property
    def settings(self) -> Settings:
        return Settings(quality=str(self.folder))

    def lake(self) -> WholeLake:
        return WholeLake(archived(self.table).table)

    def model_store(self) -> ModelStore:
        return ModelStore(self.folder / "models")

    def masker(self, spec: Any) -> Masker:
        return Masker(spec)

    def job(self, run_id: str = "run") -> JobContext:
        return JobContext(
            spec=SPEC, context=cast(Any, self), catalogue=self.catalogue, clock=ManualClock(END_MS), run_id=run_id,
            report=lambda fraction, text: None, fire_ms=END_MS, before_publishing=lambda: None,
        )  # fmt: skip


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'c.db'}")
    yield Service(tmp_path, catalogue, readings(4))
    catalogue.close()


def poisoned(table: pa.Table, from_day: float) -> pa.Table:
    """Three in ten values of one column are gone from a day on."""
    times = table["time"].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).to_numpy()
    gone = (np.random.default_rng(0).random(table.num_rows) < 0.3) & (times >= START_MS + from_day * DAY_MS)
    place = table.schema.get_field_index("heat")
    heat = pa.array(table["heat"].to_numpy(), mask=gone)
    return table.set_column(place, table.schema.field("heat"), heat)


def test_a_poisoned_window_is_refused_until_it_is_withdrawn(service: Service) -> None:
    (service.folder / f"{NAME}.yaml").write_text(SUITE)
    service.table = poisoned(service.table, from_day=3.5)
    outcome = train_detector(service.job(), {"detector": "pca"})
    assert outcome.status is RunStatus.REFUSED
    assert "heat" in outcome.reason
    [entry] = service.catalogue.decisions(NAME)
    assert (entry.kind, entry.model_id, entry.run_id) == (REFUSED, None, "run")
    assert service.catalogue.models(NAME) == []
    bad = WithdrawalEntry(
        kind="window", id="w", stream=NAME, because_kind="window", because_id="w", reason="nulls",
        start_ms=START_MS + round(3.5 * DAY_MS), end_ms=END_MS, withdrawn_ms=1,
    )  # fmt: skip
    service.catalogue.add_withdrawals([bad])
    again = train_detector(service.job("second"), {"detector": "pca"})
    assert again.status is RunStatus.SUCCEEDED, again.reason
    assert service.catalogue.champion(NAME) == again.result["model"]


def test_a_run_done_again_after_its_decision_trains_nothing_twice(service: Service) -> None:
    first = train_detector(service.job(), {"detector": "pca", "reason": "it drifted"})
    assert first.status is RunStatus.SUCCEEDED
    again = train_detector(service.job(), {"detector": "pca"})
    assert again.result["decision"] == first.result["decision"]
    assert len(service.catalogue.models(NAME)) == 1
    assert [one.kind for one in service.catalogue.decisions(NAME)] == [PROMOTED]


def test_a_recalibration_is_a_decision_of_the_service(service: Service) -> None:
    trained = train_detector(service.job(), {"detector": "pca"})
    service.table = pa.concat_tables([service.table, readings(1, start_ms=END_MS, seed=5)])
    done = recalibrate(service.job("later"), {"breadth": 0.2})
    [entry] = [one for one in service.catalogue.decisions(NAME) if one.run_id == "later"]
    assert (entry.reason, entry.by, entry.before_id) == ("recalibrated", "service", trained.result["model"])
    assert done.result["model"] == service.catalogue.champion(NAME)


@pytest.mark.parametrize("wrong", [{"detektor": "pca"}, {"seed": "many"}, {"start": "yesterday"}])
def test_arguments_it_does_not_take_are_named(service: Service, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        train_detector(service.job(), wrong)


def test_a_window_asked_for_is_the_one_that_is_learned(service: Service) -> None:
    asked = {"detector": "pca", "start": "2026-01-06T00:00:00", "end": "2026-01-09T00:00:00+00:00"}
    train_detector(service.job(), asked)
    [model] = service.catalogue.models(NAME)
    assert model.facts["start_ms"] >= START_MS + DAY_MS
    assert model.facts["compared_from_ms"] < START_MS + 4 * DAY_MS
