"""Score → verdict from a false-alarm budget, fitted on held-out scores apart from the detector.

Calibration counts alerts as they will be counted in service: flagged rows of one group closer than the gap are one
alert. It aims at `AIM` of the budget, all rows counted or its suspects weighted out (`Counted`, `tails.py`); below the
budget because a promise is a bound, and a bound met exactly is broken half of the time. Two methods (`Method`):
split-conformal counting where there are alerts enough to count, else a generalized Pareto tail from where there are
(Pickands 1975; Siffer et al. 2017). A budget finer than one alert in the whole calibration is marked `extrapolated`.

Without labels the promise is about unconfirmed alerts, on rows like the calibration's. It fails under drift. With
suspects weighted out it also fails where anomalies continue the normal scores without a step (then too few alerts),
where more than a tenth of the rows are anomalies (then far too few), and where a rare group of normal rows stands
apart (then far too many): that is why all rows count unless told otherwise.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.alert_counts import AlertCounter
from detectors.budget import Budget, Counted, Kept, RateInterval, kept, observed_rate
from detectors.errors import IncompatibleArtifactError, UnusableDataError
from detectors.tails import Pareto, fit_pareto, normal_weights

__all__ = ["Budget", "Counted", "Kept", "Method", "RateInterval", "Threshold", "calibrate", "kept", "observed_rate"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Int64Array = npt.NDArray[np.int64]

FORMAT = 1
AIM = 0.65
"""Share of the budget aimed at. With 20 alerts promised a promise counts as kept up to 11, with 200 up to 172."""
LEAST_COUNT = 10.0
"""Alerts in the calibration below which counting gives way to the fitted tail."""
MOST_FLAGGED_SHARE = 0.05
"""Of normal rows, whatever the budget in alerts: where alerts are so long that they run into each other, any number
of flagged rows would be few alerts. A share of events above it, stated on purpose, is followed."""
TAIL_ROWS = 250
"""Normal rows that the far tail is fitted to, at most a tenth of all."""
LEAST_SHAPE = 0.02
"""A hair heavier than exponential: tail probabilities then neither reach 0 nor tie, however high the score."""
KNOTS = 200


class Method(StrEnum):
    """How a threshold is found from calibration scores."""

    AUTO = "auto"
    """Conformal where at least `LEAST_COUNT` alerts are left to count, else the tail."""
    CONFORMAL = "conformal"
    """Split conformal (Vovk et al. 2005): with k alerts above it in N exchangeable rows a threshold is exceeded at a
    rate of at most (k + 1) / (N + 1), whatever the distribution; the one alert more is the finite-sample correction.
    Where the aim is less than one alert no finite threshold has the guarantee: the highest score is taken."""
    TAIL = "tail"
    """A generalized Pareto tail, anchored where `LEAST_COUNT` alerts are counted. Finer than counting, and true only
    as far as the tail's shape is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """How often a normal row scores above: interpolated between knots, a generalized Pareto tail beyond the last."""

    scores: tuple[float, ...]
    """Ascending."""
    log_survival: tuple[float, ...]
    """At each knot; strictly falling."""
    scale: float
    shape: float

    def probability(self, scores: FloatArray) -> FloatArray:
        """P(a normal row scores above), (N,); strictly decreasing beyond the last knot."""
        log_survival = np.interp(scores, self.scores, self.log_survival)
        beyond = np.flatnonzero(scores > self.scores[-1])
        far = Pareto(scale=self.scale, shape=self.shape).log_survival(scores[beyond] - self.scores[-1])
        log_survival[beyond] += far
        return np.asarray(np.exp(log_survival), dtype=np.float64)

    def score_at(self, log_survival: float) -> float:
        """The score that normal rows exceed with that probability, beyond the last knot."""
        return self.scores[-1] + Pareto(scale=self.scale, shape=self.shape).quantile(
            float(np.exp(log_survival - self.log_survival[-1]))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A fitted verdict: rows scoring above `nats` are flagged."""

    nats: float
    promised_per_day: float | None
    promised_share: float | None
    """Alerts per event."""
    extrapolated: bool
    """The promise is finer than one alert in the calibration: it rests on the fitted tail alone."""
    calibration_rows: int
    calibration_seconds: float | None
    suspected_share: float
    """Of the calibration rows, taken for anomalies and not counted (always 0 where all count)."""
    tail: Tail
    method: Method = Method.AUTO
    """The one that was used; `auto` where a threshold was written before it was noted."""

    def tail_probability(self, scores: FloatArray) -> FloatArray:
        """How often a normal row scores above each score, (N,)."""
        return self.tail.probability(np.asarray(scores, dtype=np.float64))

    def flags(self, scores: FloatArray) -> BoolArray:
        """Which rows are flagged, (N,)."""
        return np.asarray(scores) > self.nats

    def to_document(self) -> dict[str, Any]:
        """Everything the threshold is, as JSON."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Threshold":
        """The threshold that `to_document` described; IncompatibleArtifactError for another format."""
        fields = dict(document)
        if fields.pop("format", None) != FORMAT:
            raise IncompatibleArtifactError(f"the threshold has a format other than {FORMAT}: train again")
        tail = fields.pop("tail")
        knots = {"scores": tuple(tail["scores"]), "log_survival": tuple(tail["log_survival"])}
        fields["method"] = Method(fields.get("method", Method.AUTO))
        return cls(**fields, tail=Tail(**{**tail, **knots}))


def calibrate(
    scores: FloatArray,
    *,
    budget: Budget,
    times_ms: Int64Array | None = None,
    groups: Sequence[Any] | npt.NDArray[Any] | None = None,
    gap_seconds: float = 0.0,
    method: Method = Method.AUTO,
) -> Threshold:
    """The threshold that meets `budget` on rows like these; they must not have been trained on.

    `scores` (N,), `times_ms` (N,) in any order, `groups` (N,) of the rows' keys (None: all one group). Without times
    every flagged row is an alert of its own. Raises UnusableDataError where there are no scores, or not finite ones,
    and ValueError for a budget a day without times.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if not len(scores) or not np.isfinite(scores).all():
        raise UnusableDataError(f"cannot calibrate on {len(scores)} scores that must all be finite: hold more rows out")
    if times_ms is None and budget.alerts_per_day is not None:
        raise ValueError("a budget in alerts a day needs the rows' times: state it as share_of_events instead")
    weights = normal_weights(scores) if budget.counted is Counted.NORMAL else np.ones(len(scores))
    seconds = None if times_ms is None else span_seconds(times_ms)
    allowed = budget.allowed(rows=len(scores), seconds=seconds or 0.0)
    tail = fit_tail(scores, weights)
    counter = AlertCounter(scores, weights, times_ms=times_ms, groups=groups, gap_seconds=gap_seconds)
    most_flagged = max(MOST_FLAGGED_SHARE, budget.share_of_events or 0.0)
    used = _method(method, AIM * allowed)
    nats = _by_counting(counter, AIM * allowed) if used is Method.CONFORMAL else _by_tail(counter, tail, AIM * allowed)
    return Threshold(
        nats=max(nats, weighted_quantile(scores, weights, 1.0 - most_flagged)),
        promised_per_day=budget.alerts_per_day,
        promised_share=budget.share_of_events,
        extrapolated=allowed < 1.0,
        calibration_rows=len(scores),
        calibration_seconds=seconds,
        suspected_share=float(1.0 - weights.mean()),
        tail=tail,
        method=used,
    )


def _method(asked: Method, aim: float) -> Method:
    if asked is not Method.AUTO:
        return asked
    return Method.CONFORMAL if aim >= LEAST_COUNT else Method.TAIL


def _by_counting(counter: AlertCounter, aim: float) -> float:
    """The lowest score with at most `aim` alerts above it, the one that conformal prediction adds included."""
    return counter.lowest_score_within(max(aim - 1.0, 0.0))


def _by_tail(counter: AlertCounter, tail: Tail, aim: float) -> float:
    """Walk up the tail from where there are alerts enough to count; where the aim is at least as many, from the aim."""
    anchor = counter.lowest_score_within(max(aim, LEAST_COUNT))
    alerts = max(counter.alerts_above(anchor), 1e-9)
    log_survival = float(np.log(tail.probability(np.array([anchor]))[0]))
    wanted = log_survival + float(np.log(max(aim, 1e-300) / max(alerts, aim)))
    if wanted < tail.log_survival[-1]:
        return tail.score_at(wanted)
    return float(np.interp(-wanted, -np.array(tail.log_survival), tail.scores))


def weighted_quantile(scores: FloatArray, weights: FloatArray, share: float) -> float:
    order = np.argsort(scores, kind="stable")
    below = np.cumsum(weights[order])
    return float(scores[order][min(int(np.searchsorted(below, share * below[-1])), len(scores) - 1)])


def fit_tail(scores: FloatArray, weights: FloatArray) -> Tail:
    """The survival function of the normal rows: knots down to the last `TAIL_ROWS`' start, Pareto beyond."""
    order = np.argsort(scores, kind="stable")
    ordered, weight = scores[order], weights[order]
    above = np.cumsum(weight[::-1])[::-1] - weight
    total = float(weight.sum())
    rows = min(TAIL_ROWS, max(total / 10.0, 1.0))
    start = float(ordered[min(int(np.searchsorted(-above, -rows)), len(ordered) - 1)])
    y, w = ordered[ordered > start] - start, weight[ordered > start]
    fitted = fit_pareto(y, w) if len(y) else Pareto(scale=1.0, shape=0.0)
    survivors = max(float(w.sum()), 0.5)
    wanted = np.geomspace(total, survivors, KNOTS)[1:-1]
    at = np.minimum(np.searchsorted(-above, -wanted), len(ordered) - 1)
    knots, first = np.unique(ordered[at], return_index=True)
    inner = knots < start
    log_survival = np.log(wanted[first][inner] / total)
    falls = np.concatenate([[True], np.diff(log_survival) < 0]) if inner.any() else np.zeros(0, dtype=bool)
    return Tail(
        scores=(*knots[inner][falls].tolist(), start),
        log_survival=(*log_survival[falls].tolist(), float(np.log(survivors / (total + 0.5)))),
        scale=fitted.scale,
        shape=max(fitted.shape, LEAST_SHAPE),
    )


def span_seconds(times_ms: Int64Array) -> float:
    """The time the rows cover; one more than their gaps, so that evenly spaced rows count whole."""
    times = np.asarray(times_ms, dtype=np.int64)
    span = float(times.max() - times.min()) / 1000.0
    return span * len(times) / max(len(times) - 1, 1) if span > 0.0 else 1.0
