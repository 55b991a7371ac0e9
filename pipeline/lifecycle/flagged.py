"""Rows that the champion flags, in the sample a challenger is fitted on: left out, or kept because the stream moved.

An archive holds the anomalies that happened, and learning them as normal blinds a model; but a champion that flags much
more than it did when it was calibrated is looking at a stream that moved, and leaving those rows out would refuse to
learn it. So: a flagged share beyond noise and more than `DRIFT_FACTOR` times what the threshold was calibrated for is
drift, and every row is kept (but those that people confirmed as anomalies, which never get here); else the flagged rows
are left out, the highest scores first, up to the stated share of all rows.

The rule is wrong where an attack floods the stream (it is learned unless people confirm it) and where a shift is so
small that it stays under the factor (its rows are left out, at most the stated share of them, until it is not).
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.feedback import RowLabels
from detectors.thresholds import observed_rate
from pipeline.jobs.score_summary import Mask
from pipeline.jobs.train import score_table
from pipeline.model_store import Bundle

DRIFT_FACTOR = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlaggedRows:
    """What became of the champion's flags."""

    model_id: str
    rows: int
    flagged: int
    expected_share: float
    """Of ordinary rows, by the champion's own calibration."""
    drifted: bool
    """So many were flagged that the stream must have moved: all were kept."""
    left_out: int

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def leave_out_flagged(
    table: pa.Table, labels: RowLabels | None, champion: Bundle, *, most_share: float
) -> tuple[pa.Table, RowLabels | None, FlaggedRows]:
    """The rows to fit on, with their labels. Rows that people spoke of are never left out here."""
    scores = score_table(champion.detector, table)
    flags = np.asarray(champion.threshold.flags(scores), np.bool_)
    if labels is not None:
        flags &= ~labels.judged_N
    expected = float(champion.threshold.tail_probability(np.array([champion.threshold.nats]))[0])
    drifted = is_drift(int(flags.sum()), table.num_rows, expected)
    out = np.zeros(table.num_rows, np.bool_) if drifted else _highest(scores, flags, int(most_share * table.num_rows))
    found = FlaggedRows(
        model_id=champion.model_id,
        rows=table.num_rows,
        flagged=int(flags.sum()),
        expected_share=expected,
        drifted=drifted,
        left_out=int(out.sum()),
    )
    if not out.any():
        return table, labels, found
    kept = np.flatnonzero(~out)
    return table.take(pa.array(kept)), None if labels is None else labels.take(kept), found


def is_drift(flagged: int, rows: int, expected_share: float) -> bool:
    """Whether even the least that the count stands for (exact Poisson, 95 %) is far more than was calibrated for."""
    if not flagged or not rows:
        return False
    return observed_rate(flagged, float(rows)).low > DRIFT_FACTOR * expected_share


def _highest(scores: Any, flags: Mask, most: int) -> Mask:
    """The flagged rows with the highest scores, at most so many."""
    places = np.flatnonzero(flags)
    out = np.zeros(len(flags), np.bool_)
    out[places[np.argsort(-scores[places], kind="stable")][:most]] = True
    return out
