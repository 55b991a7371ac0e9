"""What a verdict keeps quiet at once: rows like an alert that people called a false positive. No clock, no I/O.

A row is like an alert when all of this holds:

- the same key, told apart by the hash that alerts carry (of a storm: any key);
- the same column as first reason, and in it: of numbers the same side of what was expected and at most
  `MOST_DEVIATION` times as far from it as the alert was; of everything else the same value, compared as it is masked;
- not far rarer than the alert: its tail probability at least 1/`MOST_RARER` of the alert's, so that something far
  worse still alerts. Probabilities, not scores, because another model scores in other units;
- event time at most `HORIZON_MS` after the alert's last event (of a storm: `STORM_HORIZON_MS`, since it stands for
  every key). By then a model taught by the verdict should be in service, and once one is, the rule ends for it.

A confirmed alert ends older rules that would have kept it quiet. Verdicts on silence and rejects keep nothing quiet.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from detectors.base import Reason
from pipeline.alerts.masking import Masking, plain_reason
from pipeline.alerts.model import Alert, AlertKind, Flagged
from pipeline.feedback.verdicts import Feedback, Verdict, standing

MOST_DEVIATION = 1.5
MOST_RARER = 10.0
HORIZON_MS = 14 * 86_400_000
"""Longer than it takes until the alert's rows are old enough to be learned from: a training keeps the newest fifth of
its window for comparing."""
STORM_HORIZON_MS = 86_400_000
KINDS = (AlertKind.ANOMALY, AlertKind.STORM)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietRule:
    """One false positive, as a rule."""

    feedback_id: int
    column: str
    """Of the first reason; empty where there was none."""
    reason: Reason | None
    """As the alert showed it."""
    key_hash: str | None
    any_key: bool
    least_probability: float
    until_ms: int

    @classmethod
    def of(cls, feedback_id: int, alert: Alert) -> "QuietRule":
        """The rule that a false positive makes."""
        storm = alert.kind is AlertKind.STORM
        return cls(
            feedback_id=feedback_id,
            column=alert.reasons[0].column if alert.reasons else "",
            reason=alert.reasons[0] if alert.reasons else None,
            key_hash=alert.key_hash,
            any_key=storm,
            least_probability=alert.tail_probability / MOST_RARER,
            until_ms=alert.last_ms + (STORM_HORIZON_MS if storm else HORIZON_MS),
        )

    def covers(self, *, key_hash: str | None, reason: Reason | None, tail_probability: float, time_ms: int) -> bool:
        """Whether a row with these is like the alert; `reason` as it may be shown."""
        if time_ms > self.until_ms or tail_probability < self.least_probability:
            return False
        return (self.any_key or key_hash == self.key_hash) and _alike(reason, self.reason)


@dataclass(frozen=True, slots=True)
class QuietRules:
    """All rules of a stream that hold, by the column of the first reason."""

    by_column: Mapping[str, tuple[QuietRule, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.by_column.values()))

    @classmethod
    def of(cls, feedback: Iterable[Feedback]) -> "QuietRules":
        """The rules that all feedback on a stream makes."""
        rules: dict[int, QuietRule] = {}
        for said in standing(feedback):
            if said.alert.kind not in KINDS:
                continue
            if said.verdict is Verdict.FALSE_POSITIVE:
                rules[said.feedback_id] = QuietRule.of(said.feedback_id, said.alert)
            else:
                rules = {one: rule for one, rule in rules.items() if not _covers_alert(rule, said.alert)}
        return cls._grouped(rules.values())

    @classmethod
    def _grouped(cls, rules: Iterable[QuietRule]) -> "QuietRules":
        grouped: dict[str, list[QuietRule]] = defaultdict(list)
        for rule in rules:
            grouped[rule.column].append(rule)
        return cls({column: tuple(found) for column, found in grouped.items()})

    def without(self, feedback_ids: frozenset[int]) -> "QuietRules":
        """The rules but those of verdicts that a model was taught by."""
        if not feedback_ids:
            return self
        kept = (r for rules in self.by_column.values() for r in rules if r.feedback_id not in feedback_ids)
        return self._grouped(kept)

    def quiet(self, row: Flagged, reasons: tuple[Reason, ...], masker: Masking, *, topic_id: str) -> bool:
        """Whether a flagged row is like a false positive; `reasons` are those it would be alerted for, unmasked."""
        rules = self.by_column.get(reasons[0].column if reasons else "", ())
        if not rules:
            return False
        key_hash = masker.key_hash(row.key, topic_id=topic_id)
        reason = plain_reason(masker.reason(reasons[0])) if reasons else None
        probability, time_ms = row.tail_probability, row.time_ms
        return any(
            rule.covers(key_hash=key_hash, reason=reason, tail_probability=probability, time_ms=time_ms)
            for rule in rules
        )


NO_RULES = QuietRules()


def _covers_alert(rule: QuietRule, alert: Alert) -> bool:
    first = alert.reasons[0] if alert.reasons else None
    if rule.column != (first.column if first is not None else ""):
        return False
    return rule.covers(
        key_hash=rule.key_hash if alert.kind is AlertKind.STORM else alert.key_hash,
        reason=first,
        tail_probability=alert.tail_probability,
        time_ms=min(alert.started_ms, rule.until_ms),
    )


def _alike(reason: Reason | None, judged: Reason | None) -> bool:
    """Whether a row departs in its first reason as the judged alert did; both of the same column, or of none."""
    if reason is None or judged is None:
        return reason is judged
    here, there = _deviation(reason), _deviation(judged)
    if here is None or there is None:
        return type(reason.actual) is type(judged.actual) and reason.actual == judged.actual
    return math.copysign(1.0, here) == math.copysign(1.0, there) and abs(here) <= MOST_DEVIATION * abs(there)


def _deviation(reason: Reason) -> float | None:
    """How far from the expected a number was; None for everything that is no number."""
    values = reason.actual, reason.expected
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in values):
        return None
    deviation = float(values[0]) - float(values[1])  # type: ignore[arg-type]
    return deviation if math.isfinite(deviation) else None
