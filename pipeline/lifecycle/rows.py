"""Which rows of a window a challenger does not learn from, and how many of each sort there were.

| rows | learned from | threshold calibrated on |
|---|---|---|
| of a withdrawn window | no | no |
| copies, by the stream's policy; of low quality | no | yes: the like will come, and alert, in service |
| confirmed anomalies | no (told apart by `labels`) | no: the promise counts unconfirmed alerts |
| flagged by the champion | see `flagged.py` | yes |

Every one of them still moves the states that later rows derive columns from, as in service. Shape legend: B rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.columns import Role
from detectors.feedback import RowLabels
from pipeline.config import StreamSpec
from pipeline.feedback.labels import FACT, FeedbackLabels, feedback_fact
from pipeline.jobs.enriched_rows import Rows
from pipeline.jobs.score_summary import Int64s, Mask
from pipeline.lineage.windows import Span
from pipeline.masking import Masker
from pipeline.model_store import Bundle

if TYPE_CHECKING:
    from pipeline.duplicates.rows import DuplicateRows
    from pipeline.expectations.suite import Suite

RowFilter = Callable[[Rows], Mask]
"""Which of B rows to leave out, (B,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """One sort of rows that is left out."""

    name: str
    leaves_out: RowFilter
    columns: tuple[str, ...] = ()
    """What it reads beside the columns that training reads."""
    calibrated_on: bool = True
    """Whether the threshold counts such rows all the same."""


class FeedbackJudge:
    """People's verdicts on alerts as verdicts on rows; rows between an alert's ends count where the champion flags
    them."""

    def __init__(
        self, spec: StreamSpec, labels: FeedbackLabels, masker: Masker, champion: Bundle | None = None
    ) -> None:
        self._keys, self._labels = spec.columns_with(Role.KEY), labels
        self._masker, self._champion = masker, champion

    def labels(self, partition: str, batch: Any, offsets_B: Int64s, *, met: set[int] | None = None) -> RowLabels:
        """Verdicts on rows of a partition, named `<topic id>/<number>`; those that found a row are added to `met`."""
        topic_id, _, number = partition.rpartition("/")
        place = topic_id, int(number)
        if place not in self._labels.ranges or not batch.num_rows:
            return RowLabels.none(batch.num_rows)
        return self._labels.of(
            batch,
            offsets_B,
            topic_id=topic_id,
            partition=place[1],
            key_columns=self._keys,
            hashed=lambda key: self._masker.key_hash(key, topic_id=topic_id),
            flagged_B=self._flagged(batch),
            met=met,
        )

    def fact(self, *, confirmed_rows: int, false_positive_rows: int, met: set[int]) -> dict[str, Any]:
        """The verdicts that found rows, and how many rows they were."""
        return feedback_fact(
            self._labels, confirmed_rows=confirmed_rows, false_positive_rows=false_positive_rows, met=met
        )

    def _flagged(self, batch: Any) -> Mask | None:
        if self._champion is None or not set(self._champion.detector.feature_names) <= set(batch.schema.names):
            return None
        return np.asarray(self._champion.threshold.flags(self._champion.detector.score(batch)), dtype=np.bool_)


class LeftOut:
    """What training asks of each batch. Counts every row left out once, under the first sort that it is of."""

    def __init__(self, sorts: Sequence[Sort], judge: FeedbackJudge | None = None) -> None:
        self._sorts, self._judge = tuple(sorts), judge
        self.counts = {sort.name: 0 for sort in self._sorts}
        """Rows of the fitted part that were left out, by sort."""
        self.confirmed = self.false_positives = 0
        """Rows learned from that people spoke of."""
        self._met: set[int] = set()

    @property
    def columns(self) -> tuple[str, ...]:
        """What is read beside the columns that training reads."""
        return tuple(dict.fromkeys(name for sort in self._sorts for name in sort.columns))

    def kept_for_fit(self, rows: Rows) -> Mask:
        """Which rows may be learned from, (B,)."""
        kept = np.ones(rows.batch.num_rows, np.bool_)
        for sort in self._sorts:
            out = np.asarray(sort.leaves_out(rows), np.bool_) & kept
            self.counts[sort.name] += int(out.sum())
            kept &= ~out
        return kept

    def kept_for_calibration(self, rows: Rows) -> Mask:
        """Which rows the threshold is calibrated on, (B,)."""
        kept = np.ones(rows.batch.num_rows, np.bool_)
        for sort in self._sorts:
            if not sort.calibrated_on:
                kept &= ~np.asarray(sort.leaves_out(rows), np.bool_)
        return kept & ~self._labels(rows).confirmed_N

    def labels(self, rows: Rows) -> RowLabels:
        """What people said of rows that are learned from."""
        labels = self._labels(rows, met=self._met)
        self.confirmed += int(labels.confirmed_N.sum())
        self.false_positives += int(labels.false_positive_N.sum())
        return labels

    def facts(self) -> dict[str, Any]:
        """What a bundle says of the rows that it did not learn from, and of the verdicts that it was taught by."""
        facts: dict[str, Any] = {"left_out": {**self.counts, "confirmed": self.confirmed}}
        if self._judge is not None:
            facts[FACT] = self._judge.fact(
                confirmed_rows=self.confirmed, false_positive_rows=self.false_positives, met=self._met
            )
        return facts

    def _labels(self, rows: Rows, *, met: set[int] | None = None) -> RowLabels:
        if self._judge is None or rows.offsets is None:
            return RowLabels.none(rows.batch.num_rows)
        return self._judge.labels(rows.partition, rows.batch, rows.offsets, met=met)


def withdrawn(spans: Sequence[Span]) -> Sort:
    """Rows of withdrawn times, start ≤ time < end."""
    return Sort(name="withdrawn", leaves_out=lambda rows: inside(rows.times_ms, spans), calibrated_on=False)


def low_quality(suite: "Suite", columns: tuple[str, ...]) -> Sort:
    """Rows that break a hard rule of the stream's expectations."""

    def leaves_out(rows: Rows) -> Mask:
        from pipeline.expectations.rows import bad_rows

        return bad_rows(rows.batch, suite)

    return Sort(name="low quality", leaves_out=leaves_out, columns=columns)


def copies(duplicates: "DuplicateRows") -> Sort:
    """Rows that are there twice, by the stream's policy."""
    return Sort(name="duplicates", leaves_out=duplicates.leaves_out, columns=duplicates.columns)


def inside(times_ms: Int64s, spans: Sequence[Span]) -> Mask:
    """Which times lie in any of the spans, start ≤ time < end, (N,)."""
    found = np.zeros(len(times_ms), np.bool_)
    for start_ms, end_ms in spans:
        found |= (times_ms >= start_ms) & (times_ms < end_ms)
    return found
