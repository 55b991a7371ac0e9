"""Bootstrap intervals of ranking figures (Efron 1979, percentile method).

Anomalous and normal rows are drawn apart (stratified), so that no draw lacks a class and the share of anomalies, which
average precision depends on, stays. Rows of one key or one stretch of time are not independent: with `blocks` whole
blocks are drawn, those with an anomaly apart from those without; intervals of single rows are then too narrow.

A draw is a weight for each row, so scores are sorted once. Shape legend: N rows, K distinct scores, R draws.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.evaluation.ranking import BoolArray, FloatArray, checked

LEAST_BLOCKS = 2
"""Of either sort; with fewer the interval is unknown, not zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure with the ends of its bootstrap interval; NaN ends where there is too little to draw from."""

    value: float
    low: float
    high: float


class Ranked:
    """Labelled scores, sorted once; figures for any weights of the rows, (N,), equal scores as one."""

    def __init__(self, scores: FloatArray, labels: BoolArray) -> None:
        scores, labels = checked(scores, labels)
        self._order = np.argsort(-scores, kind="stable")
        self._starts_K = np.flatnonzero(np.diff(scores[self._order], prepend=np.inf) != 0)
        self._labels_N = labels[self._order].astype(np.float64)

    def _tallies(self, weights_N: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weight of anomalous and of normal rows at each distinct score, highest first, (K,) each."""
        w = weights_N[self._order]
        hits = w * self._labels_N
        return np.add.reduceat(hits, self._starts_K), np.add.reduceat(w - hits, self._starts_K)

    def auroc(self, weights_N: FloatArray) -> float:
        """As `ranking.auroc`."""
        hits_K, others_K = self._tallies(weights_N)
        below_K = others_K.sum() - np.cumsum(others_K)
        return float((hits_K * (below_K + 0.5 * others_K)).sum() / (hits_K.sum() * others_K.sum()))

    def average_precision(self, weights_N: FloatArray) -> float:
        """As `ranking.average_precision`."""
        hits_K, others_K = self._tallies(weights_N)
        found_K = np.cumsum(hits_K)
        flagged_K = found_K + np.cumsum(others_K)
        precision_K = found_K / np.maximum(flagged_K, 1e-12)
        return float((hits_K * precision_K).sum() / hits_K.sum())


Figure = Callable[[Ranked, FloatArray], float]


def bootstrap(
    scores: FloatArray,
    labels: BoolArray,
    figure: Figure,
    *,
    blocks: npt.NDArray[np.int64] | None = None,
    draws: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """A figure of `Ranked` with its interval; deterministic. Raises ValueError where a class is absent."""
    ranked = Ranked(scores, labels)
    labels = np.asarray(labels, dtype=np.bool_)
    value = figure(ranked, np.ones(len(labels)))
    sorts = strata(labels, blocks)
    if min(sort.blocks for sort in sorts) < LEAST_BLOCKS:
        return Interval(value=value, low=float("nan"), high=float("nan"))
    g = np.random.default_rng(seed)
    drawn_R = [figure(ranked, block_weights(sorts, len(labels), g)) for _ in range(draws)]
    low, high = np.quantile(drawn_R, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value=value, low=float(low), high=float(high))


@dataclass(frozen=True, slots=True)
class Stratum:
    """What is drawn from by itself: rows (S,) of one sort of blocks, and the place of each row's block among those."""

    rows_S: npt.NDArray[np.int64]
    block_S: npt.NDArray[np.int64]
    blocks: int


def strata(labels: BoolArray, blocks: npt.NDArray[np.int64] | None) -> list[Stratum]:
    """Blocks with an anomaly, and those without where there are any; a row is a block where none are given."""
    if blocks is None:
        number = np.arange(len(labels))
    else:
        _, number = np.unique(blocks, return_inverse=True)
    holds = np.zeros(int(number.max(initial=0)) + 1, dtype=np.bool_)
    holds[number[labels]] = True
    found = []
    for sort in (True, False):
        rows = np.flatnonzero(holds[number] == sort)
        names, place = np.unique(number[rows], return_inverse=True)
        if len(names):
            found.append(Stratum(rows.astype(np.int64), place.astype(np.int64), len(names)))
    return found


def block_weights(sorts: list[Stratum], rows: int, g: np.random.Generator) -> FloatArray:
    """How often each row is drawn, (N,): its block's number of draws among as many blocks as there are."""
    weights_N = np.zeros(rows)
    for stratum in sorts:
        times = np.bincount(g.integers(0, stratum.blocks, stratum.blocks), minlength=stratum.blocks)
        weights_N[stratum.rows_S] = times[stratum.block_S]
    return weights_N
