"""The window VAE detector: each metric's tail nats under several views of its window, added.

`rebuilt` is what a VAE over the window's recent half leaves over, `forecast` what each newest value owes to the values
before it, the others are moving averages, distances to windows seen before (views.py) and what the hour of the day or
the week usually brings (clock.py). Each view's energy becomes
nats of its tail among training rows of the same key and metric (calibration.py), so that they can be added:
a quiet view adds little, and a view whose energy wanders in training is trusted less. Contributions are per metric and
exact. A newest value that is missing adds −log of how often that happened in training.

Works on metrics sampled by a clock, from a few hundred rows a key; without history of a key it scales by the window
itself and takes what is usual among keys. Weak on anomalies shorter than a few steps that keep to every metric's usual
range, on slow drifts that take longer than the window, and where normal days differ and training saw few of them.
Choices and ablations: docs/decisions/0014-windows.md.
"""

from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import torch

from detectors.artifacts import check_made_by
from detectors.base import FitReport, FloatArray, Progress, Reason, Tensors
from detectors.errors import NotFittedError
from detectors.training import Schedule, TrainingRun, train
from detectors.windows.axes import leading_axes
from detectors.windows.calibration import TailTable
from detectors.windows.clock import ClockProfiles
from detectors.windows.detector import WindowDetector, sampled_rows, taken
from detectors.windows.frame import Frame, WindowCodec
from detectors.windows.kernel import Float32Array
from detectors.windows.reasons import Outlook, window_reasons
from detectors.windows.references import draw_references
from detectors.windows.vae_model import WindowVaeModel
from detectors.windows.viewer import RHYTHM, Viewer, model_input
from detectors.windows.views import VIEWS, Forecaster, drift_filters

NEW_KEY_ROWS = 1_000
"""Training windows seen as a new key's would be, so that new keys have tails of their own."""
UNIT_IN_DEVIATIONS = 1.3
"""What `calibration` calls a unit, of a normal residual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of the window VAE. The defaults are one recipe for all streams."""

    kept_variance: float = 0.9
    """Share of the windows' variance that the latent axes keep at the start."""
    most_latent: int = 160
    hidden: int = 32
    steps: int = 150
    batch_rows: int = 256
    learning_rate: float = 1e-3
    trim_share: float = 0.1
    """Of each batch, the worst windows that are not learned from."""
    model_rows: int = 20_000
    """Windows the models learn from, drawn at random where there are more."""
    calibration_rows: int = 60_000
    """Windows the tails are taken from."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a fit found."""

    viewer: Viewer
    tails: TailTable
    absent_KF: FloatArray
    """Nats of a missing newest value by key; the last entry is for new keys."""


