"""What a window is asked, one number a metric each: how much energy a view of its recent half holds.

A view is a residual at each of the last L/2 steps, less what an unremarkable metric would show; its statistic is the
root of the mean square over the steps that were seen. Averaging over half a window keeps a verdict through an anomaly
instead of only at its edges, and uses no future.

Views: `rebuilt` (what the VAE leaves over), `forecast` (what the last values of all metrics leave over of the next),
`shift` (a short mean against all of the window before it), `bend` (the same against the last half window), and the
distances to the nearest training windows, `near` over the recent half and `near_long` over the whole (references.py).
`clock` alone is asked of the newest value only: how far it is from what its hour usually brings (clock.py).
The first two know the metrics' habits and relations; the others know no model at all and hold where training was too
short to learn one.

Shape legend: B rows, F metrics, L steps, W = L / 2 recent steps, P lags.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from detectors.base import FloatArray
from detectors.windows.kernel import Float32Array

VIEWS = ("rebuilt", "forecast", "shift", "bend", "near", "near_long", "clock")
MOST_LAGS = 8
CLIP = 19.0
"""Models look at scaled values within these bounds (57 spreads)."""
RIDGE = 1.0


def recent_steps(length: int) -> int:
    """W."""
    return length // 2


def drift_filters(length: int) -> Float32Array:
    """The linear maps of `shift` and `bend`, (2, W, L)."""
    recent = recent_steps(length)
    short = max(2, length // 16)
    filters = np.zeros((2, recent, length), dtype=np.float32)
    for row, step in enumerate(range(length - recent, length)):
        filters[:, row, step - short + 1 : step + 1] = 1.0 / short
        filters[0, row, : step + 1] -= 1.0 / (step + 1)
        filters[1, row, step - recent + 1 : step + 1] -= 1.0 / recent
    return filters


def root_energy(residual_BFW: Float32Array, seen_BFW: npt.NDArray[np.bool_]) -> FloatArray:
    """Root of the mean square over the steps seen, (B, F); 0 where none was."""
    counts = np.maximum(seen_BFW.sum(axis=2), 1)
    energy = np.einsum("bfw,bfw,bfw->bf", residual_BFW, residual_BFW, seen_BFW.astype(np.float32))
    root: FloatArray = np.sqrt(energy / counts).astype(np.float64)
    return root


@dataclass(frozen=True, slots=True)
class Forecaster:
    """A ridge regression of each metric on the last P values of all of them: a vector autoregression, shared by all
    keys since their metrics are on one scale. Fitted twice, the second time without the worst tenth of rows."""

    weights: Float32Array
    """(F, F, P): metric predicted, metric used, lag (oldest first)."""
    bias: Float32Array

    @classmethod
    def fit(cls, x_NFL: Float32Array, seen_NFL: npt.NDArray[np.bool_], trim_share: float) -> "Forecaster":
        """From training windows: their newest value from the P before it."""
        N, F, L = x_NFL.shape
        lags = min(MOST_LAGS, L // 4)
        past = np.clip(x_NFL[:, :, L - 1 - lags : L - 1], -CLIP, CLIP).reshape(N, F * lags)
        inputs = np.concatenate([past, np.ones((N, 1), dtype=np.float32)], axis=1).astype(np.float64)
        target = np.clip(x_NFL[:, :, -1], -CLIP, CLIP).astype(np.float64)
        weight: FloatArray = np.asarray(seen_NFL[:, :, -1].all(axis=1), dtype=np.float64)
        if weight.sum() < inputs.shape[1]:
            weight[:] = 1.0
        solution = _ridge(inputs, target, weight)
        error = np.square(target - inputs @ solution).sum(axis=1)
        weight[error > np.quantile(error, 1.0 - trim_share)] = 0.0
        solution = _ridge(inputs, target, weight) if weight.any() else solution
        weights = solution[:-1].T.reshape(F, F, lags)
        return cls(np.ascontiguousarray(weights, dtype=np.float32), solution[-1].astype(np.float32))

    def predictions(self, x_BFL: Float32Array, steps: int) -> Float32Array:
        """What was to be expected at each of the last `steps` steps from those before it, (B, F, steps)."""
        lags = self.weights.shape[2]
        past = torch.from_numpy(np.ascontiguousarray(x_BFL[:, :, -(steps + lags) : -1])).clamp(-CLIP, CLIP)
        with torch.no_grad():
            found = torch.nn.functional.conv1d(past, torch.from_numpy(self.weights), torch.from_numpy(self.bias))
        return found.numpy()


def _ridge(inputs: FloatArray, target: FloatArray, weight: FloatArray) -> FloatArray:
    weighted = inputs * weight[:, None]
    gram = weighted.T @ inputs + RIDGE * np.eye(inputs.shape[1])
    return np.asarray(np.linalg.solve(gram, weighted.T @ target), dtype=np.float64)
