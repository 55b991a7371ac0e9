"""A stream with `windows`, trained, scored and backtested: one model, the same windows, equal scores."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role
from pipeline.catalogue.catalogue import Catalogue
from pipeline.clock import ManualClock
from pipeline.config import BudgetSpec, ColumnSpec, StreamSpec, WindowSpec
from pipeline.intake import Intake
from pipeline.jobs.backtest import Backtest
from pipeline.jobs.enriched_rows import enriched_rows
from pipeline.jobs.train import TrainOptions, train
from pipeline.kafka.port import OutRecord, TopicPartition
from pipeline.lake import Lake
from pipeline.masking import Masker
from pipeline.model_store import Bundle, ModelStore
from pipeline.scoring.forward import Forward
from pipeline.state.keeper import StateKeeper
from pipeline.state.recipe import Recipe
from tests.fakes import MemoryBroker, block_of
from tests.jobs.archived import Archived

STEP_MS, HOSTS, ROWS = 60_000, 3, 3_000
SPEC = StreamSpec(
    stream="s",
    topic="s",
    columns=(
        ColumnSpec(name="host", kind=Kind.CATEGORICAL, roles=frozenset({Role.KEY})),
        ColumnSpec(name="at", kind=Kind.TIME, roles=frozenset({Role.TIME})),
        ColumnSpec(name="load", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
        ColumnSpec(name="heat", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
    ),
    budget=BudgetSpec(share_of_events=0.01),
    windows=WindowSpec(length=16, step_seconds=60.0),
)
NAMES = [column.name for column in SPEC.columns]
SOURCE = TopicPartition(SPEC.topic, 0)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Hosts in turn; one in forty rows is lost, and another late by two steps."""
    rng = np.random.default_rng(0)
    step = np.arange(ROWS) // HOSTS
    late = 2 * (rng.random(ROWS) < 0.025)
    times = pa.array(np.maximum(step - late, 0) * STEP_MS).cast(pa.timestamp("ms", tz="UTC"))
    load = 5.0 + np.sin(step / 9.0) + rng.normal(0.0, 0.1, ROWS)
    whole = pa.table(
        {
            "host": [f"h{n}" for n in np.arange(ROWS) % HOSTS],
            "at": times.cast(pa.timestamp("us", tz="UTC")),
            "load": load.round(4),
            "heat": (2.0 * load + rng.normal(0.0, 0.1, ROWS)).round(4),
            "_partition": pa.array(np.zeros(ROWS), pa.int32()),
            "_offset": pa.array(np.arange(ROWS)),
            "_row": pa.array(np.zeros(ROWS), pa.int32()),
            "_append_time": times,
            "_time": times,
        }
    )
    kept = whole.filter(pa.array(rng.random(ROWS) > 0.025))
    return kept.set_column(kept.schema.get_field_index("_offset"), "_offset", pa.array(np.arange(kept.num_rows)))


@pytest.fixture(scope="module")
def bundle(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Trained with the detector that a stream with windows has by default, and loaded again."""
    folder: Path = tmp_path_factory.mktemp("store")
    catalogue = Catalogue.open(f"sqlite:///{folder / 'c.db'}")
    store = ModelStore(folder / "models")
    trained = train(
        SPEC, lake=Archived(table), store=store, catalogue=catalogue, clock=ManualClock(), options=TrainOptions()
    )
    catalogue.close()
    return store.load(trained.bundle.model_id)


def scored_live(table: pa.Table, bundle: Bundle, folder: Path, records: int) -> tuple[npt.NDArray[np.float64], int]:
    """Scores and flagged rows, of events polled `records` at a time."""
    broker = MemoryBroker()
    broker.add_topic(SPEC.topic, 1)
    for row in table.select([*NAMES, "_time"]).to_pylist():
        moment = row.pop("_time")
        value = json.dumps(row | {"at": row["at"].isoformat()}).encode()
        broker.append(OutRecord(SPEC.topic, value, partition=0, timestamp_ms=int(moment.timestamp() * 1000)))
    keeper = StateKeeper.of(SPEC, Lake(folder), broker=broker, clock=ManualClock())
    assert keeper is not None
    assert keeper.recover({SOURCE: 0}, "topic-0")
    passes, scores, flagged = Forward(Intake(SPEC), NAMES, keeper.enrich), [], 0
    log = broker.log(*(SOURCE.topic, SOURCE.partition)).records
    for start in range(0, len(log), records):
        part = log[start : start + records]
        for piece in passes.run([block_of(SOURCE, part)], bundle, poison=False):
            scores.append(piece.scores_B)
            flagged += len(piece.flagged)
        keeper.committed({SOURCE: part[-1].offset + 1})
    passes.close()
    keeper.close()
    return np.concatenate(scores), flagged


def test_a_stream_with_windows_is_given_their_detector(bundle: Bundle) -> None:
    assert bundle.detector.name == "window_vae"
    assert list(bundle.detector.feature_names) == ["load.window", "heat.window"]


@pytest.mark.parametrize("records", [97, 5_000])
def test_the_scorer_scores_as_the_archive_does(table: pa.Table, bundle: Bundle, tmp_path: Path, records: int) -> None:
    """Whatever is polled at a time; and a backtest flags as many."""
    found = enriched_rows(SPEC, Recipe.of(SPEC), Archived(table), columns=NAMES, start_ms=None, end_ms=None)
    archived = np.concatenate([bundle.detector.score(part.batch) for part in found])
    live, flagged = scored_live(table, bundle, tmp_path, records)
    np.testing.assert_allclose(live, archived, rtol=1e-4, atol=1e-4)
    backtest = Backtest(SPEC, bundle, topic_id="t", masker=Masker(SPEC))
    for batch in table.combine_chunks().to_batches(max_chunksize=211):
        backtest.take(batch)
    assert backtest.finish().flagged == flagged > 0
