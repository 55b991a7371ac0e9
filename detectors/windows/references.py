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
    """Windows of each key drawn at random, (K + 1, F, R, L); the last entry is drawn from all keys."""
    _, F, L = x_NFL.shape
    count = min(MOST_REFERENCES, max(LEAST_REFERENCES, COMPARISONS // F))
    fits = MOST_BYTES // (4 * F * L * (keys + 1))
    own = keys if fits >= LEAST_REFERENCES else 0
    count = min(count, fits) if own else count
    generator = np.random.default_rng(seed)
    bank_KFRL = np.empty((own + 1, F, count, L), dtype=np.float32)
    order = np.argsort(key_N, kind="stable")
    borders = np.searchsorted(key_N[order], np.arange(own + 1))
    for k in range(own + 1):
        rows = order[borders[k] : borders[k + 1]] if k < own else order
        rows = rows if len(rows) >= count else order
        bank_KFRL[k] = x_NFL[generator.choice(rows, count, replace=len(rows) < count)].transpose(1, 0, 2)
    return bank_KFRL


def nearest(
    x_BFL: Float32Array, seen_BFL: npt.NDArray[np.bool_], key_B: npt.NDArray[np.int64], bank_KFRL: Float32Array
) -> FloatArray:
    """Root mean squared distance to the nearest reference over the recent half and over the whole window, (B, F, 2)."""
    place_B = np.where((key_B < 0) | (key_B >= len(bank_KFRL) - 1), len(bank_KFRL) - 1, key_B)
    found_BF2 = np.zeros((*x_BFL.shape[:2], 2))
    _nearest(x_BFL, seen_BFL.astype(np.float32), place_B, bank_KFRL, found_BF2)
    return found_BF2


@compiled
def _nearest(
    x_BFL: Float32Array,
    seen_BFL: Float32Array,
    place_B: npt.NDArray[np.int64],
    bank_KFRL: Float32Array,
    found_BF2: FloatArray,
) -> None:
    rows, metrics, length = x_BFL.shape
    start = length - length // 2
    for i in range(rows):
        for f in range(metrics):
            older_steps, recent_steps = np.float32(0.0), np.float32(0.0)
            for j in range(length):
                if j < start:
                    older_steps += seen_BFL[i, f, j]
                else:
                    recent_steps += seen_BFL[i, f, j]
            best_recent, best_whole = np.float32(np.inf), np.float32(np.inf)
            for r in range(bank_KFRL.shape[2]):
                older, recent = np.float32(0.0), np.float32(0.0)
                for j in range(start, length):
                    gap = (x_BFL[i, f, j] - bank_KFRL[place_B[i], f, r, j]) * seen_BFL[i, f, j]
                    recent += gap * gap
                best_recent = min(best_recent, recent)
                if recent < best_whole:
                    for j in range(start):
                        gap = (x_BFL[i, f, j] - bank_KFRL[place_B[i], f, r, j]) * seen_BFL[i, f, j]
                        older += gap * gap
                    best_whole = min(best_whole, older + recent)
            found_BF2[i, f, 0] = np.sqrt(best_recent / max(recent_steps, np.float32(1.0)))
            found_BF2[i, f, 1] = np.sqrt(best_whole / max(older_steps + recent_steps, np.float32(1.0)))
