"""Training, backtest and scorer see the same derived values: no skew, whatever window is looked at."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from detectors.base import FloatArray
from detectors.columns import Kind, Role
from detectors.pca import PcaDetector
from detectors.thresholds import Budget, calibrate
from pipeline.catalogue.catalogue import Catalogue
from pipeline.clock import ManualClock
from pipeline.config import BudgetSpec, ColumnSpec, ContextSpec, StreamSpec
from pipeline.errors import ModelError
from pipeline.jobs.backtest import Backtest
from pipeline.jobs.enriched_rows import enriched_rows
from pipeline.jobs.train import TrainOptions, train
from pipeline.jobs.training_data import TrainingData
from pipeline.masking import Masker
from pipeline.model_store import Bundle, ModelStore
from pipeline.state.enricher import Enricher
from pipeline.state.fitting import FACT, enrichment_fact
from pipeline.state.recipe import Recipe
from tests.jobs.archived import Archived

SPEC = StreamSpec(
    stream="s",
    topic="s",
    columns=(
        ColumnSpec(name="who", kind=Kind.CATEGORICAL, roles=frozenset({Role.KEY})),
        ColumnSpec(name="x", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
    ),
    budget=BudgetSpec(alerts_per_day=500.0),
    context=(ContextSpec(key=("who",), half_lives_seconds=(30.0,), numeric=("x",), measures=("count", "mean")),),
)
ROWS = 4_000


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Rows in order of offset within each of two partitions; some late."""
    rng = np.random.default_rng(0)
    times = np.sort(rng.integers(0, 4 * 3_600_000, ROWS)) - rng.integers(0, 60_000, ROWS) * (rng.random(ROWS) < 0.05)
    moment = pa.array(np.maximum(times, 0)).cast(pa.timestamp("ms", tz="UTC"))
    partition = np.arange(ROWS) % 2
    return pa.table(
        {
            "who": [f"k{p}-{n}" for p, n in zip(partition, rng.integers(0, 9, ROWS), strict=True)],
            "x": rng.normal(size=ROWS).round(3),
            "_partition": pa.array(partition, pa.int32()),
            "_offset": pa.array(np.arange(ROWS) // 2),
            "_row": pa.array(np.zeros(ROWS), pa.int32()),
            "_append_time": moment,
            "_time": moment,
        }
    )


@pytest.fixture(scope="module")
def whole(table: pa.Table) -> pa.Table:
    """Every row with its derived columns, by one run of the scorer's class over each partition."""
    parts = []
    for partition in (0, 1):
        rows = table.filter(pa.array(table["_partition"].to_numpy() == partition)).combine_chunks()
        [batch] = rows.select(["who", "x"]).cast(SPEC.schema()).to_batches()
        times = rows["_time"].cast(pa.int64()).to_numpy()
        parts.append(Enricher(Recipe.of(SPEC)).advance(batch, times, next_offset=0))
    return pa.Table.from_batches(parts)


def keyed(table: pa.Table) -> Counter[tuple[object, ...]]:
    return Counter(tuple(row.values()) for row in table.to_pylist())


@pytest.mark.parametrize("batch_rows", [17, 1000])
def test_training_sees_what_the_scorer_saw(table: pa.Table, whole: pa.Table, batch_rows: int) -> None:
    data = TrainingData(SPEC, Archived(table, batch_rows=batch_rows))
    fitted = data.fit_sample()
    held_out = [rows.batch for rows in data.held_out()]
    assert fitted.schema.equals(SPEC.enriched_schema(), check_metadata=True)
    assert fitted.num_rows == pytest.approx(0.75 * ROWS, abs=1)
    assert keyed(fitted) + keyed(pa.Table.from_batches(held_out)) == keyed(whole)


def test_a_window_is_warmed_by_the_rows_before_it(table: pa.Table, whole: pa.Table) -> None:
    start = 2 * 3_600_000
    found = enriched_rows(SPEC, Recipe.of(SPEC), Archived(table), columns=["who", "x"], start_ms=start, end_ms=None)
    rows = pa.Table.from_batches([part.batch for part in found])
    assert 0 < rows.num_rows < ROWS
    assert not keyed(rows) - keyed(whole)


def bundle_of(whole: pa.Table) -> Bundle:
    detector = PcaDetector(seed=0)
    detector.fit(whole)
    scores = scores_of(detector, whole)
    threshold = calibrate(scores, budget=Budget(share_of_events=0.05), times_ms=None, groups=None, gap_seconds=1.0)
    facts = {FACT: enrichment_fact(SPEC)}
    return Bundle(
        model_id="m",
        stream="s",
        detector=detector,
        threshold=threshold,
        schema=SPEC.enriched_schema(),
        created_ms=0,
        facts=facts,
    )


def scores_of(detector: PcaDetector, rows: pa.Table) -> FloatArray:
    return np.concatenate([detector.score(batch) for batch in rows.to_batches()])


def flagged(bundle: Bundle, table: pa.Table, *, start_ms: int | None, batch_rows: int) -> tuple[int, int]:
    """Rows scored and rows flagged by a backtest."""
    running = Backtest(SPEC, bundle, topic_id="t", masker=Masker(SPEC), start_ms=start_ms)
    for batch in table.combine_chunks().to_batches(max_chunksize=batch_rows):
        running.take(batch)
    done = running.finish()
    return done.rows, done.flagged


@pytest.mark.parametrize("batch_rows", [23, ROWS])
def test_a_backtest_of_a_window_flags_what_the_whole_run_flags_there(
    table: pa.Table, whole: pa.Table, batch_rows: int
) -> None:
    bundle, start = bundle_of(whole), 2 * 3_600_000
    times = np.concatenate(
        [
            table.filter(pa.array(table["_partition"].to_numpy() == p))["_time"].cast(pa.int64()).to_numpy()
            for p in (0, 1)
        ]
    )
    flags = bundle.threshold.flags(scores_of(bundle.detector, whole))  # type: ignore[arg-type]
    assert flagged(bundle, table, start_ms=None, batch_rows=batch_rows) == (ROWS, int(flags.sum()))
    inside = times >= start
    assert flagged(bundle, table, start_ms=start, batch_rows=batch_rows) == (
        int(inside.sum()),
        int(flags[inside].sum()),
    )


def test_a_model_of_another_context_is_refused_and_training_makes_one_that_is_not(
    table: pa.Table, whole: pa.Table, tmp_path: Path
) -> None:
    [context] = SPEC.context
    other = SPEC.model_copy(update={"context": (context.model_copy(update={"half_lives_seconds": (60.0,)}),)})
    for spec in (other, SPEC.model_copy(update={"context": ()})):
        with pytest.raises(ModelError, match="eddyline train s"):
            Backtest(spec, bundle_of(whole), topic_id="t", masker=Masker(SPEC))
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'c.db'}")
    trained = train(
        other,
        lake=Archived(table),
        store=ModelStore(tmp_path / "models"),
        catalogue=catalogue,
        clock=ManualClock(),
        options=TrainOptions(detector="pca"),
    )
    catalogue.close()
    loaded = ModelStore(tmp_path / "models").load(trained.bundle.model_id)
    assert "who.count_1m" in loaded.detector.feature_names
    Backtest(other, loaded, topic_id="t", masker=Masker(other))
