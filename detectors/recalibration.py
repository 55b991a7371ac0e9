"""A threshold that follows its stream: slow drift is learned, an attack is not.

Without labels the two cannot be told apart; what decides is a stated rule. Read the newest scores of the champion, and

1. **breadth**: count alerts there as a `BroadAlertCounter` does. A burst in few keys, or in a short stretch of time,
   counts little: it is taken for an attack. What most keys show, or a key shows most of the time, is the stream.
2. **debt**: aim the lower the more alerts the thresholds in service raised than they should have, and the higher the
   fewer, so that the promise is kept over the window and not only at its end (integral control; compare adaptive
   conformal inference, Gibbs and Candès 2021, whose step is a fixed size and whose count is of rows). All alerts
   are debt, an attack's too, but the aim stays between `LEAST_AIM` and `MOST_AIM` of the budget, whatever it is.
3. **a greatest rate**: one day's move at most divides or multiplies the window's alerts by `most_change_per_day`.

A threshold too high for its stream (its calibration held anomalies) comes down the same way, so that silence does not
last. It learns an attack that lasts for most of the window, no faster than the greatest rate. A sudden shift of the
whole stream takes days to follow; training again takes minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.alert_counts import BroadAlertCounter, count_alerts
from detectors.budget import DAY_SECONDS, Budget
from detectors.errors import UnusableDataError
from detectors.thresholds import (
    MOST_FLAGGED_SHARE,
    Method,
    Tail,
    Threshold,
    fit_tail,
    span_seconds,
    weighted_quantile,
)

FloatArray = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

TARGET = 0.7
"""Share of the budget aimed at. Above calibration's: debt corrects what one calibration cannot."""
GAIN = 1.5
"""How much the aim makes up for each alert too many or too few. Below 1 a drift's lag breaks the promise."""
LEAST_AIM, MOST_AIM = 0.4, 1.2
LEAST_ROWS = 500
LEAST_ALERTS = 10.0
"""A window whose budget is fewer alerts says nothing: the threshold stays."""
LEAST_STEP_ALERTS = 2.0
"""What a threshold that lets nothing through is multiplied from on its way down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationRule:
    """How far a threshold may follow its stream by itself."""

    breadth: float = 0.1
    """Share of the active keys that must show a shift before it counts in full; unkeyed streams go by time alone."""
    most_change_per_day: float = 4.0
    """How many times more or fewer alerts a day's recalibration may allow, measured in the window."""

    def __post_init__(self) -> None:
        """Raises ValueError for a breadth outside 0 to 1 and a change that is not above 1."""
        if not 0.0 < self.breadth <= 1.0:
            raise ValueError(f"breadth must lie above 0 and at most at 1, not {self.breadth}")
        if not self.most_change_per_day > 1.0:
            raise ValueError(f"most_change_per_day must be above 1, not {self.most_change_per_day}")


class Outcome(StrEnum):
    """What a recalibration came to."""

    FOLLOWED = "followed"
    """The threshold is where the window wants it."""
    LIMITED = "limited"
    """It moved as far as the greatest rate allows; the next one goes on."""
    TOO_EARLY = "too_early"
    """The window holds too little to say: the threshold stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibrated:
    """A threshold brought up to date, and why it moved as it did."""

    threshold: Threshold
    outcome: Outcome
    wanted_nats: float
    """Where the window alone would have put it."""
    allowed_alerts: float
    """What the budget allows in the window."""
    raised_alerts: int
    """What the thresholds in service raised in it."""


def recalibrate(
    threshold: Threshold,
    scores: FloatArray,
    *,
    times_ms: Int64Array,
    groups: Sequence[Any] | npt.NDArray[Any] | None = None,
    gap_seconds: float = 0.0,
    seconds_since: float,
    served_nats: FloatArray | None = None,
    rule: AdaptationRule | None = None,
) -> Recalibrated:
    """`threshold` brought up to date with `scores` (N,) of the newest rows, the same detector's.

    `times_ms` (N,) in any order, `groups` (N,) of their keys; `served_nats` (N,) is the threshold that was in service
    for each row (None: this one for all); `seconds_since` the last change of the threshold, at most a day of which
    counts. The promise stays what it was. Raises UnusableDataError for scores that are not finite.
    """
    scores, rule = np.asarray(scores, dtype=np.float64), rule or AdaptationRule()
    if not np.isfinite(scores).all():
        raise UnusableDataError("cannot recalibrate on scores that are not finite: train again")
    seconds = span_seconds(times_ms) if len(scores) else 0.0
    budget = Budget(alerts_per_day=threshold.promised_per_day, share_of_events=threshold.promised_share)
    allowed = budget.allowed(rows=len(scores), seconds=seconds)
    flags = scores > (threshold.nats if served_nats is None else served_nats)
    raised = count_alerts(flags, times_ms=times_ms, groups=groups, gap_seconds=gap_seconds)
    moved, wanted, outcome = threshold, threshold.nats, Outcome.TOO_EARLY
    if len(scores) >= LEAST_ROWS and allowed >= LEAST_ALERTS:
        counter = BroadAlertCounter(
            scores, times_ms=times_ms, groups=groups, gap_seconds=gap_seconds, breadth=rule.breadth
        )
        weights = counter.row_weights(threshold.nats)
        aim = float(np.clip(TARGET + GAIN * (TARGET - raised / allowed), LEAST_AIM, MOST_AIM)) * allowed
        most_flagged = max(MOST_FLAGGED_SHARE, threshold.promised_share or 0.0)
        wanted = max(counter.lowest_score_within(aim), weighted_quantile(scores, weights, 1.0 - most_flagged))
        most_change = rule.most_change_per_day ** min(max(seconds_since, 0.0) / DAY_SECONDS, 1.0)
        nats = _within_rate(counter, threshold.nats, wanted, most_change)
        outcome = Outcome.FOLLOWED if nats == wanted else Outcome.LIMITED
        moved = _moved(threshold, nats, fit_tail(scores, weights), rows=len(scores), seconds=seconds)
    return Recalibrated(
        threshold=moved, outcome=outcome, wanted_nats=wanted, allowed_alerts=allowed, raised_alerts=raised
    )


def _moved(threshold: Threshold, nats: float, tail: Tail, *, rows: int, seconds: float) -> Threshold:
    return replace(
        threshold,
        nats=nats,
        tail=tail,
        calibration_rows=rows,
        calibration_seconds=seconds,
        extrapolated=False,
        method=Method.CONFORMAL,
        suspected_share=0.0,
    )


def _within_rate(counter: BroadAlertCounter, nats: float, wanted: float, most_change: float) -> float:
    """As near to `wanted` as leaves at least 1/`most_change` and at most `most_change` times the window's alerts."""
    now = counter.alerts_above(nats)
    if wanted > nats:
        return min(wanted, max(nats, counter.lowest_score_within(now / most_change)))
    return max(wanted, min(nats, counter.lowest_score_within(max(now, LEAST_STEP_ALERTS) * most_change)))
