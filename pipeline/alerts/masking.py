"""What alerts ask of whoever hides personal values, and the JSON-able form of a row that is shown."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from detectors.base import Reason


class Masking(Protocol):
    """Hides the values of personal columns; `pipeline.masking.Masker` is one."""

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        """The row with personal values replaced."""

    def reason(self, reason: Reason) -> Reason:
        """The reason, with its values replaced where its column is personal."""

    def key(self, key: str | None) -> str | None:
        """The entity's key, replaced where the key column is personal."""

    def key_hash(self, key: str | None, *, topic_id: str) -> str | None:
        """What stands for the key where alerts are compared; None where there is none."""


def plain_event(event: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON can carry it: moments as ISO 8601 in UTC, numbers that are not finite as null."""
    return {column: _plain(value) for column, value in event.items()}


def plain_reason(reason: Reason) -> Reason:
    """A reason as JSON can carry it: numbers that are not finite as null, or 0 where there must be one."""
    return replace(
        reason,
        contribution_nats=reason.contribution_nats if math.isfinite(reason.contribution_nats) else 0.0,
        actual=_plain(reason.actual),
        expected=_plain(reason.expected),
        low=None if reason.low is None or not math.isfinite(reason.low) else reason.low,
        high=None if reason.high is None or not math.isfinite(reason.high) else reason.high,
    )


def _plain(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    return str(value)
