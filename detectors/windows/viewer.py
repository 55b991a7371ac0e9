"""The views of windows with what they learned: a fitted VAE, forecaster and references → statistics and tensors.

Shape legend: B rows, F metrics, L steps, W recent steps, C views, D = F · W.
"""

from dataclasses import dataclass

import numpy as np
import torch

from detectors.base import FloatArray, Tensors
from detectors.errors import IncompatibleArtifactError
from detectors.windows.clock import ClockProfiles
from detectors.windows.frame import Frame
from detectors.windows.kernel import Float32Array
from detectors.windows.references import nearest
from detectors.windows.vae_model import WindowVaeModel
from detectors.windows.views import CLIP, Forecaster, drift_filters, recent_steps, root_energy

RHYTHM = 4


@dataclass(frozen=True, slots=True)
class Viewer:
    """Asks windows what `views.VIEWS` names."""

    model: WindowVaeModel
    forecaster: Forecaster
    bank_KFLR: Float32Array
    clock: ClockProfiles
    filters: Float32Array
    device: str

    def statistics(self, frame: Frame) -> FloatArray:
        """Each metric's statistics in the order of `views.VIEWS`, (B, F, C), all ≥ 0."""
        B, F, L = frame.x_BFL.shape
        steps = recent_steps(L)
        seen_BFW = frame.seen_BFL[:, :, -steps:]
        flat = frame.x_BFL.reshape(B * F, L)
        shift, bend = ((flat @ rows_WL.T).reshape(B, F, steps) for rows_WL in self.filters)
        residuals = (self.rebuilt(frame), self.forecast(frame), shift, bend)
        energies = [root_energy(residual_BFW, seen_BFW) for residual_BFW in residuals]
        near_BF2 = nearest(frame.x_BFL, frame.seen_BFL, frame.key_B, self.bank_KFLR)
        clock_BF = self.clock.statistics(frame)
        return np.concatenate([np.stack(energies, axis=2), near_BF2, clock_BF[:, :, None]], axis=2)

    def rebuilt(self, frame: Frame) -> Float32Array:
        """What the VAE leaves over of the recent half, (B, F, W)."""
        x_BD, _ = model_input(frame)
        rhythm_BR = torch.from_numpy(frame.rhythm_BR).to(self.device)
        left_BD: Float32Array = self.model.left_over(torch.from_numpy(x_BD).to(self.device), rhythm_BR).cpu().numpy()
        return left_BD.reshape(len(x_BD), frame.x_BFL.shape[1], -1)

    def forecast(self, frame: Frame) -> Float32Array:
        """What each of the recent values owes to the values before it, (B, F, W)."""
        steps = recent_steps(frame.x_BFL.shape[2])
        return np.clip(frame.x_BFL[:, :, -steps:], -CLIP, CLIP) - self.forecaster.predictions(frame.x_BFL, steps)

    def tensors(self) -> Tensors:
        """Named arrays."""
        weights = {f"model.{name}": value.cpu().numpy() for name, value in self.model.state_dict().items()}
        parts = {"forecaster.weights": self.forecaster.weights, "forecaster.bias": self.forecaster.bias}
        return {**weights, **parts, **self.clock.tensors(), "references": self.bank_KFLR}

    @classmethod
    def from_tensors(cls, tensors: Tensors, *, length: int, device: str) -> "Viewer":
        """The viewer that `tensors` described. Raises IncompatibleArtifactError where they do not fit each other."""
        weights = {n.removeprefix("model."): torch.tensor(v) for n, v in tensors.items() if n.startswith("model.")}
        columns, latent = weights["down_DZ"].shape
        model = WindowVaeModel(columns, latent, len(weights["encoder_bias"]), RHYTHM)
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise IncompatibleArtifactError(f"weights.safetensors does not fit document.json: {error}") from error
        forecaster = Forecaster(tensors["forecaster.weights"], tensors["forecaster.bias"])
        clock = ClockProfiles.from_tensors(tensors)
        return cls(model.to(device), forecaster, tensors["references"], clock, drift_filters(length), device)


def model_input(frame: Frame) -> tuple[Float32Array, Float32Array]:
    """The recent half of the windows as the VAE reads it, and where values were, (B, D) each."""
    B, F, L = frame.x_BFL.shape
    steps = recent_steps(L)
    x_BD = np.clip(frame.x_BFL[:, :, -steps:], -CLIP, CLIP).reshape(B, F * steps)
    return x_BD, frame.seen_BFL[:, :, -steps:].reshape(B, F * steps).astype(np.float32)
