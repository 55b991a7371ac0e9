"""The hot loop of a number with ranges for bins: standardise, find the bin, charge what lies beyond, in one pass.

Shape legend: B rows, K classes.
"""

import math

import numpy as np
import numpy.typing as npt

from detectors.compiled import compiled


@compiled
def encode_ranges(
    x_B: npt.NDArray[np.float64],
    center: float,
    scale: float,
    far: float,
    edges: npt.NDArray[np.float32],
    counts_K: npt.NDArray[np.float64],
    beyond: npt.NDArray[np.float64],
    tail_index: float,
    u_B: npt.NDArray[np.float32],
    classes_B: npt.NDArray[np.int16],
    extra_B: npt.NDArray[np.float32],
) -> int:
    """Fill the standardised value, class and extra nats of each row; returns how many are missing (u = 0, the last
    class). `edges` are the bins' ends; `beyond` the training rows below the first and above the last."""
    missing, last = 0, len(edges) - 1
    first_edge, last_edge = edges[0], edges[last]
    for i in range(len(x_B)):
        u = np.float32(min(max((x_B[i] - center) / scale, -far), far))
        k = 0
        for e in range(1, last):
            k += u > edges[e]
        u_B[i] = u
        classes_B[i] = k
        if first_edge <= u <= last_edge:
            continue
        if math.isnan(x_B[i]):
            missing += 1
            u_B[i] = 0.0
            classes_B[i] = len(counts_K) - 1
            continue
        side = 1 if u > last_edge else 0
        home = last_edge if side else first_edge
        distance = abs(math.asinh(float(u)) - math.asinh(float(home)))
        extra_B[i] = math.log((counts_K[k] + 1.0) / (beyond[side] + 1.0)) + tail_index * distance
    return missing
