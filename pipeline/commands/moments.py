"""Moments as people type them on the command line."""

from datetime import UTC, datetime

from pipeline.errors import ConfigError


def moment_ms(text: str | None, *, option: str) -> int | None:
    """ISO 8601 (`2026-01-19`, `2026-01-19T12:00`, with or without a zone; UTC without) to milliseconds since the epoch.

    Raises ConfigError naming the option.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text!r} is not a moment: write it like 2026-01-19 or 2026-01-19T12:00") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def span_text(start_ms: int, end_ms: int) -> str:
    """A span for people: `14.0 days`, `6.5 hours` or `40 s`."""
    seconds = (end_ms - start_ms) / 1000.0
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.1f} days"
    return f"{seconds / 3600:.1f} hours" if seconds >= 7200 else f"{seconds:.0f} s"


def between_text(start_ms: int, end_ms: int) -> str:
    """From one moment to another, UTC, and how long that is; to the second where minutes would look the same."""
    show = minute_text if end_ms - start_ms >= 7_200_000 else second_text
    return f"{show(start_ms)} to {show(end_ms)} ({span_text(start_ms, end_ms)})"


def second_text(time_ms: int) -> str:
    """A moment to the second, UTC."""
    return datetime.fromtimestamp(time_ms / 1000.0, UTC).strftime("%Y-%m-%d %H:%M:%S")


def minute_text(time_ms: int) -> str:
    """A moment to the minute, UTC."""
    return datetime.fromtimestamp(time_ms / 1000.0, UTC).strftime("%Y-%m-%d %H:%M")
