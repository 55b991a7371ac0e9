"""PCA: score = what a linear model of the columns leaves over (Shyu et al. 2003, its minor components).

Each column of the design matrix is standardised, projected on the leading principal axes and rebuilt; the squared
residual over twice its own training variance is its nats under a Gaussian, up to a constant. Contributions are
exact: each design column belongs to one feature. Fitted twice, the second time without the worst tenth of rows, so
that contamination does not choose the axes.

A baseline: works where features are linearly related; fails on combinations of levels and on several regimes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from detectors.artifacts import check_made_by
from detectors.base import Detector, FitReport, FloatArray, Progress, Reason, Tensors
from detectors.channels.base import Float32Array
from detectors.design import Design
from detectors.errors import NotFittedError
from detectors.features import Encoded, FeatureCodec
from detectors.reasons import column_sums, reasons

LEAST_DEVIATION = 1e-3
"""Of a residual, in standard deviations: an exact linear relation must not make dust infinitely strange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of PCA."""

    kept_variance: float = 0.9
    """Share of the variance that the kept axes explain."""
    trim_share: float = 0.1
    max_rows: int = 100_000
    """Rows the axes are computed from, drawn at random where there are more."""


class PcaDetector(Detector):
    """See the module's head. Runs on the CPU whatever `device` says."""

    name: ClassVar[str] = "pca"
    version: ClassVar[int] = 1

    def __init__(
        self, *, seed: int = 0, time_budget_seconds: float = 120.0, device: str = "cpu", config: Config | None = None
    ) -> None:
        self.seed, self.time_budget_seconds, self.device = seed, time_budget_seconds, device
        self.config = config or Config()
        self._design: Design | None = None
        self._arrays: dict[str, Float32Array] = {}

    def fit(self, table: pa.Table, *, progress: Progress | None = None) -> FitReport:
        """Two eigendecompositions of the correlation matrix; the time budget is not needed."""
        started = monotonic()
        codec = FeatureCodec.fit(table)
        design = Design.of(codec)
        rows = np.arange(table.num_rows)
        if table.num_rows > self.config.max_rows:
            generator = np.random.default_rng(self.seed)
            rows = np.sort(generator.choice(table.num_rows, self.config.max_rows, replace=False))
        x_BD = design.matrix(codec.encode(table.take(rows)))
        arrays = _axes(x_BD, self.config.kept_variance)
        worst_B = _residual_nats(x_BD, arrays).sum(axis=1)
        if progress is not None:
            progress(0.5, "axes found, fitting again without the worst rows")
        kept = worst_B <= np.quantile(worst_B, 1.0 - self.config.trim_share)
        self._arrays = _axes(x_BD[kept], self.config.kept_variance)
        self._design = design
        if progress is not None:
            progress(1.0, "fitted")
        return FitReport(
            rows=table.num_rows,
            seconds=monotonic() - started,
            epochs=1,
            stopped_because="closed form",
            figures={"axes": float(self._arrays["axes_DZ"].shape[1]), "design_columns": float(x_BD.shape[1])},
        )

    def _fitted(self) -> Design:
        if self._design is None:
            raise NotFittedError("PCA was neither fitted nor loaded: call fit or from_state first")
        return self._design

    def score(self, batch: pa.RecordBatch) -> FloatArray:
        """Residual nats and fixed nats of each row, (B,)."""
        design = self._fitted()
        encoded = design.codec.encode(batch)
        nats_B: FloatArray = _residual_nats(design.matrix(encoded), self._arrays).sum(axis=1, dtype=np.float64)
        nats_B += design.fixed_nats(encoded).sum(axis=0, dtype=np.float64)
        return nats_B

    def explain(self, batch: pa.RecordBatch, *, top: int = 5) -> list[tuple[Reason, ...]]:
        """Each row's `top` features by contribution; expected values are those of the training rows as a whole."""
        design = self._fitted()
        encoded = design.codec.encode(batch)
        return reasons(design.codec, batch, self._contributions(design, encoded), None, top=top)

    def _contributions(self, design: Design, encoded: Encoded) -> FloatArray:
        columns = len(design.codec.names)
        residual_BD = _residual_nats(design.matrix(encoded), self._arrays)
        fixed_FB = column_sums(design.fixed_nats(encoded), design.codec.column_of_part, columns)
        return column_sums(residual_BD.T, design.column_of_D, columns) + fixed_FB

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Axes, means and deviations; settings and encoding as JSON."""
        design = self._fitted()
        settings = {"seed": self.seed, "time_budget_seconds": self.time_budget_seconds, "config": asdict(self.config)}
        document = {"name": self.name, "version": self.version, **settings, "features": design.codec.document()}
        return dict(self._arrays), document

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        """The detector that `state` described."""
        check_made_by(document, name=cls.name, version=cls.version)
        detector = cls(
            seed=document["seed"],
            time_budget_seconds=document["time_budget_seconds"],
            device=device,
            config=Config(**document["config"]),
        )
        detector._design = Design.of(FeatureCodec.from_document(document["features"]))
        detector._arrays = dict(tensors)
        return detector

    @property
    def feature_names(self) -> Sequence[str]:
        """The columns this detector was fitted on, in order."""
        return self._fitted().codec.names


def _axes(x_BD: Float32Array, kept_variance: float) -> dict[str, Float32Array]:
    """Means, deviations, leading axes of the correlation matrix, and the residuals' variances."""
    mean_D = x_BD.mean(axis=0, dtype=np.float64)
    deviation_D: FloatArray = x_BD.std(axis=0, dtype=np.float64)
    deviation_D[deviation_D < 1e-6] = 1.0
    u_BD: FloatArray = (x_BD - mean_D) / deviation_D
    D = u_BD.shape[1]
    variance_D, axes_DD = np.linalg.eigh(u_BD.T @ u_BD / len(u_BD)) if D else (np.zeros(0), np.zeros((0, 0)))
    variance_D, axes_DD = variance_D[::-1], axes_DD[:, ::-1]
    explained = np.cumsum(variance_D) / max(float(variance_D.sum()), 1e-12)
    axes_DZ = axes_DD[:, : int(np.searchsorted(explained, kept_variance)) + 1]
    residual_BD = u_BD - (u_BD @ axes_DZ) @ axes_DZ.T
    spread_D = np.maximum(np.sqrt((residual_BD**2).mean(axis=0)), LEAST_DEVIATION)
    found = {"mean_D": mean_D, "deviation_D": deviation_D, "axes_DZ": axes_DZ, "spread_D": spread_D}
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in found.items()}


def _residual_nats(x_BD: Float32Array, arrays: dict[str, Float32Array]) -> Float32Array:
    """r² / 2σ² of each design column, (B, D)."""
    u_BD = (x_BD - arrays["mean_D"]) / arrays["deviation_D"]
    residual_BD = u_BD - (u_BD @ arrays["axes_DZ"]) @ arrays["axes_DZ"].T
    return np.asarray(0.5 * np.square(residual_BD / arrays["spread_D"]), dtype=np.float32)
