"""The one call of a training that has labels: any detector, a table, the labels → a fitted detector."""

from dataclasses import replace

import pyarrow as pa

from detectors.base import Detector, FitReport, Progress
from detectors.feedback.detector import CorrectedDetector
from detectors.feedback.labels import RowLabels


def fit_with_labels(
    detector: Detector, table: pa.Table, labels: RowLabels | None = None, *, progress: Progress | None = None
) -> tuple[Detector, FitReport]:
    """Fit `detector` on `table` (rows oldest first) and let it learn from `labels`, one a row.

    Confirmed rows are not learned as normal. What is returned is what goes into the bundle: `detector` itself, fitted
    as ever, where there is nothing to learn from labels, else one that corrects its scores. Where a table is a sample
    of a larger archive, keep every judged row in it: they are few. The threshold must then be calibrated on rows that
    are not confirmed anomalies. Raises UnusableDataError where labels are not one a row, and as every detector does.
    """
    if labels is None or not labels.judged_N.any():
        return detector, detector.fit(table, progress=progress)
    labels.check(table.num_rows)
    if detector.windowed:
        report = detector.fit(table.filter(pa.array(~labels.confirmed_N)), progress=progress)
        return detector, replace(report, rows=table.num_rows)
    corrected = detector if isinstance(detector, CorrectedDetector) else CorrectedDetector(base=detector)
    report = corrected.fit(table, progress=progress, labels=labels)
    return (corrected if corrected.correction is not None else detector), report
