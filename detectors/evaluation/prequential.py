"""Prequential replay (Dawid 1984; Gama, Sebastião, Rodrigues 2013): learn from a window, score what came next, roll on.

Every row is scored by a detector that saw older rows only, as in service; shuffled splits flatter a detector that has
learned tomorrow. `alter` puts anomalies into the scored part of each step, and nothing into what is learned from.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic

import numpy as np
import pyarrow as pa

from detectors.base import Detector, FloatArray
from detectors.columns import feature_fields

SCORE_ROWS = 65_536
Alter = Callable[[pa.Table, int], pa.Table]
"""Given a step's scored rows and its number, the rows to score instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Rows learned from and rows scored, as half-open ranges of the table."""

    fit_start: int
    fit_stop: int
    score_stop: int
    """Scoring begins where fitting stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One step's scores, in the order of the rows scored."""

    step: Step
    scores: FloatArray
    fit_seconds: float
    rows_per_second: float


def steps(rows: int, *, first_fit_rows: int, step_rows: int, growing: bool = False) -> list[Step]:
    """Windows of `first_fit_rows` that roll on by `step_rows` until the table ends; the last may score fewer rows.

    With `growing` every window begins at the first row. Raises ValueError where nothing would be scored.
    """
    if first_fit_rows < 1 or step_rows < 1 or first_fit_rows >= rows:
        raise ValueError(f"{rows} rows cannot be split into {first_fit_rows} to learn from and steps of {step_rows}")
    stops = range(first_fit_rows, rows, step_rows)
    return [
        Step(
            fit_start=0 if growing else stop - first_fit_rows,
            fit_stop=stop,
            score_stop=min(rows, stop + step_rows),
        )
        for stop in stops
    ]


def prequential(
    table: pa.Table, make: Callable[[], Detector], plan: list[Step], *, alter: Alter | None = None
) -> Iterator[Replayed]:
    """Fit a new detector at every step and score what follows. Rows are in order of time; labels are never handed on.

    Raises UnusableDataError where a window cannot be learned from.
    """
    known = table.select([field.name for field in feature_fields(table.schema)])
    for number, step in enumerate(plan):
        began = monotonic()
        detector = make()
        detector.fit(known.slice(step.fit_start, step.fit_stop - step.fit_start))
        fitted = monotonic()
        later = table.slice(step.fit_stop, step.score_stop - step.fit_stop)
        altered = later if alter is None else alter(later, number)
        scores, seconds = timed_scores(detector, altered.select(known.column_names))
        yield Replayed(
            step=step,
            scores=scores,
            fit_seconds=fitted - began,
            rows_per_second=altered.num_rows / max(seconds, 1e-9),
        )


def timed_scores(detector: Detector, table: pa.Table) -> tuple[FloatArray, float]:
    """Scores of a whole table, (rows,), batch by batch, and the seconds they took."""
    batches = table.combine_chunks().to_batches(max_chunksize=SCORE_ROWS)
    began = monotonic()
    parts = [detector.score(batch) for batch in batches]
    seconds = monotonic() - began
    return (np.concatenate(parts) if parts else np.zeros(0)), seconds
