"""How far a metric's window is from the nearest of a few training windows of its own key.

The distance to the nearest of few random rows (LeSiNN, Pang, Ting and Albrecht 2015), with windows for rows: it needs
no model, a few hundred training windows and no period to be told. A key without history is compared with windows of all
keys. Few references keep anomalies among the training windows from vouching for others of their kind.

Shape legend: B rows, K keys, F metrics, R references of a key, L steps, W recent steps.
"""

import numpy as np
import numpy.typing as npt

from detectors.base import FloatArray
from detectors.compiled import compiled
from detectors.windows.kernel import Float32Array

MOST_REFERENCES = 128
LEAST_REFERENCES = 8
COMPARISONS = 640
"""Metrics × references that a row is compared with: bounds the time of a row."""
MOST_BYTES = 64 * 2**20
"""Of all references; where keys are more than that holds, all are compared with windows of all keys."""


def draw_references(x_NFL: Float32Array, key_N: npt.NDArray[np.int64], keys: int, seed: int) -> Float32Array:
    """Windows of each key drawn at random, (K + 1, F, L, R); the last entry is drawn from all keys."""
    _, F, L = x_NFL.shape
    count = min(MOST_REFERENCES, max(LEAST_REFERENCES, COMPARISONS // F))
    fits = MOST_BYTES // (4 * F * L * (keys + 1))
    own = keys if fits >= LEAST_REFERENCES else 0
    count = min(count, fits) if own else count
    generator = np.random.default_rng(seed)
    bank_KFLR = np.empty((own + 1, F, L, count), dtype=np.float32)
    order = np.argsort(key_N, kind="stable")
    borders = np.searchsorted(key_N[order], np.arange(own + 1))
    for k in range(own + 1):
        rows = order[borders[k] : borders[k + 1]] if k < own else order
        rows = rows if len(rows) >= count else order
        bank_KFLR[k] = x_NFL[generator.choice(rows, count, replace=len(rows) < count)].transpose(1, 2, 0)
    return bank_KFLR


def nearest(
    x_BFL: Float32Array, seen_BFL: npt.NDArray[np.bool_], key_B: npt.NDArray[np.int64], bank_KFLR: Float32Array
) -> FloatArray:
    """Root mean squared distance to the nearest reference over the recent half and over the whole window, (B, F, 2)."""
    place_B = np.where((key_B < 0) | (key_B >= len(bank_KFLR) - 1), len(bank_KFLR) - 1, key_B)
    found_BF2 = np.zeros((*x_BFL.shape[:2], 2))
    _nearest(x_BFL, seen_BFL.astype(np.float32), place_B, bank_KFLR, found_BF2)
    return found_BF2


@compiled
def _nearest(
    x_BFL: Float32Array,
    seen_BFL: Float32Array,
    place_B: npt.NDArray[np.int64],
    bank_KFLR: Float32Array,
    found_BF2: FloatArray,
) -> None:
    rows, metrics, length = x_BFL.shape
    count = bank_KFLR.shape[3]
    start = length - length // 2
    gaps_R = np.empty(count, dtype=np.float32)
    for i in range(rows):
        for f in range(metrics):
            gaps_R[:] = np.float32(0.0)
            recent_steps = _add_up(x_BFL[i, f], seen_BFL[i, f], bank_KFLR[place_B[i], f], start, length, gaps_R)
            found_BF2[i, f, 0] = np.sqrt(gaps_R.min() / max(recent_steps, np.float32(1.0)))
            older_steps = _add_up(x_BFL[i, f], seen_BFL[i, f], bank_KFLR[place_B[i], f], 0, start, gaps_R)
            found_BF2[i, f, 1] = np.sqrt(gaps_R.min() / max(older_steps + recent_steps, np.float32(1.0)))


@compiled
def _add_up(
    x_L: Float32Array, seen_L: Float32Array, bank_LR: Float32Array, start: int, stop: int, gaps_R: Float32Array
) -> np.float32:
    """Add the squared distances of steps that were seen to `gaps_R`; how many those were. The inner loop runs over
    references, so that it is exact and still goes many at a time."""
    steps = np.float32(0.0)
    for j in range(start, stop):
        if seen_L[j] > 0.0:
            steps += np.float32(1.0)
            x = x_L[j]
            for r in range(len(gaps_R)):
                gap = x - bank_LR[j, r]
                gaps_R[r] += gap * gap
    return steps
