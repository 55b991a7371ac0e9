"""The blend with one more view, which labelled anomalies teach: which columns' surprise tells, and how much.

score = √(Σ_v t_v² + t²), t_v the blend's views and t the nats of the lesson's tail among training rows (`lesson.py`).
The lesson is one view of five, so a row that the blend is sure of keeps its score whatever was taught.

What teaches: rows that the caller labels, or where there are none, anomalies injected into a copy of training rows, of
the families that belong to training (`examples.py`). Labelled rows are never learned as normal. Where a stream has
keyed context, inject into the events before context is derived and hand the rows over as labels: a customer's strange
amounts then move every column that they would move in service. docs/decisions/0023-learning-from-injected-anomalies.md
has the figures.

Fails where the blend fails and no column of an anomaly is more surprising than usual; on tables whose real anomalies
are strange by lying between groups rather than by columns it ranks them a little below the blend.

Shape legend: B rows, F columns of the table, D columns of the matrix, S sources of surprise.
"""

from dataclasses import replace
from time import monotonic
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from detectors.base import FitReport, FloatArray, Progress, Tensors
from detectors.blend.detector import PANEL_ROWS, BlendDetector
from detectors.errors import UnusableDataError
from detectors.features import Encoded
from detectors.taught.examples import examples
from detectors.taught.labels import Labels
from detectors.taught.lesson import SHAPES, SOURCES, Lesson

LEAST_EXAMPLES = 20
"""Anomalous rows; with fewer nothing is taught and the blend's score stands."""
MOST_CELLS = 30_000_000
"""Evidence held at once in a fit: wide tables are taught by fewer rows."""
BLEND_SHARE = 0.7
"""Of the progress shown."""


