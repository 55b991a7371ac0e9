"""Rules that keep a flagged row from becoming an alert: stated exceptions, and deviations too small to matter.

Both look at one row alone, so they keep no state.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from detectors.base import Reason
from pipeline.alerts.masking import Masking
from pipeline.alerts.model import Flagged
from pipeline.config import SuppressRule
from pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedWhere:
    """One suppression rule, its moment parsed."""

    name: str
    where: Mapping[str, str | int | float | bool]
    until_ms: int | None

    def matches(self, flagged: Flagged) -> bool:
        """Whether every stated value is the row's, and the rule still held at the row's time."""
        if self.until_ms is not None and flagged.time_ms > self.until_ms:
            return False
        return all(_same(flagged.event.get(column), stated) for column, stated in self.where.items())


class Quiet(Protocol):
    """What people's verdicts keep quiet; `pipeline.feedback.rules.QuietRules` is one."""

    def quiet(self, row: Flagged, reasons: tuple[Reason, ...], masker: Masking, *, topic_id: str) -> bool:
        """Whether a flagged row is like an alert that was called a false positive."""


class _QuietNothing:
    """Nobody said anything."""

    def quiet(self, row: Flagged, reasons: tuple[Reason, ...], masker: Masking, *, topic_id: str) -> bool:
        """Never."""
        return False


QUIET_NOTHING: Quiet = _QuietNothing()


class Rules:
    """All rules of a stream."""

    def __init__(self, suppress: Sequence[SuppressRule], minimum_deviation: Mapping[str, float]) -> None:
        """Raises ConfigError naming the rule whose `until` is not a moment."""
        self._suppress = tuple(
            SuppressedWhere(name=rule.name, where=rule.where, until_ms=_moment_ms(rule)) for rule in suppress
        )
        self._minimum = dict(minimum_deviation)

    def suppressed_by(self, flagged: Flagged) -> str | None:
        """The name of the first rule that matches a row, if any."""
        return next((rule.name for rule in self._suppress if rule.matches(flagged)), None)

    def remaining_reasons(self, flagged: Flagged, *, threshold_nats: float) -> tuple[Reason, ...] | None:
        """The row's reasons without those that deviate too little; None when the rest does not carry the row.

        A reason is struck out when its column has a minimum deviation, its actual and expected values are both
        numbers, and they lie closer than the minimum. A missing value or one of another kind is never struck. When
        something was struck, the row is alerted only if its score less what the struck reasons added to it still
        reaches the threshold.
        """
        struck = [reason for reason in flagged.reasons if self._too_small(reason)]
        if not struck:
            return flagged.reasons
        rest_nats = flagged.score_nats - sum(max(0.0, reason.contribution_nats) for reason in struck)
        if rest_nats < threshold_nats:
            return None
        return tuple(reason for reason in flagged.reasons if not self._too_small(reason))

    def _too_small(self, reason: Reason) -> bool:
        minimum = self._minimum.get(reason.column)
        actual, expected = reason.actual, reason.expected
        if minimum is None or not _is_number(actual) or not _is_number(expected):
            return False
        return abs(float(actual) - float(expected)) < minimum  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _same(actual: Any, stated: str | int | float | bool) -> bool:
    """Equality without Python's conversions: true is not 1, and text is not a number."""
    if isinstance(actual, datetime):
        actual = actual.isoformat()
    if isinstance(stated, bool) or isinstance(actual, bool):
        return isinstance(stated, bool) and isinstance(actual, bool) and stated is actual
    if isinstance(stated, str) or isinstance(actual, str):
        return isinstance(stated, str) and isinstance(actual, str) and stated == actual
    return actual is not None and bool(actual == stated)


def _moment_ms(rule: SuppressRule) -> int | None:
    if rule.until is None:
        return None
    try:
        moment = datetime.fromisoformat(rule.until)
    except ValueError as error:
        raise ConfigError(
            f"suppress rule {rule.name!r}: until {rule.until!r} is no moment; write one as 2026-05-01T00:00:00Z"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
