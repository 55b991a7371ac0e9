"""How well scores rank labelled rows. Labels are used here and nowhere else in this package.

All functions take scores (N,) and labels (N,) with True for anomalous, treat equal scores as one, and raise
ValueError where a class is absent (the figure does not exist then; it is not zero).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdFigures:
    """What a threshold catches. Precision is 0 where nothing is flagged."""

    flagged: int
    precision: float
    recall: float


def checked(scores: FloatArray, labels: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Scores as doubles and labels as truths, (N,) each. Raises ValueError: lengths differ, or a class is absent."""
    labels = np.asarray(labels, dtype=np.bool_)
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} scores for {len(labels)} labels")
    if labels.all() or not labels.any():
        raise ValueError("needs rows of both kinds, normal and anomalous")
    return np.asarray(scores, dtype=np.float64), labels


def auroc(scores: FloatArray, labels: BoolArray) -> float:
    """The chance that an anomalous row outscores a normal one, ties counting half (Mann-Whitney U)."""
    scores, labels = checked(scores, labels)
    positives = int(labels.sum())
    u = rankdata(scores)[labels].sum() - positives * (positives + 1) / 2
    return float(u / (positives * (len(labels) - positives)))


def average_precision(scores: FloatArray, labels: BoolArray) -> float:
    """Mean precision over the recall steps, without interpolation: Σ (Rₙ − Rₙ₋₁) Pₙ."""
    scores, labels = checked(scores, labels)
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits_N, flagged_N = hits[last_of_tie], np.flatnonzero(last_of_tie) + 1
    gained_N = np.diff(hits_N, prepend=0)
    return float((gained_N * hits_N / flagged_N).sum() / labels.sum())


def at_threshold(scores: FloatArray, labels: BoolArray, nats: float) -> ThresholdFigures:
    """Precision and recall of the rows that score above `nats`."""
    scores, labels = checked(scores, labels)
    flagged = scores > nats
    hits = int((flagged & labels).sum())
    count = int(flagged.sum())
    return ThresholdFigures(flagged=count, precision=hits / max(count, 1), recall=hits / int(labels.sum()))
