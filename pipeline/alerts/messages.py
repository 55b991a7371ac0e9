"""The one line of an alert that people read first. Made from what is already masked."""

import math
from datetime import UTC, datetime

from detectors.base import Reason

TEXT_LIMIT = 60
"""Longest value quoted in a message, in characters."""


def number_text(value: float) -> str:
    """A number in as few digits as tell it apart: 1,234.5, 0.00012, 3."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if 0.001 <= abs(value) < 1e15:
        return f"{value:,.{max(0, 3 - _digits_before_point(value))}f}".rstrip("0").rstrip(".")
    return f"{value:.3g}"


def value_text(value: float | str | bool | None) -> str:
    """A value of a reason, for people."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if len(value) <= TEXT_LIMIT else value[: TEXT_LIMIT - 1] + "…"
    return number_text(value)


def range_text(reason: Reason) -> str:
    """The plausible range of a numeric reason as ` (10 to 95)`; empty where there is none, or only one value."""
    if reason.low is None or reason.high is None or reason.low == reason.high == reason.expected:
        return ""
    return f" ({number_text(reason.low)} to {number_text(reason.high)})"


def reason_text(reason: Reason) -> str:
    """One reason as a clause: `amount is 4,812, expected about 42 (10 to 95)`."""
    note = f" ({reason.note})" if reason.note else ""
    if reason.expected is None:
        return f"{reason.column} is {value_text(reason.actual)}{note}"
    plausible = range_text(reason)
    expected = f"expected {'about ' if plausible else ''}{value_text(reason.expected)}{plausible}"
    return f"{reason.column} is {value_text(reason.actual)}{note}, {expected}"


def anomaly_message(reasons: tuple[Reason, ...], events: int) -> str:
    """An anomaly's line: its first reasons, and how many events."""
    what = "; ".join(reason_text(reason) for reason in reasons[:2]) or "unusual as a whole, in no single column"
    return f"{what} [{events:,} events]" if events > 1 else what


def storm_message(cause: str, *, keys: int, keys_capped: bool, events: int) -> str:
    """A storm's line."""
    what = f"column {cause}" if cause else "no single column"
    return f"{'at least ' if keys_capped else ''}{keys:,} keys at once, all for {what} [{events:,} events]"


def silence_message(since_ms: int, silence_seconds: float) -> str:
    """A silent topic's line."""
    since = datetime.fromtimestamp(since_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"nothing has arrived since {since} UTC (expected at least every {number_text(silence_seconds)} s)"


def _digits_before_point(value: float) -> int:
    whole = int(abs(value))
    return len(str(whole)) if whole else 0