class TaughtDetector(BlendDetector):
    """See the module's head. `device` is "cpu" or "cuda", as the caller resolved it."""

    name: ClassVar[str] = "taught"
    version: ClassVar[int] = 1
    _lesson: Lesson | None = None

    def fit(self, table: pa.Table, *, progress: Progress | None = None, labels: Labels | None = None) -> FitReport:
        """Learn the blend from rows that are not labelled anomalous, then the lesson from those that are.

        Raises UnusableDataError where labels are not one a row, and as every detector does.
        """
        started = monotonic()
        if labels is not None and len(labels.anomalous_N) != table.num_rows:
            raise UnusableDataError(
                f"{len(labels.anomalous_N)} labels for {table.num_rows} rows: hand over one label a row of the table"
            )
        ordinary = table if labels is None else table.filter(pa.array(~labels.anomalous_N))
        report = super().fit(ordinary, progress=_first_part(progress))
        kept = _evenly(ordinary, self._most_rows())
        if labels is None:
            anomalous, labels = examples(kept, seed=self.seed)
        else:
            anomalous = table.filter(pa.array(labels.anomalous_N))
        self._teach(kept, anomalous, labels)
        if progress is not None:
            progress(1.0, f"taught by {anomalous.num_rows} anomalies")
        figures = {**report.figures, "taught_by_rows": float(anomalous.num_rows)}
        return replace(report, rows=table.num_rows, seconds=monotonic() - started, figures=figures)

    def _most_rows(self) -> int:
        return max(LEAST_EXAMPLES, min(PANEL_ROWS, MOST_CELLS // (SHAPES * len(SOURCES) * len(self.feature_names))))

    def _teach(self, ordinary: pa.Table, anomalous: pa.Table, labels: Labels) -> None:
        self._lesson = None
        if anomalous.num_rows < LEAST_EXAMPLES:
            return
        weights_B = labels.weights()
        if anomalous.num_rows > self._most_rows():
            at = np.linspace(0, anomalous.num_rows - 1, self._most_rows()).astype(np.int64)
            anomalous, weights_B = anomalous.take(pa.array(at)), weights_B[at]
        self._lesson = Lesson.fit(self._surprise_of(ordinary), self._surprise_of(anomalous), weights_B)

    def _surprise_of(self, table: pa.Table) -> Tensor:
        """(S, F, B) of a whole table."""
        encoded = self._fitted()[0].encode(table)
        parts = [encoded.columns(start, stop) for start, stop in self._chunks(table.num_rows)]
        return torch.cat([self._surprise(part, self._tensor(part))[0] for part in parts], dim=2)

    @torch.no_grad()
    def _surprise(self, encoded: Encoded, z_DB: Tensor) -> tuple[Tensor, FloatArray]:
        """How surprising each column is to each of `SOURCES`, (S, F, B), and the VAE's score, (B,)."""
        codec, panel, _ = self._fitted()
        nats_PB = self._vae.part_nats(encoded)
        owner_P = torch.from_numpy(codec.column_of_part).to(z_DB.device)
        owner_D = torch.from_numpy(self._matrix.columns).to(z_DB.device)
        surprise_SFB = z_DB.new_zeros(len(SOURCES), len(codec.names), z_DB.shape[1])
        surprise_SFB[0].index_add_(0, owner_P, nats_PB)
        surprise_SFB[1].index_add_(0, owner_D, panel.relations.by_column(z_DB))
        surprise_SFB[2].index_add_(0, owner_D, z_DB.abs())
        return surprise_SFB, nats_PB.sum(dim=0).cpu().numpy().astype(np.float64)

    def views(self, batch: pa.RecordBatch) -> FloatArray:
        """Tail nats of each view, (V + 1, B): those of the blend, then the lesson's."""
        if self._lesson is None:
            return np.concatenate([super().views(batch), np.zeros((1, batch.num_rows))])
        codec, panel, _ = self._fitted()
        encoded = codec.encode(batch)
        nats_VB = np.empty((len(panel.tails) + 1, batch.num_rows))
        for start, stop in self._chunks(batch.num_rows):
            part = encoded.columns(start, stop)
            z_DB = self._tensor(part)
            surprise_SFB, vae_B = self._surprise(part, z_DB)
            nats_VB[:-1, start:stop] = panel.tail_nats(z_DB, vae_B)
            nats_VB[-1, start:stop] = self._lesson.nats(surprise_SFB)
        return nats_VB

    def score_untaught(self, batch: pa.RecordBatch) -> FloatArray:
        """What the blend alone says, (B,): for seeing what was taught."""
        return np.asarray(np.sqrt(np.square(super().views(batch)).sum(axis=0)), dtype=np.float64)

    def _contributions(self, encoded: Encoded, z_DB: Tensor, vae_FB: FloatArray) -> FloatArray:
        """The blend's shares and the lesson's, by their parts of the squared score, (F, B)."""
        blend_FB = super()._contributions(encoded, z_DB, vae_FB)
        if self._lesson is None:
            return blend_FB
        surprise_SFB, _ = self._surprise(encoded, z_DB)
        added_FB = self._lesson.by_column(surprise_SFB) + 1e-9
        blend_B, taught_B = blend_FB.sum(axis=0), self._lesson.nats(surprise_SFB)
        score_B = np.maximum(np.sqrt(blend_B**2 + taught_B**2), 1e-12)
        return np.asarray(blend_FB * (blend_B / score_B) + added_FB / added_FB.sum(axis=0) * (taught_B**2 / score_B))

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """The blend's state and the lesson's arrays."""
        tensors, document = super().state()
        lesson = {} if self._lesson is None else self._lesson.state()
        return tensors | {f"lesson.{name}": value for name, value in lesson.items()}, document

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        """The detector that `state` described, ready to score on `device`."""
        detector = super().from_state(tensors, document, device=device)
        found = {name.removeprefix("lesson."): array for name, array in tensors.items() if name.startswith("lesson.")}
        detector._lesson = Lesson.from_state(found) if found else None
        return detector


def _evenly(table: pa.Table, most: int) -> pa.Table:
    """At most so many rows, evenly spaced."""
    if table.num_rows <= most:
        return table
    return table.take(pa.array(np.linspace(0, table.num_rows - 1, most).astype(np.int64)))


def _first_part(progress: Progress | None) -> Progress | None:
    return None if progress is None else (lambda fraction, text: progress(BLEND_SHARE * fraction, text))
