"""What labelled anomalies teach: how much each column's surprise tells, of each kind and size.

A column's surprise comes from three sources: its nats in the VAE, its departure from what the other columns predict,
and its distance from the middle. Each is read in three shapes, all rising: the logarithm of what is beyond the median
of training rows, the same held at 1, and the logarithm of what is beyond the 99th percentile. The lesson is a logistic
regression on these, anomalous rows against training rows, with no negative weights: nothing can be learned that calls a
greater surprise less strange, so that it carries over to families that were not taught. Weights of one source and shape
are drawn towards their mean over columns by a quadratic penalty: a column has weights of its own only as far as
examples show it.

Fails where anomalies have no surprising column: then it says nothing, and the blend decides.

Shape legend: B rows, F columns, S sources, K = 3 S source-shapes.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import Tensor

from detectors.base import FloatArray, Tensors
from detectors.blend.tail_map import TailMap
from detectors.channels.base import Float32Array

SOURCES = ("vae", "relations", "distance")
SHAPES = 3
TOWARDS_MEAN, TOWARDS_ZERO = 1.0, 0.01
"""Penalties on squared weights, in deviations of the evidence."""
ROUNDS = 150
USUAL, FAR = 0.5, 0.99
LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, slots=True)
class Lesson:
    """Fitted shapes, weights and the tail of the weighted sum."""

    usual_SF: Float32Array
    far_SF: Float32Array
    weights_KF: Float32Array
    tail: TailMap

    @classmethod
    def fit(cls, ordinary_SFB: Tensor, anomalous_SFB: Tensor, weights_B: FloatArray) -> Self:
        """From the surprises of training rows and of anomalous rows, these with their weights."""
        surprise = ordinary_SFB.cpu().numpy()
        usual_SF = np.quantile(surprise, USUAL, axis=2).astype(np.float32)
        far_SF = np.quantile(surprise, FAR, axis=2).astype(np.float32)
        silent = TailMap(np.zeros(1), np.zeros(1), 0.0)
        blank = cls(usual_SF, far_SF, np.zeros((SHAPES * len(usual_SF), usual_SF.shape[1]), np.float32), silent)
        weights_KF = _weights(blank.evidence(ordinary_SFB), blank.evidence(anomalous_SFB), weights_B)
        taught = cls(usual_SF, far_SF, weights_KF.astype(np.float32), silent)
        return cls(usual_SF, far_SF, taught.weights_KF, TailMap.fit(taught.total(ordinary_SFB)))

    def evidence(self, surprise_SFB: Tensor) -> Float32Array:
        """Every source in every shape, (K, F, B)."""
        usual_SF1, far_SF1 = self._knots(surprise_SFB)
        beyond_SFB = (surprise_SFB - usual_SF1).clamp_(min=0.0)
        far_SFB = (surprise_SFB - far_SF1).clamp_(min=0.0).log1p_()
        return torch.cat([beyond_SFB.log1p(), beyond_SFB.clamp_(max=1.0), far_SFB]).cpu().numpy()

    def _knots(self, like: Tensor) -> tuple[Tensor, Tensor]:
        usual, far = torch.from_numpy(self.usual_SF), torch.from_numpy(self.far_SF)
        return usual.to(like.device)[:, :, None], far.to(like.device)[:, :, None]

    def by_column(self, surprise_SFB: Tensor) -> FloatArray:
        """What each column adds to the sum, none negative, (F, B)."""
        added_FB: FloatArray = np.einsum("kf,kfb->fb", self.weights_KF, self.evidence(surprise_SFB)).astype(np.float64)
        return added_FB

    def total(self, surprise_SFB: Tensor) -> FloatArray:
        """The weighted sum, (B,): `by_column` summed, without its arrays."""
        S, F = self.usual_SF.shape
        weights_3S1F = torch.from_numpy(self.weights_KF).to(surprise_SFB.device).view(SHAPES, S, 1, F)
        usual_SF1, far_SF1 = self._knots(surprise_SFB)
        beyond_SFB = (surprise_SFB - usual_SF1).clamp_(min=0.0)
        total_S1B = weights_3S1F[1] @ beyond_SFB.clamp(max=1.0)
        total_S1B += weights_3S1F[0] @ beyond_SFB.log1p_()
        total_S1B += weights_3S1F[2] @ (surprise_SFB - far_SF1).clamp_(min=0.0).log1p_()
        return total_S1B.sum(dim=(0, 1)).cpu().numpy().astype(np.float64)

    def nats(self, surprise_SFB: Tensor) -> FloatArray:
        """The sum as nats of its tail among training rows, (B,)."""
        return self.tail.apply(self.total(surprise_SFB))

    def state(self) -> Tensors:
        """As named arrays."""
        tail = {"tail.scores": self.tail.scores, "tail.nats": self.tail.nats, "tail.scale": np.array([self.tail.scale])}
        return {"usual_SF": self.usual_SF, "far_SF": self.far_SF, "weights_KF": self.weights_KF, **tail}

    @classmethod
    def from_state(cls, tensors: Tensors) -> Self:
        """What `state` described."""
        tail = TailMap(tensors["tail.scores"], tensors["tail.nats"], float(tensors["tail.scale"][0]))
        return cls(tensors["usual_SF"], tensors["far_SF"], tensors["weights_KF"], tail)


def _weights(ordinary_KFB: Float32Array, anomalous_KFB: Float32Array, weights_B: FloatArray) -> FloatArray:
    """Non-negative logistic regression, both classes counting alike, (K, F)."""
    K, F, ordinary = ordinary_KFB.shape
    x_DB = np.concatenate([anomalous_KFB, ordinary_KFB], axis=2).reshape(K * F, -1)
    y_B = np.r_[np.ones(len(weights_B)), np.zeros(ordinary)]
    w_B = np.r_[0.5 * weights_B / weights_B.sum(), np.full(ordinary, 0.5 / ordinary)]
    scale_K = x_DB.std(axis=1).reshape(K, F).mean(axis=1).astype(np.float64) + LEAST_DEVIATION
    x_DB /= np.repeat(scale_K, F).astype(np.float32)[:, None]

    def loss(p: FloatArray) -> tuple[float, FloatArray]:
        weights_KF = p[:-1].reshape(K, F)
        mean_K1 = weights_KF.mean(axis=1, keepdims=True)
        apart_KF = weights_KF - mean_K1
        z_B = (p[:-1].astype(np.float32) @ x_DB).astype(np.float64) + p[-1]
        pull_B = w_B * (1.0 / (1.0 + np.exp(-z_B)) - y_B)
        value = float((w_B * (np.logaddexp(0.0, z_B) - y_B * z_B)).sum())
        value += TOWARDS_MEAN * float((apart_KF**2).sum()) / F + TOWARDS_ZERO * float((mean_K1**2).sum())
        slope_KF = (x_DB @ pull_B.astype(np.float32)).reshape(K, F)
        slope_KF = slope_KF + 2.0 * (TOWARDS_MEAN * apart_KF + TOWARDS_ZERO * mean_K1) / F
        return value, np.r_[slope_KF.ravel(), pull_B.sum()]

    bounds: list[tuple[float | None, None]] = [(0.0, None)] * (K * F) + [(None, None)]
    start: npt.NDArray[np.float64] = np.r_[np.full(K * F, 0.1), 0.0]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": ROUNDS})
    return np.asarray(found.x[:-1].reshape(K, F) / scale_K[:, None], dtype=np.float64)
