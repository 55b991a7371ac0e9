"""Leading principal axes of many rows, twice: the second time without the rows that the first left most over of.

Shape legend: N rows, D columns, Z axes.
"""

import numpy as np

from detectors.windows.kernel import Float32Array

DENSE_COLUMNS = 1_500
"""Above this the axes come from a randomised range finder (Halko, Martinsson, Tropp 2011) instead of all of them."""
OVERSAMPLING = 16
POWERS = 3


def leading_axes(
    x_ND: Float32Array, *, kept_variance: float, most: int, trim_share: float, seed: int
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Mean (D,), axes (D, Z), largest variance first, and the variance along them (Z,).

    As few axes as keep `kept_variance` of the variance, `most` at most and one at least.
    """
    mean_D, axes_DZ, variance_Z = _axes(x_ND, kept_variance, most, seed)
    left_N = _left_over(x_ND, mean_D, axes_DZ)
    kept_N = left_N <= np.quantile(left_N, 1.0 - trim_share)
    if kept_N.sum() > 2 * axes_DZ.shape[1]:
        mean_D, axes_DZ, variance_Z = _axes(x_ND[kept_N], kept_variance, most, seed)
    return mean_D, axes_DZ, variance_Z


def _left_over(x_ND: Float32Array, mean_D: Float32Array, axes_DZ: Float32Array) -> Float32Array:
    u_ND = x_ND - mean_D
    left_N: Float32Array = np.square(u_ND).sum(axis=1) - np.square(u_ND @ axes_DZ).sum(axis=1)
    return left_N


def _axes(
    x_ND: Float32Array, kept_variance: float, most: int, seed: int
) -> tuple[Float32Array, Float32Array, Float32Array]:
    mean_D = x_ND.mean(axis=0)
    u_ND = x_ND - mean_D
    N, D = u_ND.shape
    total = max(float(np.square(u_ND).sum()) / N, 1e-12)
    if D <= DENSE_COLUMNS:
        variance_Z, axes_DZ = np.linalg.eigh((u_ND.T @ u_ND) / N)
        variance_Z, axes_DZ = variance_Z[::-1][:most], axes_DZ[:, ::-1][:, :most]
    else:
        sketch_DZ = np.random.default_rng(seed).normal(size=(D, min(most + OVERSAMPLING, D))).astype(np.float32)
        for _ in range(POWERS):
            sketch_DZ = np.linalg.qr(u_ND.T @ (u_ND @ sketch_DZ))[0]
        small_NZ = u_ND @ sketch_DZ
        variance_Z, turn_ZZ = np.linalg.eigh((small_NZ.T @ small_NZ) / N)
        variance_Z, axes_DZ = variance_Z[::-1][:most], (sketch_DZ @ turn_ZZ[:, ::-1])[:, :most]
    count = int(np.searchsorted(np.cumsum(variance_Z) / total, kept_variance)) + 1
    axes_DZ = np.ascontiguousarray(axes_DZ[:, :count], dtype=np.float32)
    return mean_D.astype(np.float32), axes_DZ, np.maximum(variance_Z[:count], 1e-6).astype(np.float32)
