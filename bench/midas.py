"""MIDAS-R, a peer for streams of edges: Bhatia, Hooi, Yoon, Shin, Faloutsos 2020, with exact counts for sketches.

An edge's score at tick t is the chi-squared distance of its count in this tick, a, from what its total s promises:
(a − s/t)² t² / (s (t − 1)); counts of the tick fade by `FADE` at every new tick (the relational variant), and the
score is the highest of the edge's, its source's and its destination's. Written from the paper.
"""

import numpy as np
import numpy.typing as npt

from detectors.compiled import compiled

FloatArray = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
FADE = 0.5


def midas_scores(source: npt.NDArray[np.object_], destination: npt.NDArray[np.object_], tick: Int64Array) -> FloatArray:
    """The score of every edge, (B,), in the stream's order; ticks ascend."""
    _, from_B = np.unique(source.astype(str), return_inverse=True)
    _, to_B = np.unique(destination.astype(str), return_inverse=True)
    _, pair_B = np.unique(from_B * (to_B.max() + 1) + to_B, return_inverse=True)
    ticks_B = tick - tick.min() + 1
    parts = [_scores(nodes.astype(np.int64), ticks_B) for nodes in (pair_B, from_B, to_B)]
    return np.asarray(np.max(parts, axis=0), dtype=np.float64)


@compiled
def _scores(nodes_B: Int64Array, ticks_B: Int64Array) -> FloatArray:
    nodes = nodes_B.max() + 1
    now, total, seen = np.zeros(nodes), np.zeros(nodes), np.zeros(nodes, dtype=np.int64)
    scores_B = np.zeros(len(nodes_B))
    distinct = 0
    for i in range(len(nodes_B)):
        if i == 0 or ticks_B[i] > ticks_B[i - 1]:
            distinct += 1
        n, t = nodes_B[i], float(ticks_B[i])
        now[n] = now[n] * FADE ** (distinct - seen[n]) + 1.0
        seen[n] = distinct
        total[n] += 1.0
        if t > 1.0:
            scores_B[i] = (now[n] - total[n] / t) ** 2 * t**2 / (total[n] * (t - 1.0))
    return scores_B
