"""Moments and figures in words, all in UTC."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.expectations.window import HOUR_MS

_SHOWN = 3


def moment_text(ms: int) -> str:
    """To the second."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def hour_text(hour: int) -> str:
    """An hour since the epoch."""
    return datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC).strftime("%Y-%m-%d %H:00")


def stretches(places: Sequence[tuple[int, int]]) -> str:
    """Stretches of time, those that touch as one: "2026-01-02 14:00 to 15:00"."""
    joined: list[list[int]] = []
    for start, stop in sorted(places):
        if joined and joined[-1][1] == start:
            joined[-1][1] = stop
        else:
            joined.append([start, stop])
    shown = ", ".join(f"{moment_text(start)[:16]} to {moment_text(stop)[11:16]}" for start, stop in joined[:_SHOWN])
    return shown + (f" and {len(joined) - _SHOWN} more" if len(joined) > _SHOWN else "")


def share_text(share: float) -> str:
    """A share in percent, with as many digits as say something."""
    percent = 100 * share
    if percent == 0 or percent >= 99.95:
        return f"{percent:.0f}%"
    return f"{percent:.1f}%" if percent >= 0.95 else f"{percent:.2g}%"


def number_text(value: float) -> str:
    """A number for people: few digits, thousands apart."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def seconds_text(seconds: float) -> str:
    """A length of time in its fitting unit."""
    for size, unit in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"
