"""An evaluation's figures are those of labels that no detector saw, or of anomalies that went through the context."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detectors.columns import Role
from detectors.evaluation import auroc
from detectors.pca import PcaDetector
from pipeline.config import ContextSpec, StreamSpec
from pipeline.demo.payments import SimulationConfig, simulate, stream_spec
from pipeline.errors import ConfigError
from pipeline.jobs.evaluate import Evaluated, evaluate
from pipeline.jobs.evaluation_report import to_document, write_report
from pipeline.jobs.evaluation_rows import EvaluationRows, enriched, rows_of_file
from pipeline.jobs.evaluation_stage import EvaluateOptions, make_stage
from pipeline.jobs.score_summary import anomalous

SPEC = stream_spec().model_copy(update={"context": ()})
KEY, LABEL = SPEC.columns_with(Role.KEY)[0], SPEC.columns_with(Role.LABEL)[0]


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("events") / "payments.parquet"
    pq.write_table(simulate(SimulationConfig(days=5.0, customers=400, merchants=150)), path)
    return path


@pytest.fixture(scope="module")
def rows(events: Path) -> EvaluationRows:
    return rows_of_file(SPEC, events, most=6_000)


def run(rows: EvaluationRows, spec: StreamSpec = SPEC, **options: object) -> Evaluated:
    asked = EvaluateOptions(**{"detectors": ("pca", "ecod"), "draws": 40, **options})  # type: ignore[arg-type]
    return evaluate(spec, rows, source="payments", options=asked)


def test_labelled_figures_are_those_of_rows_never_learned_from(rows: EvaluationRows) -> None:
    done = run(rows, held_out_share=0.5)
    cut = rows.table.num_rows // 2
    detector = PcaDetector()
    detector.fit(rows.table.slice(0, cut))
    [batch] = rows.table.slice(cut).combine_chunks().to_batches()
    wanted = auroc(detector.score(batch), anomalous(rows.table[LABEL].slice(cut)))
    pca = done.results[0].labelled
    assert pca is not None
    assert pca.auroc.value == pytest.approx(wanted)
    assert pca.auroc.low < pca.auroc.value < pca.auroc.high
    assert pca.at_budget.flagged <= done.flagged_at_budget
    assert pca.delays.events > 0
    assert (done.rows_learned, done.rows_scored) == (cut, rows.table.num_rows - cut)


def test_no_detector_sees_a_label_or_an_injected_truth(rows: EvaluationRows) -> None:
    for inject in (False, True):
        stage = make_stage(SPEC, rows, 2_000, EvaluateOptions(inject=inject))
        assert LABEL not in stage.learned.column_names
        assert set(stage.scored.column_names) == set(stage.learned.column_names)


def test_injected_bursts_are_seen_through_the_context_and_only_there(rows: EvaluationRows) -> None:
    context = ContextSpec(key=(KEY,), half_lives_seconds=(3_600.0,), measures=("count",))
    keyed = SPEC.model_copy(update={"context": (context,)})

    def burst(done: Evaluated) -> float:
        return next(f.auroc for f in done.results[0].families if f.family == "collective:burst")

    alone, remembered = (
        run(rows, spec, detectors=("forest",), inject=True, anomaly_share=0.03) for spec in (SPEC, keyed)
    )
    assert alone.added_rows > 0
    assert burst(remembered) > 0.8
    assert burst(remembered) > burst(alone) + 0.2
    assert remembered.rows_scored == remembered.added_rows + rows.table.num_rows - remembered.rows_learned


def test_context_is_derived_in_order_of_time_per_partition(rows: EvaluationRows) -> None:
    spec = SPEC.model_copy(update={"context": (ContextSpec(key=(KEY,)),)})
    partition = np.arange(rows.table.num_rows) % 2
    apart = EvaluationRows(table=rows.table, times_ms=rows.times_ms, partition_N=partition, has_clock=True)
    both = enriched(apart, spec)
    even = np.flatnonzero(partition == 0)
    alone = EvaluationRows(
        table=rows.table.take(pa.array(even)),
        times_ms=rows.times_ms[even],
        partition_N=partition[even],
        has_clock=True,
    )
    assert both.take(pa.array(even)).combine_chunks().equals(enriched(alone, spec).combine_chunks())


def test_where_there_is_nothing_to_go_by_the_error_says_what_to_do(rows: EvaluationRows) -> None:
    columns = tuple(column for column in SPEC.columns if Role.LABEL not in column.roles)
    unlabelled = SPEC.model_copy(update={"columns": columns})
    bare = EvaluationRows(
        table=rows.table.drop_columns([LABEL]),
        times_ms=rows.times_ms,
        partition_N=rows.partition_N,
        has_clock=True,
    )
    with pytest.raises(ConfigError, match="take `--inject`"):
        run(bare, unlabelled)
    with pytest.raises(ConfigError, match="too few"):
        run(rows.slice(0, 100))
    with pytest.raises(ConfigError, match="choose one of"):
        run(rows, detectors=("oracle",))


@pytest.mark.parametrize("inject", [False, True])
def test_the_report_is_strict_json_and_a_picture(rows: EvaluationRows, tmp_path: Path, inject: bool) -> None:
    done = run(rows, inject=inject)
    document, picture = write_report(done, tmp_path / "out")
    read = json.loads(document.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert read == json.loads(json.dumps(to_document(done)))
    assert [d["name"] for d in read["detectors"]] == ["pca", "ecod"]
    assert bool(read["detectors"][0]["families"]) == inject
    assert picture.stat().st_size > 10_000
