"""A statistic of a metric's window → nats of its tail, by key, so that metrics and statistics can be added.

For each key, metric and statistic, training gives a unit (its usual size) and the share of rows beyond a value: up to
the 90 % point by interpolation between quantiles, beyond it by an exponential whose scale is the exceedances' median
over log 2, which anomalies among the training rows move little as long as they are less than half of the exceedances.
Beyond `FULL_NATS` nats grow as a logarithm: one metric that never moved in training must not drown all others.

A key with few training rows takes the median of the keys' figures; a new key, which is scaled by its own window, those
of training rows that were scaled so.

Shape legend: N training rows, B rows, K keys, F metrics, C statistics, Q quantiles.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.base import FloatArray, Tensors

Int64Array = npt.NDArray[np.int64]

QUANTILES = np.array([0.0, 0.25, 0.5, 0.75, 0.9])
NATS_Q = -np.log1p(-QUANTILES)
FULL_NATS = 20.0
LEAST_ROWS = 50
LEAST_UNIT = 1e-3
LEAST_TAIL = 0.02
"""Of the exponential tail, in units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TailTable:
    """Units, quantiles and tails by key; the last entry of each array is for new keys."""

    unit_KFC: FloatArray
    quantile_KFCQ: FloatArray
    tail_KFC: FloatArray

    @classmethod
    def fit(cls, statistic_NFC: FloatArray, key_N: Int64Array, keys: int, new_NFC: FloatArray) -> "TailTable":
        """From the statistics (roots of energies, ≥ 0) of training rows and the keys they are of; `new_NFC` are those
        of training rows seen as a new key's would be."""
        _, F, C = statistic_NFC.shape
        unit_KFC = np.full((keys + 1, F, C), np.nan)
        quantile_KFCQ = np.full((keys + 1, F, C, len(QUANTILES)), np.nan)
        tail_KFC = np.full((keys + 1, F, C), np.nan)
        order = np.argsort(key_N, kind="stable")
        borders = np.searchsorted(key_N[order], np.arange(keys + 1))
        for k in range(keys):
            rows = order[borders[k] : borders[k + 1]]
            if len(rows) >= LEAST_ROWS:
                unit_KFC[k], quantile_KFCQ[k], tail_KFC[k] = _tails(statistic_NFC[rows])
        known = ~np.isnan(unit_KFC[:, 0, 0])
        if known.any():
            usual = tuple(np.median(a[known], axis=0) for a in (unit_KFC, quantile_KFCQ, tail_KFC))
        else:
            usual = _tails(statistic_NFC)
        for array, value in zip((unit_KFC, quantile_KFCQ, tail_KFC), usual, strict=True):
            array[~known] = value
        unit_KFC[-1], quantile_KFCQ[-1], tail_KFC[-1] = _tails(new_NFC)
        return cls(unit_KFC=unit_KFC, quantile_KFCQ=quantile_KFCQ, tail_KFC=tail_KFC)

    def nats(self, statistic_BFC: FloatArray, key_B: Int64Array) -> FloatArray:
        """−log of the share of training rows beyond each statistic, (B, F, C); key −1 is a new one."""
        s = statistic_BFC / self.unit_KFC[key_B]
        q_BFCQ = self.quantile_KFCQ[key_B]
        nats = np.zeros(s.shape)
        for q in range(len(QUANTILES) - 1):
            width = np.maximum(q_BFCQ[..., q + 1] - q_BFCQ[..., q], 1e-9)
            nats += np.clip((s - q_BFCQ[..., q]) / width, 0.0, 1.0) * (NATS_Q[q + 1] - NATS_Q[q])
        nats += np.maximum(s - q_BFCQ[..., -1], 0.0) / self.tail_KFC[key_B]
        return np.where(nats > FULL_NATS, FULL_NATS * (1.0 + np.log(np.maximum(nats, FULL_NATS) / FULL_NATS)), nats)

    def tensors(self) -> Tensors:
        """Named arrays."""
        return {f"tails.{name}": getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> "TailTable":
        """The table that `tensors` described."""
        return cls(**{name: tensors[f"tails.{name}"] for name in cls.__slots__})


def _tails(statistic_NFC: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Unit (F, C), quantiles in units (F, C, Q), and tail in units (F, C)."""
    middle, mean = np.median(statistic_NFC, axis=0), statistic_NFC.mean(axis=0)
    unit = middle + 0.3 * np.minimum(mean, 3.0 * middle + LEAST_UNIT) + LEAST_UNIT
    scaled_NFC = statistic_NFC / unit
    quantiles = np.quantile(scaled_NFC, QUANTILES, axis=0)
    above = np.where(scaled_NFC > quantiles[-1], scaled_NFC - quantiles[-1], np.nan)
    empty = np.isnan(above).all(axis=0)
    exceedance = np.where(empty, 0.0, np.nanmedian(np.where(empty, 0.0, above), axis=0)) / np.log(2.0)
    return unit, np.moveaxis(quantiles, 0, -1), np.maximum(exceedance, LEAST_TAIL)
