"""Any detector of rows, corrected by what people said of its alerts.

With no verdicts the scores are exactly the detector's own. Confirmed anomalies are left out of what it learns as
normal, and what judged rows have in common is learned on top (`correction.py`). Contributions are the detector's own
plus what each column adds to the correction: one may be below 0, where a column speaks for a false positive.

Windows are not corrected: `fit_with_labels` leaves their detectors as they are but for confirmed rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from detectors.artifacts import check_made_by
from detectors.base import Detector, FitReport, FloatArray, Progress, Reason, Tensors
from detectors.errors import NotFittedError
from detectors.feedback.correction import Correction, Judged, anomalous
from detectors.feedback.labels import RowLabels

ORDINARY_ROWS = 20_000
"""Rows that nobody judged, which a correction is weighed against."""
SCORE_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings."""

    base: str = "blend"
    """The detector that is corrected."""


class CorrectedDetector(Detector):
    """See the module's head. `device` is "cpu" or "cuda", as the caller resolved it."""

    name: ClassVar[str] = "corrected"
    version: ClassVar[int] = 1

    def __init__(
        self,
        *,
        seed: int = 0,
        time_budget_seconds: float = 120.0,
        device: str = "cpu",
        config: Config | None = None,
        base: Detector | None = None,
    ) -> None:
        """`base`, not fitted yet, in place of the detector that `config` names."""
        self.config = config or (Config() if base is None else Config(base=base.name))
        kind: Any = _kind(self.config.base)
        self.base: Detector = base or kind(seed=seed, time_budget_seconds=time_budget_seconds, device=device)
        self.correction: Correction | None = None
        self._fitted = False

    def fit(self, table: pa.Table, *, progress: Progress | None = None, labels: RowLabels | None = None) -> FitReport:
        """Learn from rows that are not confirmed anomalies, then from `labels`, one a row.

        Raises UnusableDataError where labels are not one a row, and as every detector does.
        """
        started = monotonic()
        labels = labels or RowLabels.none(table.num_rows)
        labels.check(table.num_rows)
        ordinary = table.filter(pa.array(~labels.confirmed_N)) if labels.confirmed_N.any() else table
        report = self.base.fit(ordinary, progress=progress)
        self.correction = self._learned(table, labels) if labels.judged_N.any() else None
        self._fitted = True
        figures = {
            **report.figures,
            "confirmed_rows": float(labels.confirmed_N.sum()),
            "false_positive_rows": float(labels.false_positive_N.sum()),
            "correction_trees": float(0 if self.correction is None else len(self.correction.trees.leaf_TV)),
        }
        return replace(report, rows=table.num_rows, seconds=monotonic() - started, figures=figures)

    def _learned(self, table: pa.Table, labels: RowLabels) -> Correction | None:
        judged = table.filter(pa.array(labels.judged_N))
        unjudged = table.filter(pa.array(~labels.judged_N))
        if unjudged.num_rows > ORDINARY_ROWS:
            at = np.unique(np.linspace(0, unjudged.num_rows - 1, ORDINARY_ROWS).astype(np.int64))
            unjudged = unjudged.take(pa.array(at))
        if not unjudged.num_rows:
            return None
        return Correction.fit(Judged(judged, self._own(judged), anomalous(labels), unjudged, self._own(unjudged)))

    def _own(self, table: pa.Table) -> FloatArray:
        parts = [self.base.score(batch) for batch in table.combine_chunks().to_batches(max_chunksize=SCORE_ROWS)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def score(self, batch: pa.RecordBatch) -> FloatArray:
        """The detector's score, corrected, (B,)."""
        self._check()
        scores_B = self.base.score(batch)
        return scores_B if self.correction is None else scores_B + self.correction.total(batch, scores_B)

    def explain(self, batch: pa.RecordBatch, *, top: int = 5) -> list[tuple[Reason, ...]]:
        """The detector's reasons, each with its column's part in the correction, largest first."""
        self._check()
        if self.correction is None or not batch.num_rows:
            return self.base.explain(batch, top=top)
        scores_B = self.base.score(batch)
        columns, by_score_B = self.correction.by_column(batch, scores_B)
        found = self.base.explain(batch, top=len(self.base.feature_names))
        return [_corrected(row, columns, by_score_B[b], b)[:top] for b, row in enumerate(found)]

    def _check(self) -> None:
        if not self._fitted:
            raise NotFittedError("the corrected detector was neither fitted nor loaded: call fit or from_state first")

    @property
    def feature_names(self) -> Sequence[str]:
        """The columns this detector was fitted on, in order."""
        self._check()
        return self.base.feature_names

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """The detector's own state, and the correction's."""
        self._check()
        own, base_document = self.base.state()
        tensors = {f"base.{name}": value for name, value in own.items()}
        correction: dict[str, Any] | None = None
        if self.correction is not None:
            arrays, correction = self.correction.state()
            tensors |= {f"correction.{name}": value for name, value in arrays.items()}
        document = {"name": self.name, "version": self.version, "base": self.base.name}
        return tensors, {**document, "base_document": base_document, "correction": correction}

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        """The detector that `state` described, ready to score on `device`."""
        check_made_by(document, name=cls.name, version=cls.version)
        base = _kind(document["base"]).from_state(_of(tensors, "base"), document["base_document"], device=device)
        detector = cls(config=Config(base=document["base"]), base=base)
        if document["correction"] is not None:
            detector.correction = Correction.from_state(_of(tensors, "correction"), document["correction"])
        detector._fitted = True
        return detector


def _kind(name: str) -> type[Detector]:
    from detectors.registry import detector_class  # which lists this detector too

    return detector_class(name)


def _of(tensors: Tensors, owner: str) -> Tensors:
    return {n.removeprefix(f"{owner}."): value for n, value in tensors.items() if n.startswith(f"{owner}.")}


def _corrected(row: tuple[Reason, ...], columns: dict[str, FloatArray], by_score: float, b: int) -> tuple[Reason, ...]:
    """A row's reasons with the correction: what the score itself brought about goes to the columns it is made of."""
    own = np.array([max(reason.contribution_nats, 0.0) for reason in row])
    share = own / own.sum() if own.sum() > 0.0 else np.full(len(row), 1.0 / max(len(row), 1))
    changed = [
        replace(
            reason,
            contribution_nats=reason.contribution_nats
            + float(part * by_score)
            + (float(columns[reason.column][b]) if reason.column in columns else 0.0),
        )
        for reason, part in zip(row, share, strict=True)
    ]
    return tuple(sorted(changed, key=lambda reason: -reason.contribution_nats))
