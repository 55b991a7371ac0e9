"""Replay never shows a detector what it is about to score, nor a label."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from detectors.base import FitReport, FloatArray, Progress
from detectors.columns import Kind, Role, make_field
from detectors.evaluation import auroc, family_figures, prequential, steps
from detectors.forest import ForestDetector
from detectors.injection import AnomalyKind, Family, Plan, inject
from tests.detectors.injection.tables import payments

SCHEMA = pa.schema([make_field("x", Kind.NUMERIC, [Role.FEATURE]), make_field("fraud", Kind.BOOLEAN, [Role.LABEL])])


class Watched(ForestDetector):
    """Remembers what it was shown."""

    shown: list[Any] = []  # noqa: RUF012

    def fit(self, table: pa.Table, *, progress: Progress | None = None) -> FitReport:
        self.shown.append(("fit", table.column_names, table["x"].to_pylist()))
        return super().fit(table, progress=progress)

    def score(self, batch: pa.RecordBatch) -> FloatArray:
        self.shown.append(("score", batch.schema.names, batch["x"].to_pylist()))
        return super().score(batch)


def test_only_older_rows_are_learned_from_and_no_label() -> None:
    table = pa.table([pa.array(np.arange(100.0)), pa.array([False] * 100)], schema=SCHEMA)
    Watched.shown = []
    plan = steps(100, first_fit_rows=50, step_rows=20)
    done = list(prequential(table, Watched, plan))
    assert [len(step.scores) for step in done] == [20, 20, 10]
    for (what, names, old), (_, _, new) in zip(Watched.shown[::2], Watched.shown[1::2], strict=True):
        assert what == "fit"
        assert names == ["x"]
        assert max(old) + 1 == min(new)
        assert len(old) == 50
    assert {step.fit_start for step in steps(100, first_fit_rows=50, step_rows=20, growing=True)} == {0}
    with pytest.raises(ValueError, match="cannot be split"):
        steps(10, first_fit_rows=10, step_rows=1)


def test_what_is_altered_is_scored_and_never_learned() -> None:
    table = payments(1_200)
    plan = Plan(families=(Family(kind=AnomalyKind.POINT, share=0.05, severity=(8.0, 8.0)),))
    done = {}

    def alter(later: pa.Table, number: int) -> pa.Table:
        done[number] = inject(later, plan, seed=number)
        return done[number].table

    for number, step in enumerate(
        prequential(table, ForestDetector, steps(1_200, first_fit_rows=800, step_rows=200), alter=alter)
    ):
        truth = done[number].truth
        assert auroc(step.scores, truth.labels_N) > 0.8
        (figures,) = family_figures(step.scores, truth, budget_share=0.05)
        assert figures.family == "point:number"
        assert figures.rows == figures.events == 10
        assert figures.auroc == pytest.approx(auroc(step.scores, truth.labels_N))
        assert 0.3 < figures.recall <= 1.0