class WindowVaeDetector(WindowDetector):
    """See the module's head. `device` is "cpu" or "cuda", as the caller resolved it."""

    name: ClassVar[str] = "window_vae"
    version: ClassVar[int] = 2

    def __init__(
        self, *, seed: int = 0, time_budget_seconds: float = 120.0, device: str = "cpu", config: Config | None = None
    ) -> None:
        super().__init__(seed=seed, time_budget_seconds=time_budget_seconds, device=device)
        self.config = config or Config()
        self._parts: _Parts | None = None

    def fit(self, table: pa.Table, *, progress: Progress | None = None) -> FitReport:
        """Learn scales, axes, network and forecasts on a sample of rows, then the tails on a larger one."""
        started = monotonic()
        codec = WindowCodec.fit(table)
        frame = codec.frame(taken(table, sampled_rows(table.num_rows, self.config.model_rows, self.seed)))
        forecaster = Forecaster.fit(frame.x_BFL, frame.seen_BFL, self.config.trim_share)
        model, run = self._learn(frame, progress, started)
        bank_KFLR = draw_references(frame.x_BFL, frame.key_B, len(codec.scales.hashes_K), self.seed)
        clock = ClockProfiles.fit(frame, len(codec.scales.hashes_K))
        viewer = Viewer(model, forecaster, bank_KFLR, clock, drift_filters(codec.length), self.device)
        self._codec, self._parts = codec, self._calibrated(table, codec, viewer)
        return FitReport(
            rows=table.num_rows,
            seconds=monotonic() - started,
            epochs=run.epochs,
            stopped_because=run.stopped_because,
            figures={
                "held_out_nats_a_step": run.held_out_nats,
                "principal_axes_nats_a_step": run.first_nats,
                "latent": float(model.down_DZ.shape[1]),
                "steps": float(run.steps),
            },
        )

    def _learn(self, frame: Frame, progress: Progress | None, started: float) -> tuple[WindowVaeModel, TrainingRun]:
        c = self.config
        x_BD, seen_BD = model_input(frame)
        mean_D, axes_DZ, variance_Z = leading_axes(
            x_BD, kept_variance=c.kept_variance, most=c.most_latent, trim_share=c.trim_share, seed=self.seed
        )
        model = WindowVaeModel(x_BD.shape[1], len(variance_Z), c.hidden, RHYTHM)
        model.start_at(mean_D, axes_DZ, variance_Z, seed=self.seed)
        left_BD = model.left_over(torch.from_numpy(x_BD), torch.from_numpy(frame.rhythm_BR)).numpy()
        spread_D = np.median(np.abs(left_BD), axis=0)
        with torch.no_grad():
            model.spread_D.copy_(torch.from_numpy(np.log(np.maximum(spread_D, 1e-3))))
        model = model.to(self.device)
        x, seen, rhythm = (torch.from_numpy(a).to(self.device) for a in (x_BD, seen_BD, frame.rhythm_BR))
        run = train(
            model,
            lambda at, noise: model.row_loss(x[at], seen[at], rhythm[at], noise),
            len(x_BD),
            schedule=Schedule(
                steps=c.steps,
                batch_rows=c.batch_rows,
                learning_rate=c.learning_rate,
                trim_share=c.trim_share,
                held_out_rows=1_024,
                time_budget_seconds=max(0.0, self.time_budget_seconds - (monotonic() - started)),
            ),
            seed=self.seed,
            device=self.device,
            progress=progress,
        )
        return model, run

    def _calibrated(self, table: pa.Table, codec: WindowCodec, viewer: Viewer) -> _Parts:
        sample = taken(table, sampled_rows(table.num_rows, self.config.calibration_rows, self.seed + 1))
        keys, F = len(codec.scales.hashes_K), len(codec.columns)
        statistics, key_N = [], []
        rows_K1, missing_KF = np.zeros(keys + 1), np.zeros((keys + 1, F))
        for _, frame in self._frames(codec, sample):
            statistics.append(viewer.statistics(frame))
            key_N.append(frame.key_B)
            np.add.at(rows_K1, frame.key_B, 1.0)
            np.add.at(missing_KF, frame.key_B, ~frame.seen_BFL[:, :, -1])
        rows_K1[-1], missing_KF[-1] = rows_K1.sum(), missing_KF.sum(axis=0)
        absent_KF = -np.log((missing_KF + 1.0) / (rows_K1[:, None] + 2.0))
        few = taken(sample, sampled_rows(sample.num_rows, NEW_KEY_ROWS, self.seed))
        new_NFC = np.concatenate([viewer.statistics(frame) for _, frame in self._frames(codec, few, as_new=True)])
        tails = TailTable.fit(np.concatenate(statistics), np.concatenate(key_N), keys, new_NFC)
        return _Parts(viewer, tails, absent_KF)

    def _made(self) -> _Parts:
        if self._parts is None:
            raise NotFittedError("the window VAE was neither fitted nor loaded: call fit or from_state first")
        return self._parts

    def _nats(self, frame: Frame) -> FloatArray:
        parts = self._made()
        nats_BF: FloatArray = parts.tails.nats(parts.viewer.statistics(frame), frame.key_B).sum(axis=2)
        return nats_BF + np.where(frame.seen_BFL[:, :, -1], 0.0, parts.absent_KF[frame.key_B])

    def _reasons(self, frame: Frame, nats_BF: FloatArray, batch: pa.RecordBatch, top: int) -> list[tuple[Reason, ...]]:
        viewer = self._made().viewer
        expected_BF = viewer.forecaster.predictions(frame.x_BFL, 1)[:, :, 0]
        unit_BF = self._made().tails.unit_KFC[frame.key_B, :, VIEWS.index("forecast")]
        spread_BF: FloatArray = unit_BF / UNIT_IN_DEVIATIONS
        off_BFW: Float32Array = (viewer.forecast(frame) / spread_BF[:, :, None]).astype(np.float32)
        outlook = Outlook(expected_BF, spread_BF, off_BFW)
        return window_reasons(self._fitted(), frame, nats_BF, batch, outlook, top=top)

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Weights, references, scales and tails; settings and columns as JSON."""
        codec, parts = self._fitted(), self._made()
        tensors = {**parts.viewer.tensors(), **codec.scales.tensors(), **parts.tails.tensors()}
        return {**tensors, "absent_KF": parts.absent_KF}, self._settings(asdict(self.config))

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        """The detector that `state` described, ready to score on `device`."""
        check_made_by(document, name=cls.name, version=cls.version)
        budget, config = document["time_budget_seconds"], Config(**document["config"])
        made = cls(seed=document["seed"], time_budget_seconds=budget, device=device, config=config)
        made._codec = WindowCodec.from_state(tensors, document["windows"])
        viewer = Viewer.from_tensors(tensors, length=made._codec.length, device=device)
        made._parts = _Parts(viewer, TailTable.from_tensors(tensors), tensors["absent_KF"])
        return made
