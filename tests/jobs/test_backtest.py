"""A backtest says what would have alerted: the same whatever the batches, true to the labels, and fit to be shown."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pytest

from detectors.base import Detector, FitReport, FloatArray, Progress, Reason, Tensors
from detectors.columns import Kind, Role
from detectors.thresholds import Budget, Kept, calibrate
from pipeline.config import AlertSpec, BudgetSpec, ColumnSpec, StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.backtest import Backtested, backtest
from pipeline.jobs.backtest_report import to_document, write_report
from pipeline.jobs.promise import Counted
from pipeline.masking import Masker
from pipeline.model_store import Bundle

HOUR_MS = 3_600_000
PERSON = "anna-7"
SPEC = StreamSpec(
    stream="s",
    topic="s",
    columns=(
        ColumnSpec(name="who", kind=Kind.TEXT, roles=frozenset({Role.KEY, Role.PERSONAL})),
        ColumnSpec(name="x", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
        ColumnSpec(name="label", kind=Kind.BOOLEAN, roles=frozenset({Role.LABEL})),
    ),
    budget=BudgetSpec(alerts_per_day=30.0),
    alerts=AlertSpec(group_gap_seconds=600.0),
)


class Distance(Detector):
    """Scores the distance from 0."""

    name = "distance"
    version = 1

    def fit(self, table: pa.Table, *, progress: Progress | None = None) -> FitReport:
        return FitReport(rows=table.num_rows, seconds=0.0, epochs=1, stopped_because="simple", figures={})

    def score(self, batch: pa.RecordBatch) -> FloatArray:
        return np.abs(np.asarray(batch["x"].to_numpy(zero_copy_only=False), dtype=np.float64))

    def explain(self, batch: pa.RecordBatch, *, top: int = 5) -> list[tuple[Reason, ...]]:
        assert "label" in batch.schema.names
        scores = self.score(batch)
        return [(Reason(column="x", contribution_nats=float(s), actual=float(s), expected=0.0),) for s in scores]

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        return {}, {}

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        return cls()

    @property
    def feature_names(self) -> Sequence[str]:
        return ["x"]


def bundle() -> Bundle:
    scores = np.abs(np.random.default_rng(0).normal(size=20_000))
    times = np.arange(20_000, dtype=np.int64) * (10 * 24 * HOUR_MS // 20_000)
    threshold = calibrate(scores, budget=Budget(alerts_per_day=30.0), times_ms=times, groups=None, gap_seconds=600.0)
    return Bundle(
        model_id="m1",
        stream="s",
        detector=Distance(),
        threshold=threshold,
        schema=SPEC.schema(),
        created_ms=0,
        facts={},
    )


def archive(rows: int = 4000, *, labelled: bool = True) -> pa.RecordBatch:
    rng = np.random.default_rng(1)
    x = rng.normal(size=rows)
    label = np.zeros(rows, np.bool_)
    label[1000:1003] = label[3000] = True
    x[1000:1003], x[3000] = 50.0, 60.0
    who = np.array([f"k{i % 9}" for i in range(rows)], dtype=object)
    who[1000:1003] = PERSON
    times = pa.array(np.arange(rows) * (2 * 24 * HOUR_MS // rows), pa.timestamp("ms", tz="UTC"))
    return pa.record_batch(
        {
            "who": pa.array(who, pa.string()),
            "x": pa.array(x),
            "label": pa.array(label if labelled else [None] * rows, pa.bool_()),
            "_partition": pa.array(np.arange(rows) % 2, pa.int32()).cast(pa.int32()),
            "_offset": pa.array(np.arange(rows) // 2, pa.int64()),
            "_row": pa.array(np.zeros(rows), pa.int32()),
            "_append_time": times,
            "_time": times,
        }
    )


def run(batches: list[pa.RecordBatch]) -> Backtested:
    return backtest(SPEC, bundle(), batches, topic_id="t0", masker=Masker(SPEC))


@pytest.fixture(scope="module")
def done() -> Backtested:
    return run([archive()])


@pytest.mark.parametrize("rows", [13, 37, 1000])
def test_alerts_do_not_depend_on_the_batches(done: Backtested, rows: int) -> None:
    whole = archive()
    parts = run([whole.slice(start, rows) for start in range(0, whole.num_rows, rows)])
    assert [a.id for a in parts.alerts] == [a.id for a in done.alerts]
    assert [(a.events, a.score_nats, a.last_offset) for a in parts.alerts] == [
        (a.events, a.score_nats, a.last_offset) for a in done.alerts
    ]
    assert (parts.rows, parts.flagged, parts.opened, parts.labels) == (
        done.rows,
        done.flagged,
        done.opened,
        done.labels,
    )


def test_labelled_events_that_joined_one_alert_are_one_true_alert(done: Backtested) -> None:
    assert done.labels is not None
    assert (done.labels.labelled_rows, done.labels.flagged_labelled_rows) == (4, 4)
    assert done.labels.row_recall == 1.0
    partitions_hit = 2  # the three events in a row lie in both partitions
    assert done.labels.true_alerts == partitions_hit + 1
    assert done.labels.false_alerts == done.opened - 3
    assert done.labels.auroc == pytest.approx(1.0)


def test_with_labels_the_promise_is_held_against_false_alarms_only(done: Backtested) -> None:
    assert done.promise is not None
    assert done.labels is not None
    assert done.promise.counted is Counted.FALSE
    assert done.promise.alerts == done.labels.false_alerts
    assert done.promise.expected == pytest.approx(60.0, rel=0.01)
    assert done.promise.verdict in (Kept.KEPT, Kept.TOO_EARLY)
    unlabelled = run([archive(labelled=False)])
    assert unlabelled.labels is None
    assert unlabelled.promise is not None
    assert unlabelled.promise.counted is Counted.UNCONFIRMED
    assert unlabelled.promise.alerts == unlabelled.opened == done.opened


def test_an_empty_window_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="--from and --to"):
        run([])


def test_the_report_is_a_picture_and_json_without_personal_values(done: Backtested, tmp_path: Path) -> None:
    document, picture = write_report(done, tmp_path / "report")
    assert picture.read_bytes()[:4] == b"\x89PNG"
    text = document.read_text(encoding="utf-8")
    assert PERSON not in text
    assert json.loads(text) == to_document(done)
    assert len(json.loads(text)["alerts"]) == len(done.alerts)
