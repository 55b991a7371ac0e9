"""Figures of one set of scores for each family of injected anomalies, against the rows that were left alone."""

from dataclasses import dataclass

import numpy as np

from detectors.evaluation.flagging import budget_threshold, detection_delays
from detectors.evaluation.ranking import FloatArray, auroc, average_precision
from detectors.injection import Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyFigures:
    """How one family is told from normal rows. Recall and delay are at the budget that the caller gave."""

    family: str
    rows: int
    events: int
    auroc: float
    average_precision: float
    """Depends on the family's share of rows: compare between detectors, not between families."""
    recall: float
    noticed_events: int
    median_delay_rows: float


def family_figures(scores: FloatArray, truth: Truth, *, budget_share: float = 0.01) -> tuple[FamilyFigures, ...]:
    """Figures of every family that found a place. The budget is `budget_share` of the rows left alone, as flagged."""
    untouched = ~truth.labels_N
    nats = budget_threshold(scores[untouched], int(budget_share * untouched.sum()))
    found = []
    for at, family in enumerate(truth.families):
        mine = truth.of(at)
        if not mine.any() or not untouched.any():
            continue
        shown = mine | untouched
        delays = detection_delays(scores > nats, np.where(mine, truth.event_N, -1))
        found.append(
            FamilyFigures(
                family=family.label,
                rows=int(mine.sum()),
                events=delays.events,
                auroc=auroc(scores[shown], mine[shown]),
                average_precision=average_precision(scores[shown], mine[shown]),
                recall=float((scores[mine] > nats).mean()),
                noticed_events=delays.noticed,
                median_delay_rows=delays.median_rows,
            )
        )
    return tuple(found)
