"""What a budget buys: precision and recall of the rows that are flagged first, and how late each event is noticed.

Shape legend: N rows, E events.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.evaluation.ranking import BoolArray, FloatArray, ThresholdFigures, at_threshold

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How soon events are noticed. An event is noticed at the first of its rows that is flagged.

    Rows count from 0 for an event noticed at its first row. Medians are over noticed events; NaN where none is, and
    for seconds also where there is no clock.
    """

    events: int
    noticed: int
    median_rows: float
    median_seconds: float
    rows_E: IntArray
    """Rows of the event before the flagged one; −1 where it was not noticed. In order of event number."""


def budget_threshold(scores: FloatArray, flagged: int) -> float:
    """The score above which at most `flagged` rows lie; rows with equal scores are flagged together or not at all."""
    if flagged >= len(scores):
        return float("-inf")
    return float(np.partition(scores, len(scores) - flagged - 1)[len(scores) - flagged - 1])


def at_budget(scores: FloatArray, labels: BoolArray, *, flagged: int) -> ThresholdFigures:
    """Precision and recall of at most `flagged` rows, the highest scores. Raises ValueError for one class only."""
    return at_threshold(scores, labels, budget_threshold(np.asarray(scores, dtype=np.float64), flagged))


def detection_delays(flags_N: BoolArray, event_N: IntArray, *, times_ms: FloatArray | IntArray | None = None) -> Delays:
    """Delays of events 0 … E−1, given as each row's event (−1 for none); rows in order of time."""
    rows = np.flatnonzero(event_N >= 0)
    order = rows[np.argsort(event_N[rows], kind="stable")]
    event, first, length = np.unique(event_N[order], return_index=True, return_counts=True)
    within = np.arange(len(order)) - np.repeat(first, length)
    late = np.where(flags_N[order], within, np.iinfo(np.int64).max)
    soonest_E = np.minimum.reduceat(late, first) if len(event) else np.zeros(0, dtype=np.int64)
    noticed_E = soonest_E < np.iinfo(np.int64).max
    seconds_E = np.full(len(event), np.nan)
    if times_ms is not None and noticed_E.any():
        seen, began = order[first[noticed_E] + soonest_E[noticed_E]], order[first[noticed_E]]
        seconds_E[noticed_E] = (np.asarray(times_ms)[seen] - np.asarray(times_ms)[began]) / 1000.0
    return Delays(
        events=len(event),
        noticed=int(noticed_E.sum()),
        median_rows=float(np.median(soonest_E[noticed_E])) if noticed_E.any() else float("nan"),
        median_seconds=_median(seconds_E),
        rows_E=np.where(noticed_E, soonest_E, -1).astype(np.int64),
    )


def _median(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def label_events(
    labels_N: BoolArray,
    *,
    group_N: IntArray | None = None,
    times_ms: FloatArray | IntArray | None = None,
    gap_seconds: float | None = None,
) -> IntArray:
    """Each labelled row's event, −1 for the others, (N,): labelled rows of one group in a row are one event.

    A normal row of the group ends an event, and so does a gap of more than `gap_seconds`.
    """
    group_N = np.zeros(len(labels_N), dtype=np.int64) if group_N is None else group_N
    order = np.argsort(group_N, kind="stable")
    labels, group = labels_N[order], group_N[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (group[1:] != group[:-1]) | ~labels[:-1]
    if times_ms is not None and gap_seconds is not None:
        new[1:] |= np.diff(np.asarray(times_ms, dtype=np.float64)[order]) > gap_seconds * 1000.0
    number = np.cumsum(new & labels) - 1
    event_N = np.full(len(labels_N), -1, dtype=np.int64)
    event_N[order[labels]] = number[labels]
    return event_N
