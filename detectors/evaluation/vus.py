"""VUS-PR: the volume under the range-aware precision-recall surface, for labels that are intervals of time.

Paparrizos et al. 2022, "Volume Under the Surface" (equations 5 to 12). A label that ends at one point is soft in life,
so each anomalous interval is given slopes of length ℓ/2 on both sides, falling as sqrt(1 − distance / ℓ); precision
and recall are taken against those soft labels, recall is scaled by the share of intervals that were touched at all
(the existence reward), and the area under the curve is averaged over ℓ = 0 … `max_buffer`.

Departures: every distinct score is a threshold, where the authors' code takes 250 quantiles; the area is the sum of
precision times the gain in recall, as average precision has it, not trapezes, which are optimistic in this space. With
`max_buffer` 0 and one interval touched first of all it is average precision.

It rewards scores that stay high through an interval and a little around it; it says nothing about how soon the first
alert came.

Shape legend: N points in time order, S intervals, K ranks (points from the highest score down).
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


def vus_pr(scores: FloatArray, labels: BoolArray, *, max_buffer: int) -> float:
    """Volume under the range-aware precision-recall surface of one series, 0 to 1.

    `scores` (N,) and `labels` (N,), True for anomalous, in time order and on even steps; `max_buffer` in steps, of the
    order of the series' period or of the intervals. O(N log N) once and O(N) for each buffer. Raises ValueError where
    a class is absent, a score is not finite, or the shapes differ.
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.bool_)
    if scores.shape != labels.shape or scores.ndim != 1:
        raise ValueError(f"scores {scores.shape} and labels {labels.shape} are to be one value a point each")
    if labels.all() or not labels.any():
        raise ValueError("VUS-PR does not exist without both anomalous and normal points")
    if not np.isfinite(scores).all():
        raise ValueError("scores are to be finite: replace or leave out what is not")
    if max_buffer < 0:
        raise ValueError(f"max_buffer is a number of steps, 0 or more: {max_buffer}")
    order_K = np.argsort(-scores, kind="stable")
    last_of_tie = np.flatnonzero(np.append(np.diff(scores[order_K]) != 0, True))
    tie_N = np.empty(len(scores), dtype=np.int64)
    tie_N[order_K] = np.repeat(np.arange(len(last_of_tie)), np.diff(last_of_tie, prepend=-1))
    starts, ends = intervals(labels)
    areas = []
    for buffer in range(max_buffer + 1):
        soft_N = soft_labels(labels, starts, ends, buffer)
        areas.append(_area(soft_N, float(labels.sum()), order_K, last_of_tie, tie_N))
    return float(np.mean(areas))


def intervals(labels: BoolArray) -> tuple[IntArray, IntArray]:
    """First and last point of each run of True, (S,) each."""
    edges = np.diff(labels.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1


def soft_labels(labels: BoolArray, starts: IntArray, ends: IntArray, buffer: int) -> FloatArray:
    """The labels with slopes of buffer // 2 points on both sides of each interval, (N,); overlaps reach 1 at most."""
    soft_N = labels.astype(np.float64)
    distance = np.arange(1, buffer // 2 + 1)
    slope = np.sqrt(1.0 - distance / max(buffer, 1))
    for at in (starts[:, None] - distance, ends[:, None] + distance):
        inside = (at >= 0) & (at < len(labels))
        np.add.at(soft_N, at[inside], np.broadcast_to(slope, at.shape)[inside])
    return np.minimum(soft_N, 1.0)


def _area(soft_N: FloatArray, hard_total: float, order_K: IntArray, last_of_tie: IntArray, tie_N: IntArray) -> float:
    """Area under the range-aware curve for one buffer; thresholds are the distinct scores."""
    caught = np.cumsum(soft_N[order_K])[last_of_tie]
    recall = np.minimum(caught / (0.5 * (hard_total + soft_N.sum())), 1.0)
    starts, ends = intervals(soft_N > 0)
    bounds = np.stack([starts, ends + 1], axis=1).ravel()
    first_touch = np.minimum.reduceat(np.append(tie_N, len(tie_N)), bounds)[::2]
    touched = np.cumsum(np.bincount(first_touch, minlength=len(last_of_tie)))
    reward = recall * touched / len(starts)
    return float((caught / (last_of_tie + 1) * np.diff(reward, prepend=0.0)).sum())
