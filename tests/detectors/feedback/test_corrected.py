"""A detector corrected by verdicts: itself without them, better with them, an ordinary detector all the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from detectors.base import Detector, FitReport, FloatArray, Progress
from detectors.columns import Kind, Role, make_field
from detectors.contract import PROMISES, DetectorClass, example
from detectors.ecod import EcodDetector
from detectors.errors import UnusableDataError
from detectors.evaluation import average_precision
from detectors.feedback import RowLabels, fit_with_labels
from detectors.feedback.correction import LEAST_JUDGED
from detectors.feedback.detector import Config, CorrectedDetector


class Judged(CorrectedDetector):
    """The corrected detector, taught by verdicts on half of the contract's table."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"config": Config(base="ecod"), **settings})

    def fit(self, table: pa.Table, *, progress: Progress | None = None, labels: RowLabels | None = None) -> FitReport:
        same, odd = example()
        if table.num_rows == same.num_rows:
            half = np.arange(table.num_rows) % 2 == 0
            labels = RowLabels(odd & half, ~odd & half & (np.arange(table.num_rows) % 20 == 0))
        report = super().fit(table, progress=progress, labels=labels)
        assert labels is None or self.correction is not None, "the example teaches something"
        return report


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_a_detector_taught_by_verdicts_keeps_every_promise(promise: Callable[[DetectorClass], None]) -> None:
    promise(Judged)


def amounts(rows: int, *, seed: int, wrong: float = 0.02, harmless: float = 0.03) -> tuple[pa.Table, Any, Any]:
    """Numbers with two kinds of rare rows: large ones at one shop, which are harmless, and large ones elsewhere, which
    are what is looked for and less rare by themselves. Returns the table and who is which."""
    g = np.random.default_rng(seed)
    kind = g.choice(3, rows, p=[1 - wrong - harmless, harmless, wrong])
    a, b, c, d = g.normal(0, 1, (4, rows))
    a = np.where(kind == 1, 7 + g.normal(0, 1, rows), a)
    b = np.where(kind == 1, 6 + g.normal(0, 1, rows), b)
    c = np.where(kind == 2, 4 + g.normal(0, 1, rows), c)
    fields = [make_field(name, Kind.NUMERIC, [Role.FEATURE]) for name in "abcd"]
    table = pa.table([pa.array(x) for x in (a, b, c, d)], schema=pa.schema(fields))
    return table, kind == 2, kind == 1


def scores_of(detector: Detector, table: pa.Table) -> FloatArray:
    return detector.score(table.combine_chunks().to_batches()[0])


def judged_alerts(scores: FloatArray, odd: Any, *, share: float) -> RowLabels:
    """The verdicts an operator gives on the highest share of rows."""
    shown = np.zeros(len(scores), np.bool_)
    shown[np.argsort(-scores)[: round(share * len(scores))]] = True
    return RowLabels(shown & odd, shown & ~odd)


def small(seed: int = 0) -> Detector:
    return EcodDetector(seed=seed)


def test_verdicts_on_one_row_in_a_hundred_raise_average_precision_on_rows_that_nobody_judged() -> None:
    older, odd, _ = amounts(6_000, seed=1)
    newer, newer_odd, _ = amounts(6_000, seed=2)
    plain = small()
    plain.fit(older)
    labels = judged_alerts(scores_of(plain, older), odd, share=0.01)
    taught, _ = fit_with_labels(small(), older, labels)
    before = average_precision(scores_of(plain, newer), newer_odd)
    after = average_precision(scores_of(taught, newer), newer_odd)
    assert after > 1.5 * before, (before, after)


@pytest.mark.parametrize("labels", [None, RowLabels.none(1_500)])
def test_without_verdicts_scores_are_exactly_the_detectors_own(labels: RowLabels | None) -> None:
    table, _ = example()
    alone = small()
    alone.fit(table)
    fitted, _ = fit_with_labels(small(), table, labels)
    named = CorrectedDetector(config=Config(base="ecod"))
    named.fit(table, labels=labels)
    assert np.array_equal(scores_of(fitted, table), scores_of(alone, table))
    assert np.array_equal(scores_of(named, table), scores_of(alone, table))


def test_a_few_verdicts_correct_nothing_and_confirmed_rows_are_still_not_learned() -> None:
    table, odd, _ = amounts(2_000, seed=4)
    few = np.zeros(table.num_rows, np.bool_)
    few[np.flatnonzero(odd)[: LEAST_JUDGED - 1]] = True
    fitted, report = fit_with_labels(small(), table, RowLabels(few, np.zeros_like(few)))
    without = small()
    without.fit(table.filter(pa.array(~few)))
    assert isinstance(fitted, EcodDetector)
    assert report.rows == table.num_rows
    assert np.array_equal(scores_of(fitted, table), scores_of(without, table))


def test_false_positives_alone_come_down_far_more_than_real_anomalies_do() -> None:
    older, odd, _ = amounts(6_000, seed=5)
    plain = small()
    plain.fit(older)
    shown = judged_alerts(scores_of(plain, older), odd, share=0.02)
    taught, _ = fit_with_labels(small(), older, RowLabels(np.zeros_like(odd), shown.false_positive_N))
    newer, newer_odd, newer_harmless = amounts(6_000, seed=6)
    before, after = scores_of(plain, newer), scores_of(taught, newer)
    fall = before - after
    assert np.median(fall[newer_harmless]) > max(1.0, 2.0 * np.median(fall[newer_odd]))


def test_the_same_verdicts_give_the_same_detector() -> None:
    table, odd, _ = amounts(3_000, seed=7)
    labels = RowLabels(odd & (np.arange(3_000) % 2 == 0), np.zeros(3_000, np.bool_))
    first, second = (fit_with_labels(small(), table, labels)[0] for _ in range(2))
    assert np.array_equal(scores_of(first, table), scores_of(second, table))


def test_labels_that_do_not_fit_are_refused() -> None:
    table, odd, _ = amounts(1_000, seed=8)
    with pytest.raises(UnusableDataError, match="one label a row"):
        fit_with_labels(small(), table, RowLabels(odd[:-1], np.zeros(999, np.bool_)))
    with pytest.raises(ValueError, match="both"):
        RowLabels(odd, odd)
    with pytest.raises(ValueError, match="one a row"):
        RowLabels(odd, odd[:-1])
