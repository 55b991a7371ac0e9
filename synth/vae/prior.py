"""The learned prior: a mixture of Gaussians with full covariances over draws from the posterior of the training rows.

Where the encoder puts rows is never quite N(0, 1); drawing from where they are closes most of that gap (two-stage VAEs,
Dai & Wipf 2019; here the second stage is a mixture). Fitted by expectation-maximisation (Dempster et al. 1977), both
steps written as products with z and all z_i z_j, which a processor does fastest.

Shape legend: N rows, M components, Z latent dimensions, Q = 1 + Z + Z² monomials.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
MOST_COMPONENTS = 100
ROWS_PER_COMPONENT = 60
MOST_ROWS = 40_000
ROUNDS = 40
LEAST_VARIANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Prior:
    """Weights (M,), means (M, Z), and lower triangles L (M, Z, Z) with L Lᵀ the covariances."""

    weight_M: Float64Array
    mean_MZ: Float64Array
    lower_MZZ: Float64Array

    @classmethod
    def fit(cls, z_NZ: Float32Array, *, seed: int) -> "Prior":
        """Fit to rows in the latent space."""
        drawn = np.random.default_rng([seed & 0xFFFFFFFF, 77]).permutation(len(z_NZ))[:MOST_ROWS]
        z = torch.from_numpy(z_NZ[drawn]).double()
        components = max(1, min(MOST_COMPONENTS, len(z) // ROWS_PER_COMPONENT))
        monomials_NQ = _monomials(z)
        share_NM = _nearest(z, z[:components])  # the rows lie in random order already
        for _ in range(ROUNDS):
            weight_M, mean_MZ, lower_MZZ = _maximised(share_NM, monomials_NQ, z.shape[1])
            share_NM = _expected(monomials_NQ, weight_M, mean_MZ, lower_MZZ)
        weight_M, mean_MZ, lower_MZZ = _maximised(share_NM, monomials_NQ, z.shape[1])
        return cls(weight_M.numpy(), mean_MZ.numpy(), lower_MZZ.numpy())

    def draw(self, rows: int, generator: np.random.Generator) -> Float32Array:
        """Points of the latent space, (N, Z)."""
        component_N = np.sort(generator.choice(len(self.weight_M), rows, p=self.weight_M / self.weight_M.sum()))
        z_NZ = generator.standard_normal((rows, self.mean_MZ.shape[1]), dtype=np.float32)
        starts = np.searchsorted(component_N, np.arange(len(self.weight_M) + 1))
        for m, (start, stop) in enumerate(pairwise(starts.tolist())):
            lower_ZZ = self.lower_MZZ[m].astype(np.float32)
            z_NZ[start:stop] = z_NZ[start:stop] @ lower_ZZ.T + self.mean_MZ[m].astype(np.float32)
        return z_NZ[generator.permutation(rows)]


def _monomials(z_NZ: Tensor) -> Tensor:
    """1, z and all z_i z_j, (N, Q)."""
    squares = (z_NZ[:, :, None] * z_NZ[:, None, :]).flatten(1)
    return torch.cat([torch.ones(len(z_NZ), 1, dtype=z_NZ.dtype), z_NZ, squares], dim=1)


def _nearest(z_NZ: Tensor, centre_MZ: Tensor) -> Tensor:
    """All of each row to its nearest centre, (N, M)."""
    near_N = torch.cdist(z_NZ, centre_MZ).argmin(dim=1)
    return torch.nn.functional.one_hot(near_N, len(centre_MZ)).to(z_NZ.dtype)


def _maximised(share_NM: Tensor, monomials_NQ: Tensor, latent: int) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means and triangles under each component's share of each row."""
    sums_MQ = share_NM.t() @ monomials_NQ
    rows_M = sums_MQ[:, 0].clamp(min=1e-6)
    mean_MZ = sums_MQ[:, 1 : latent + 1] / rows_M[:, None]
    square_MZZ = (sums_MQ[:, latent + 1 :] / rows_M[:, None]).view(-1, latent, latent)
    covariance_MZZ = square_MZZ - mean_MZ[:, :, None] * mean_MZ[:, None, :]
    least = torch.eye(latent, dtype=mean_MZ.dtype) * LEAST_VARIANCE
    return rows_M / rows_M.sum(), mean_MZ, torch.linalg.cholesky(_definite(covariance_MZZ, least))


def _definite(covariance_MZZ: Tensor, least_ZZ: Tensor) -> Tensor:
    """Covariances with a floor under their eigenvalues: a component of very few rows has a flat one."""
    values, vectors = torch.linalg.eigh(covariance_MZZ)
    values = values.clamp(min=0.0)
    definite_MZZ: Tensor = vectors @ torch.diag_embed(values) @ vectors.transpose(1, 2) + least_ZZ
    return definite_MZZ


def _expected(monomials_NQ: Tensor, weight_M: Tensor, mean_MZ: Tensor, lower_MZZ: Tensor) -> Tensor:
    """Each component's share of each row, (N, M): log densities are linear in the monomials."""
    precision_MZZ = torch.cholesky_inverse(lower_MZZ)
    pull_MZ = (precision_MZZ @ mean_MZ[:, :, None]).squeeze(2)
    halved = lower_MZZ.diagonal(dim1=1, dim2=2).log().sum(dim=1)
    constant_M = weight_M.clamp(min=1e-300).log() - halved - 0.5 * (pull_MZ * mean_MZ).sum(dim=1)
    constant_M = constant_M - 0.5 * mean_MZ.shape[1] * math.log(2.0 * math.pi)
    linear_MQ = torch.cat([constant_M[:, None], pull_MZ, -0.5 * precision_MZZ.flatten(1)], dim=1)
    return (monomials_NQ @ linear_MQ.t()).softmax(dim=1)
