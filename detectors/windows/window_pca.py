"""Windowed PCA, the baseline: squared residual of the flattened window against its leading principal axes.

As row PCA (Shyu et al. 2003), over the values of all metrics at all steps of a window. Each key's metrics are centred
and divided by their spread; a column's residual over twice its training variance is its nats under a Gaussian. Fitted
twice, the second time without the worst tenth of windows.

Works where metrics move together along a few patterns; blind to what the axes rebuild and to how long it lasts.
"""

from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from detectors.artifacts import check_made_by
from detectors.base import FitReport, FloatArray, Progress, Reason, Tensors
from detectors.windows.axes import leading_axes
from detectors.windows.detector import WindowDetector, sampled_rows, taken
from detectors.windows.frame import KNEE, Frame, WindowCodec, spreads
from detectors.windows.kernel import Float32Array
from detectors.windows.reasons import Outlook, window_reasons

FARTHEST_SPREADS = 100.0
LEAST_DEVIATION = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of windowed PCA."""

    kept_variance: float = 0.9
    most_axes: int = 256
    trim_share: float = 0.1
    max_rows: int = 20_000
    """Windows the axes are computed from, drawn at random where there are more."""


class WindowPcaDetector(WindowDetector):
    """See the module's head. Runs on the CPU whatever `device` says."""

    name: ClassVar[str] = "window_pca"
    version: ClassVar[int] = 1

    def __init__(
        self, *, seed: int = 0, time_budget_seconds: float = 120.0, device: str = "cpu", config: Config | None = None
    ) -> None:
        super().__init__(seed=seed, time_budget_seconds=time_budget_seconds, device=device)
        self.config = config or Config()
        self._arrays: dict[str, Float32Array] = {}

    def fit(self, table: pa.Table, *, progress: Progress | None = None) -> FitReport:
        """Scales by key, then two eigendecompositions; the time budget is not needed."""
        started, c = monotonic(), self.config
        codec = WindowCodec.fit(table)
        frame = codec.frame(taken(table, sampled_rows(table.num_rows, c.max_rows, self.seed)))
        u_BD = _flat(frame)
        mean_D, axes_DZ, _ = leading_axes(
            u_BD, kept_variance=c.kept_variance, most=c.most_axes, trim_share=c.trim_share, seed=self.seed
        )
        left_BD = _left_over(u_BD, mean_D, axes_DZ)
        deviation_D = np.maximum(np.sqrt(np.square(left_BD).mean(axis=0)), LEAST_DEVIATION).astype(np.float32)
        self._codec = codec
        self._arrays = {"mean_D": mean_D, "axes_DZ": axes_DZ, "deviation_D": deviation_D}
        if progress is not None:
            progress(1.0, "fitted")
        figures = {"axes": float(axes_DZ.shape[1]), "window_columns": float(len(mean_D))}
        seconds = monotonic() - started
        return FitReport(rows=table.num_rows, seconds=seconds, epochs=1, stopped_because="closed form", figures=figures)

    def _nats(self, frame: Frame) -> FloatArray:
        a, (B, F, L) = self._arrays, frame.x_BFL.shape
        scaled_BD = _left_over(_flat(frame), a["mean_D"], a["axes_DZ"]) / a["deviation_D"]
        squares_BFL = np.square(scaled_BD).reshape(B, F, L) * frame.seen_BFL
        return np.asarray(0.5 * squares_BFL.sum(axis=2, dtype=np.float64), dtype=np.float64)

    def _reasons(self, frame: Frame, nats_BF: FloatArray, batch: pa.RecordBatch, top: int) -> list[tuple[Reason, ...]]:
        a, shape = self._arrays, frame.x_BFL.shape
        u_BD = _flat(frame)
        left_BFL = _left_over(u_BD, a["mean_D"], a["axes_DZ"]).reshape(shape)
        rebuilt_BF = (u_BD.reshape(shape) - left_BFL)[:, :, -1]
        expected_BF = np.copysign(KNEE * np.log1p(np.abs(rebuilt_BF) / KNEE), rebuilt_BF)
        deviation_FL = a["deviation_D"].reshape(shape[1:])
        spread_BF = np.broadcast_to(deviation_FL[:, -1], shape[:2]).astype(np.float64)
        outlook = Outlook(expected_BF, spread_BF, left_BFL / deviation_FL)
        return window_reasons(self._fitted(), frame, nats_BF, batch, outlook, top=top)

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Axes, means, deviations and scales; settings and columns as JSON."""
        tensors = {**self._fitted().scales.tensors(), **self._arrays}
        return tensors, self._settings(asdict(self.config))

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        """The detector that `state` described."""
        check_made_by(document, name=cls.name, version=cls.version)
        budget, config = document["time_budget_seconds"], Config(**document["config"])
        made = cls(seed=document["seed"], time_budget_seconds=budget, device=device, config=config)
        made._codec = WindowCodec.from_state(tensors, document["windows"])
        made._arrays = {name: tensors[name] for name in ("mean_D", "axes_DZ", "deviation_D")}
        return made


def _flat(frame: Frame) -> Float32Array:
    """Deviations in spreads, the logarithm undone, within ± FARTHEST_SPREADS: (B, F · L)."""
    B, F, L = frame.x_BFL.shape
    clipped: Float32Array = np.clip(spreads(frame.x_BFL), -FARTHEST_SPREADS, FARTHEST_SPREADS)
    return clipped.reshape(B, F * L)


def _left_over(u_BD: Float32Array, mean_D: Float32Array, axes_DZ: Float32Array) -> Float32Array:
    v_BD = u_BD - mean_D
    left_BD: Float32Array = (v_BD - (v_BD @ axes_DZ) @ axes_DZ.T).astype(np.float32, copy=False)
    return left_BD
