"""What is usual for each metric of each key: a centre and a spread, learned where training had history of the key.

The spread is that of the middle 80 %, widened by a quarter of the standard deviation (winsorised at 0.2 %) so that a
metric which mostly rests has one too; a constant metric's is a thousandth of its value.

Shape legend: N training rows, B rows, K keys, F metrics, L steps.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.base import FloatArray, Tensors
from detectors.context.hashing import UInt64Array
from detectors.windows.kernel import FARTHEST, Float32Array

Int64Array = npt.NDArray[np.int64]

LEAST_ROWS = 30
"""Values of a metric that count as history of it; fewer take what is usual among the keys."""
LEAST_IN_WINDOW = 16
MIDDLE = 2.563
"""Standard deviations between the 10 % and 90 % points of a normal distribution."""
RESTING_SHARE = 1e-3
LEAST_SPREAD = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyScales:
    """Centres and spreads by key, keys sorted by hash."""

    hashes_K: UInt64Array
    center_KF: FloatArray
    scale_KF: FloatArray
    usual_center_F: FloatArray
    usual_scale_F: FloatArray
    usual_ratio_F: FloatArray
    """Spread over |centre|, the median key's."""

    @classmethod
    def fit(cls, values_NF: FloatArray, hashes_N: UInt64Array) -> "KeyScales":
        """From the newest values of training rows."""
        hashes_K, key_N = np.unique(hashes_N, return_inverse=True)
        order = np.argsort(key_N, kind="stable")
        borders = np.searchsorted(key_N[order], np.arange(len(hashes_K) + 1))
        center_KF = np.full((len(hashes_K), values_NF.shape[1]), np.nan)
        scale_KF = np.full_like(center_KF, np.nan)
        whole = [_center_and_scale(values_NF[:, f]) for f in range(values_NF.shape[1])]
        for k in range(len(hashes_K)):
            rows = order[borders[k] : borders[k + 1]]
            for f in range(values_NF.shape[1]):
                values = values_NF[rows, f]
                if np.count_nonzero(~np.isnan(values)) >= LEAST_ROWS:
                    center_KF[k, f], scale_KF[k, f] = _center_and_scale(values)
        usual_center_F = _median_of_keys(center_KF, np.array([c for c, _ in whole]))
        usual_scale_F = _median_of_keys(scale_KF, np.array([s for _, s in whole]))
        ratio_KF = scale_KF / np.maximum(np.abs(center_KF), LEAST_SPREAD)
        ratio_F = _median_of_keys(ratio_KF, usual_scale_F / np.maximum(np.abs(usual_center_F), LEAST_SPREAD))
        return cls(
            hashes_K=hashes_K,
            center_KF=np.where(np.isnan(center_KF), usual_center_F, center_KF),
            scale_KF=np.where(np.isnan(scale_KF), usual_scale_F, scale_KF),
            usual_center_F=usual_center_F,
            usual_scale_F=usual_scale_F,
            usual_ratio_F=ratio_F,
        )

    def find(self, hashes_B: UInt64Array) -> Int64Array:
        """The place of each row's key, −1 where training had none of it, (B,)."""
        at_B = np.minimum(np.searchsorted(self.hashes_K, hashes_B), len(self.hashes_K) - 1)
        return np.where(self.hashes_K[at_B] == hashes_B, at_B, -1).astype(np.int64)

    def of(self, key_B: Int64Array, windows_BFL: Float32Array) -> tuple[FloatArray, FloatArray]:
        """Centre and spread of each row's metrics, (B, F) each; a new key's are its window's own where that can say."""
        center_BF, scale_BF = self.center_KF[key_B], self.scale_KF[key_B]
        for i in np.flatnonzero(key_B < 0):
            center_BF[i], scale_BF[i] = self._of_window(windows_BFL[i])
        return center_BF, scale_BF

    def _of_window(self, window_FL: Float32Array) -> tuple[FloatArray, FloatArray]:
        center_F, scale_F = self.usual_center_F.copy(), self.usual_scale_F.copy()
        for f, values in enumerate(window_FL.astype(np.float64)):
            values = np.clip(values[~np.isnan(values)], -FARTHEST, FARTHEST)
            if len(values) >= LEAST_IN_WINDOW:
                center_F[f], low, high = np.quantile(values, (0.5, 0.1, 0.9))
                floor = max(0.5 * self.usual_ratio_F[f] * abs(center_F[f]), LEAST_SPREAD)
                scale_F[f] = max((high - low) / MIDDLE, floor)
        return center_F, scale_F

    def tensors(self) -> Tensors:
        """Named arrays."""
        return {f"scales.{name}": getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> "KeyScales":
        """The scales that `tensors` described."""
        return cls(**{name: tensors[f"scales.{name}"] for name in cls.__slots__})


def _median_of_keys(values_KF: FloatArray, otherwise_F: FloatArray) -> FloatArray:
    """The median over keys that have history; `otherwise_F` where none has."""
    none_F = np.isnan(values_KF).all(axis=0)
    filled_KF = np.where(none_F, otherwise_F, values_KF)
    return np.asarray(np.nanmedian(filled_KF, axis=0), dtype=np.float64)


def _center_and_scale(values: FloatArray) -> tuple[float, float]:
    values = np.clip(values[~np.isnan(values)], -FARTHEST, FARTHEST)
    if not len(values):
        return 0.0, 1.0
    lowest, low, center, high, highest = np.quantile(values, (0.002, 0.1, 0.5, 0.9, 0.998))
    scale = max((high - low) / MIDDLE, 0.25 * float(np.clip(values, lowest, highest).std()))
    if scale < 1e-9 * max(abs(center), 1.0):
        scale = max(abs(center) * RESTING_SHARE, LEAST_SPREAD)
    return float(center), float(scale)
