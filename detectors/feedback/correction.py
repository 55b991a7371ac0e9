"""What judged rows change in a detector's scores.

score = s + c · t(row): s the detector's own, t the log-odds that boosted trees (`trees.py`) learn from verdicts beyond
what s says already, c what one nat of rarity is in units of s far out (the mean excess of its tail). The trees' offset
is s as nats of its tail among training rows, less those of the judged rows' median (or 3): were anomalies as likely at
every height, each nat of rarity would be one of log-odds, and an alert is held as likely true as not before verdicts,
so that false positives alone do not teach that there are no anomalies. Rows that nobody judged take part with what the
offset says of them as their verdict, all together as much as the judged ones: they hold the correction at 0 wherever
no judged row speaks against it.

Fails where judged anomalies are not like those to come, and where verdicts contradict the columns (the same kind of
row called both): then the trees find nothing that lasts, and the penalty keeps the harm small but not nothing.

Shape legend: B rows, F features.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.base import FloatArray, Tensors
from detectors.blend.tail_map import TailMap
from detectors.feedback.evidence import Evidence
from detectors.feedback.labels import RowLabels
from detectors.feedback.trees import Trees, cuts_of

LEAST_JUDGED = 20
"""Rows; with fewer nothing is corrected."""
UNJUDGED_ROWS = 4_000
LEAST_MIDDLE_NATS = 3.0
"""Of rarity; see the module's head."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a correction is learned from: tables with their scores."""

    judged: pa.Table
    judged_scores_B: FloatArray
    anomalous_B: FloatArray
    """1 for confirmed anomalies, 0 for false positives."""
    unjudged: pa.Table
    """Ordinary rows."""
    unjudged_scores_B: FloatArray


@dataclass(frozen=True, slots=True)
class Correction:
    """Fitted trees, what they ask about, and their unit."""

    evidence: Evidence
    trees: Trees
    unit: float
    """Of the score, a nat."""

    @classmethod
    def fit(cls, rows: Judged) -> Self | None:
        """From judged and other rows; None where they teach nothing."""
        tail = TailMap.fit(rows.unjudged_scores_B)
        if len(rows.anomalous_B) < LEAST_JUDGED or tail.scale <= 0.0:
            return None
        evidence = Evidence.fit(rows.unjudged)
        ordinary_FB = evidence.of(rows.unjudged, rows.unjudged_scores_B)
        some = _evenly(rows.unjudged.num_rows)
        x_FB = np.concatenate([evidence.of(rows.judged, rows.judged_scores_B), ordinary_FB[:, some]], axis=1)
        judged_B, offset_B = tail.apply(rows.judged_scores_B), tail.apply(rows.unjudged_scores_B[some])
        offset_B = np.r_[judged_B, offset_B] - max(float(np.median(judged_B)), LEAST_MIDDLE_NATS)
        y_B = np.r_[rows.anomalous_B, _logistic(offset_B[len(judged_B) :])]
        w_B = np.r_[np.ones(len(judged_B)), np.full(len(some), len(judged_B) / len(some))]
        trees = Trees.fit(x_FB, [cuts_of(x_B) for x_B in ordinary_FB], offset_B, y_B, w_B)
        if not len(trees.leaf_TV):
            return None
        narrowed, place_F = evidence.narrowed(trees.features)
        return cls(narrowed, trees.renumbered(place_F), tail.scale)

    def total(self, batch: pa.RecordBatch, scores_B: FloatArray) -> FloatArray:
        """What is added to scores, (B,)."""
        return self.unit * self.trees.total(self.evidence.of(batch, scores_B))

    def by_column(self, batch: pa.RecordBatch, scores_B: FloatArray) -> tuple[dict[str, FloatArray], FloatArray]:
        """The same by column, (B,) each, and what the score itself, which is no column, brought about, (B,)."""
        shares_FB = self.unit * self.trees.by_feature(self.evidence.of(batch, scores_B))
        columns: dict[str, FloatArray] = {}
        for owner, share_B in zip(self.evidence.owners, shares_FB[1:], strict=True):
            columns[owner] = columns[owner] + share_B if owner in columns else share_B
        return columns, shares_FB[0]

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Arrays, and JSON."""
        arrays, features = self.evidence.state()
        return {**arrays, **self.trees.state(), "unit": np.array([self.unit])}, {"features": features}

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any]) -> Self:
        """What `state` described."""
        evidence = Evidence.from_state(tensors, document["features"])
        return cls(evidence, Trees.from_state(tensors), float(tensors["unit"][0]))


def anomalous(labels: RowLabels) -> FloatArray:
    """The verdicts of the judged rows, 1 anomalous, in their order."""
    return labels.confirmed_N[labels.judged_N].astype(np.float64)


def _evenly(rows: int) -> npt.NDArray[np.int64]:
    """At most `UNJUDGED_ROWS` of so many rows, evenly spaced."""
    return np.unique(np.linspace(0, rows - 1, min(rows, UNJUDGED_ROWS)).astype(np.int64))


def _logistic(x_B: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-x_B)))
