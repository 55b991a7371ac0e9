"""Quality reports and checks of drift as jobs: records, pages, lineage, what is asked for."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bench.quality_sets import DAY_MS
from pipeline.catalogue import Catalogue
from pipeline.clock import ManualClock
from pipeline.commands.context import Context
from pipeline.config import Settings
from pipeline.errors import ConfigError
from pipeline.expectations.jobs import drift_check, quality_report
from pipeline.expectations.suite_file import suite_path, usable_suite
from pipeline.jobs.synth_generate import synth_generate
from pipeline.jobs.synth_train import SynthTrainOptions, synth_train
from pipeline.jobs.train import TrainOptions, train
from pipeline.lake import Lake
from pipeline.lineage.nodes import NodeKind
from pipeline.scheduling.job import JobContext, RunStatus
from pipeline.synthesis.generator_store import GeneratorStore
from pipeline.synthesis.requests import GenerationRequest
from pipeline.synthesis.source import SourceRequest, read_source
from pipeline.synthesis.stream_source import real_halves
from tests.pipeline.expectations.making import START_MS, archive, orders, orders_spec, with_column, without_some
from tests.pipeline.synthesis.making import passing

ROWS_A_DAY = 700


class Desk:
    """Eight days of archive, the settings around them, and the jobs run in this process."""

    def __init__(self, folder: Path) -> None:
        self.spec = orders_spec()
        self.lake = Lake(folder / "lake")
        archive(self.lake, orders(8.0, rows_a_day=ROWS_A_DAY))
        self.catalogue = Catalogue.open(f"sqlite:///{folder / 'c.db'}")
        scheduler = Settings().scheduler.model_copy(update={"reports": str(folder / "reports")})
        self.settings = Settings(
            lake=str(self.lake.root),
            models=str(folder / "models"),
            quality=str(folder / "quality"),
            scheduler=scheduler,
        )
        self.context = Context(settings=self.settings, specs={"orders": self.spec})

    def add_day(self, day: int, table: pa.Table) -> None:
        archive(self.lake, table, first=1_000_000 * day)

    def job(self, run_id: str, *, day: int) -> JobContext:
        """As fired at the end of a day."""
        fire = START_MS + (day + 1) * DAY_MS
        return JobContext(
            spec=self.spec,
            context=self.context,
            catalogue=self.catalogue,
            clock=ManualClock(fire),
            run_id=run_id,
            report=lambda fraction, doing: None,
            before_publishing=lambda: None,
            fire_ms=fire,
        )


def dataset(desk: Desk, monkeypatch: pytest.MonkeyPatch, *, seed: int, factor: float = 1.0) -> str:
    """Learned by a generator of independent columns from orders whose amounts are times `factor`, and published; its
    gates, tested elsewhere, let everything through."""
    monkeypatch.setitem(synth_generate.__kwdefaults__ or {}, "judged_by", passing)
    table = orders(2.0, rows_a_day=ROWS_A_DAY, seed=seed)
    amounts = pc.multiply(table["amount"], factor).combine_chunks()
    file = Path(desk.lake.root) / f"orders-{seed}.parquet"
    pq.write_table(with_column(table, "amount", amounts), file)
    columns = (c if c.name != "customer" else c.model_copy(update={"roles": frozenset()}) for c in desk.spec.columns)
    rows_alone = desk.spec.model_copy(update={"columns": tuple(columns)})  # histories of keys take a minute to learn
    trained = synth_train(
        read_source(SourceRequest(name="orders", file=str(file)), lake=desk.lake, spec=rows_alone),
        stream="orders",
        options=SynthTrainOptions(model="independent", seed=seed, budget_seconds=10.0),
        store=GeneratorStore(desk.settings.models),
        catalogue=desk.catalogue,
        clock=ManualClock(),
    )
    request = GenerationRequest(generator_id=trained.bundle.generator_id, rows=1_200, seed=seed)
    made = synth_generate(
        request,
        bundle=trained.bundle,
        real=lambda: real_halves(desk.lake, trained.bundle),
        lake=desk.lake,
        catalogue=desk.catalogue,
        clock=ManualClock(),
    )
    return made.places.dataset_id


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.catalogue.close()


def test_a_first_report_infers_the_suite_and_a_bad_day_fails_by_name(desk: Desk) -> None:
    first = quality_report(desk.job("1", day=7), {})
    assert (first.status, first.result["verdict"]) == (RunStatus.SUCCEEDED, "passed"), first.reason
    assert usable_suite(suite_path(desk.settings, "orders"), desk.spec) is not None
    desk.add_day(8, without_some(orders(1.0, rows_a_day=ROWS_A_DAY, seed=2, first_day=8), "country", 0.3))
    second = quality_report(desk.job("2", day=8), {})
    assert second.status is RunStatus.SUCCEEDED
    assert second.result["verdict"] == "failed"
    assert second.reason.startswith("country: ")
    again = quality_report(desk.job("2", day=8), {})
    assert again.result["result_id"] == second.result["result_id"]
    entries = desk.catalogue.quality_results("orders")
    assert [(entry.verdict, entry.failed) for entry in entries] == [("failed", 1), ("passed", 0)]
    page = Path(desk.settings.scheduler.reports) / entries[0].page
    assert "country" in page.read_text()
    [edge] = desk.catalogue.parents(NodeKind.REPORT, second.result["result_id"])
    assert edge.parent_kind == NodeKind.WINDOW


def test_drift_asks_for_a_retraining_once(desk: Desk) -> None:
    assert "no champion" in drift_check(desk.job("0", day=7), {}).reason
    options = TrainOptions(detector="pca")
    clock = ManualClock(START_MS + 8 * DAY_MS)
    store = desk.context.model_store()
    train(desk.spec, lake=desk.lake, store=store, catalogue=desk.catalogue, clock=clock, options=options)
    desk.add_day(8, orders(1.0, rows_a_day=ROWS_A_DAY, seed=3, first_day=8))
    clean = drift_check(desk.job("1", day=8), {})
    assert (clean.result["verdict"], clean.result["drifted"]) == ("passed", False), clean.reason
    moved = orders(1.0, rows_a_day=ROWS_A_DAY, seed=4, first_day=9)
    desk.add_day(9, with_column(moved, "amount", pc.multiply(moved["amount"], 4.0).combine_chunks()))
    found = drift_check(desk.job("2", day=9), {})
    assert found.result["drifted"]
    assert found.reason.startswith("amount moved")
    page = Path(desk.settings.scheduler.reports) / found.result["page"]
    assert "Drifted: recent rows moved away" in page.read_text()
    columns = json.loads(page.with_suffix(".json").read_text())["drift"]["columns"]
    [express] = [column for column in columns if column["column"] == "express"]
    assert express["shift"]["noise"] < 0.3, "the noise of a flag that hardly moves is no obstacle to finding drift"
    [run] = desk.catalogue.runs("orders", status="queued")
    assert (run.kind, run.origin, run.run_id) == ("train_detector", "drift", found.result["asked"])
    drift_check(desk.job("3", day=9), {})
    assert len(desk.catalogue.runs("orders", status="queued")) == 1


def test_a_synthetic_dataset_is_held_against_the_stream_s_suite(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    good = dataset(desk, monkeypatch, seed=1)
    cents = dataset(desk, monkeypatch, seed=2, factor=100.0)
    quality_report(desk.job("1", day=7), {})
    said = quality_report(desk.job("2", day=7), {"dataset": good[:10]})
    assert (said.result["verdict"], said.reason) == ("passed", "all as expected")
    [entry] = desk.catalogue.quality_results("orders", "dataset")
    assert entry.subject_id == good
    assert entry.evaluated > 10
    [edge] = desk.catalogue.parents(NodeKind.REPORT, entry.result_id)
    assert (edge.parent_kind, edge.parent_id) == (NodeKind.DATASET, good)
    document = json.loads((Path(desk.settings.scheduler.reports) / entry.page).with_suffix(".json").read_text())
    assert all(row["engine"].startswith("expect_") for row in document["expectations"])
    new = quality_report(desk.job("3", day=7), {"dataset": "new"})
    assert [(made["verdict"]) for made in new.result["results"]] == ["failed"]
    assert new.reason.startswith("amount: values are about 100 times what they were")
    assert {entry.subject_id for entry in desk.catalogue.quality_results("orders", "dataset")} == {good, cents}


def test_what_is_not_there_is_said(desk: Desk) -> None:
    quality_report(desk.job("1", day=7), {})
    with pytest.raises(ConfigError, match="no published dataset has an id that begins with 'abc'"):
        quality_report(desk.job("2", day=7), {"dataset": "abc"})
    assert quality_report(desk.job("3", day=7), {"dataset": "new"}).reason == "no dataset is new"
    suite_path(desk.settings, "orders").write_text("stream: orders\ncolumns: {amout: {type: double}}\n")
    with pytest.raises(ConfigError, match=r"orders\.yaml:\d+:"):
        quality_report(desk.job("4", day=7), {})
