"""The watch over a champion: taken back once where it left its promise, never in turns, never for others' faults."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from detectors.budget import Budget
from detectors.pca import PcaDetector
from detectors.thresholds import Threshold, calibrate
from pipeline.catalogue import Catalogue
from pipeline.catalogue.service_entries import AlertEntry
from pipeline.clock import ManualClock
from pipeline.config import RetrainingSpec, StreamSpec
from pipeline.jobs.train import score_table
from pipeline.lake.contents import PartitionContents
from pipeline.lifecycle.records import KEPT, PROMOTED, ROLLED_BACK, SERVICE, before_champion, decision
from pipeline.lifecycle.rollback import Service, Watch, goes_back
from pipeline.lifecycle.triggers import Origin, ask_for_retraining, schema_change
from pipeline.lifecycle.watch import watch_champion
from pipeline.model_store import ModelStore
from pipeline.scheduling.job import JobContext, JobOutcome
from tests.pipeline.lifecycle.making import DAY_MS, START_MS, ArchivedLake, archived, readings, stream_of_readings

SPEC = stream_of_readings(alerts_per_day=20.0)
NAME = SPEC.stream
PROMOTED_MS = START_MS + 2 * DAY_MS
NOW_MS = PROMOTED_MS + DAY_MS


class FullLake(ArchivedLake):
    """An archive with something in every window."""

    def __init__(self, table: pa.Table | None) -> None:
        super().__init__(table)
        self.known: dict[int, pa.Schema] = {}

    def contents(self, stream: str, *, start_ms: int | None = None, end_ms: int | None = None) -> Any:
        return [
            PartitionContents(
                topic_id="t0", partition=0, rows=1_500, first_offset=0, last_offset=1, first_ms=0, last_ms=1
            )
        ]

    def ledger(self, stream: str) -> Any:
        lake = self

        class Ledger:
            def schemas(self) -> dict[int, pa.Schema]:
                return lake.known

        return Ledger()


@dataclass
class Bench:
    """A service with two models: `good` with a threshold as calibrated, `loud` with one that flags far too much."""

    catalogue: Catalogue
    store: ModelStore
    lake: FullLake
    good: str
    loud: str
    clock: ManualClock
    spec: StreamSpec = SPEC

    def serve(self, model: str, at_ms: int, *, by: str = SERVICE, kind: str = PROMOTED) -> None:
        before = self.catalogue.champion(NAME)
        entry = decision(stream=NAME, kind=kind, model_id=model, before_id=before, by=by, reason="", decided_ms=at_ms)
        assert self.catalogue.decide(entry, champion=model)

    def alerts(self, model: str, count: int, *, shadow: bool = False, prefix: str = "a") -> list[str]:
        entries = [
            AlertEntry(
                alert_id=f"{prefix}{model[:4]}{number}", stream=NAME, revision=1, kind="anomaly", status="open",
                severity="high", started_ms=PROMOTED_MS + 1_000 + number, last_ms=PROMOTED_MS + 1_000 + number,
                published_ms=PROMOTED_MS + 1_000 + number, model_id=model, shadow=shadow, document={},
            )
            for number in range(count)
        ]  # fmt: skip
        self.catalogue.record_alerts(entries, {}, "test")
        return [entry.alert_id for entry in entries]

    def watch(self) -> JobOutcome:
        @dataclass
        class Context:
            bench: Bench

            def lake(self) -> FullLake:
                return self.bench.lake

            def model_store(self) -> ModelStore:
                return self.bench.store

        job = JobContext(
            spec=self.spec, context=cast(Any, Context(self)), catalogue=self.catalogue, clock=self.clock,
            run_id="run", report=lambda fraction, text: None, before_publishing=lambda: None,
        )  # fmt: skip
        return watch_champion(job, {})

    @property
    def requested(self) -> list[str]:
        return [run.origin for run in self.catalogue.runs(NAME)]


@pytest.fixture(scope="module")
def fitted() -> tuple[PcaDetector, Threshold]:
    detector, held_out = PcaDetector(), readings(1, seed=2)
    detector.fit(readings(1, seed=1))
    times = held_out["time"].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).to_numpy()
    scores = score_table(detector, held_out)
    threshold = calibrate(
        scores, budget=Budget(alerts_per_day=20.0), times_ms=times, groups=held_out["sensor"].to_pylist()
    )
    return detector, threshold


@pytest.fixture
def bench(tmp_path: Path, fitted: tuple[PcaDetector, Threshold]) -> Iterator[Bench]:
    catalogue, store = Catalogue.open(f"sqlite:///{tmp_path / 'c.db'}"), ModelStore(tmp_path / "models")
    detector, threshold = fitted
    ids: list[str] = []
    for nats in (threshold.nats, threshold.nats / 3):
        bundle = store.save(
            stream=NAME, detector=detector, threshold=replace(threshold, nats=nats), schema=SPEC.schema(),
            created_ms=len(ids), facts={},
        )  # fmt: skip
        catalogue.add_model(bundle)
        ids.append(bundle.model_id)
    lake = FullLake(archived(readings(3.5)).table)
    made = Bench(catalogue, store, lake, good=ids[0], loud=ids[1], clock=ManualClock(NOW_MS))
    made.serve(made.good, START_MS)
    yield made
    catalogue.close()


def test_a_champion_that_left_its_promise_is_taken_back_once_and_a_retraining_is_asked_for(bench: Bench) -> None:
    bench.serve(bench.loud, PROMOTED_MS)
    bench.alerts(bench.loud, 90)
    said = bench.watch()
    assert bench.catalogue.champion(NAME) == bench.good
    newest = bench.catalogue.decisions(NAME)[0]
    assert (newest.kind, newest.model_id, newest.before_id, newest.by) == (ROLLED_BACK, bench.good, bench.loud, SERVICE)
    assert newest.figures["service"]["alerts"] == 90
    assert newest.figures["before"]["alerts"] < newest.figures["now"]["alerts"]
    assert "90 unconfirmed alerts where 20.0 were promised" in said.reason
    assert bench.requested == [Origin.ROLLBACK]
    bench.alerts(bench.good, 90, prefix="b")  # now the model gone back to is as loud: no taking turns
    bench.clock.advance(86_400)
    bench.watch()
    assert bench.catalogue.champion(NAME) == bench.good
    assert len([one for one in bench.catalogue.decisions(NAME) if one.kind == ROLLED_BACK]) == 1
    assert before_champion(bench.catalogue.champions(NAME), bench.catalogue.decisions(NAME)) is None


def quiet(bench: Bench) -> None:
    bench.alerts(bench.loud, 25)


def shadowed(bench: Bench) -> None:
    bench.alerts(bench.loud, 300, shadow=True)


def just_now(bench: Bench) -> None:
    bench.alerts(bench.loud, 90)
    bench.clock = ManualClock(PROMOTED_MS + 60_000)


def by_a_person(bench: Bench) -> None:
    bench.serve(bench.loud, PROMOTED_MS + 1, by="someone")
    bench.alerts(bench.loud, 90)


def not_wanted(bench: Bench) -> None:
    bench.spec = SPEC.model_copy(update={"retraining": RetrainingSpec(rollback=False)})
    bench.alerts(bench.loud, 90)


@pytest.mark.parametrize(
    ("arranged", "says"),
    [
        (quiet, "25 unconfirmed alerts, 20.0 promised"),
        (shadowed, "0 unconfirmed alerts"),
        (just_now, "too early"),
        (by_a_person, "a person put it into service"),
        (not_wanted, "no rollback"),
    ],
)
def test_a_champion_stays_where_nothing_speaks_against_it_or_it_is_not_ours_to_take(
    bench: Bench, arranged: Callable[[Bench], None], says: str
) -> None:
    bench.serve(bench.loud, PROMOTED_MS)
    arranged(bench)
    assert says in bench.watch().reason
    assert bench.catalogue.champion(NAME) == bench.loud


def test_where_the_model_before_would_be_as_loud_the_stream_has_moved_and_training_is_asked_for(bench: Bench) -> None:
    moved = pa.concat_tables([readings(2), readings(1.5, start_ms=PROMOTED_MS, shifted=True, seed=3, rows_a_day=3_000)])
    bench.lake = FullLake(archived(moved).table)
    bench.serve(bench.loud, PROMOTED_MS)
    bench.alerts(bench.loud, 90)
    assert "the stream has moved" in bench.watch().reason
    assert bench.catalogue.champion(NAME) == bench.loud
    assert bench.requested == [Origin.DRIFT]


@pytest.mark.parametrize(("alerts", "confirmed", "seconds", "watch"), [
    (34, 0, 86_400, Watch.KEPT), (40, 0, 86_400, Watch.LEFT), (60, 40, 86_400, Watch.KEPT),
    (60, 0, 599, Watch.TOO_EARLY), (0, 0, 86_400, Watch.KEPT),
])  # fmt: skip
def test_the_promise_is_left_only_clearly_and_confirmed_alerts_do_not_count(
    alerts: int, confirmed: int, seconds: float, watch: Watch
) -> None:
    service = Service(seconds=seconds, alerts=alerts, confirmed=confirmed, allowed=20.0)
    assert service.watch is watch
    assert goes_back(service, now_alerts=alerts, before_alerts=5, allowed=20.0) is (watch is Watch.LEFT)
    assert not goes_back(service, now_alerts=alerts, before_alerts=alerts, allowed=20.0)


def test_retraining_is_asked_for_once_in_a_while_and_only_where_it_is_wanted(bench: Bench) -> None:
    def ask(origin: Origin, hours: float, spec: StreamSpec = SPEC) -> str | None:
        now_ms = NOW_MS + round(hours * 3_600_000)
        return ask_for_retraining(bench.catalogue, spec, origin=origin, reason="moved", now_ms=now_ms)

    deaf = SPEC.model_copy(update={"retraining": RetrainingSpec(on_drift=False)})
    assert ask(Origin.DRIFT, 0, deaf) is None
    first = ask(Origin.DRIFT, 0)
    assert first is not None
    assert ask(Origin.SCHEMA_CHANGE, 5.9) is None
    bench.catalogue.end_run(first, status="succeeded", reason="", result={}, now_ms=NOW_MS)
    assert ask(Origin.SCHEMA_CHANGE, 6.1) not in (None, first)
    assert bench.catalogue.runs(NAME)[0].arguments == {"reason": "moved"}


def test_a_new_schema_asks_for_a_retraining_once_events_have_it(bench: Bench) -> None:
    champion = bench.store.load(bench.good)
    wind = SPEC.columns[3].model_copy(update={"name": "wind"})
    wider = SPEC.model_copy(update={"columns": (*SPEC.columns, wind)})
    ledger = bench.lake.ledger(NAME)
    bench.lake.known = {1: SPEC.schema()}
    assert schema_change(SPEC, ledger, champion) == ""
    assert schema_change(wider, ledger, champion) == ""
    bench.lake.known = {1: SPEC.schema(), 2: wider.schema()}
    assert "new columns: wind" in schema_change(wider, ledger, champion)
    bench.spec = wider
    assert "new columns: wind" in bench.watch().reason
    assert bench.requested == [Origin.SCHEMA_CHANGE]
    assert KEPT not in [one.kind for one in bench.catalogue.decisions(NAME)]
