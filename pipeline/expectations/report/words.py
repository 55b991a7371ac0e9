"""Values as a page says them: moments, spans, counts, shares, and texts that came out of the data."""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from synth.report.parts import NOT_KNOWN, text

LONGEST_VALUE = 120
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_UNSHOWN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories without a shape of their own: they could hide or turn round what stands beside them."""
SUBJECTS = {
    "archive": "window of the archive",
    "gate": "check before training",
    "dataset": "synthetic dataset",
    "drift": "drift check",
}
VERDICTS = {"passed": ("passed", "✓"), "failed": ("failed", "✗"), "error": ("could not be judged", "!")}
"""Verdict → words and sign."""


def moment_text(moment_ms: int | float) -> str:
    """To the minute, UTC; a dash where it is no moment of the calendar."""
    return _moment(moment_ms, "%d %b %Y %H:%M")


def day_text(moment_ms: int | float) -> str:
    """The day, UTC."""
    return _moment(moment_ms, "%d %b %Y")


def time_text(moment_ms: int | float) -> str:
    """The time of day, UTC."""
    return _moment(moment_ms, "%H:%M")


def _moment(moment_ms: int | float, form: str) -> str:
    try:
        return f"{datetime.fromtimestamp(moment_ms / 1000.0, UTC):{form}}"
    except (OverflowError, ValueError, OSError):
        return NOT_KNOWN


def machine_time(moment_ms: int) -> str:
    """A moment as HTML's `time` element wants it."""
    return _moment(moment_ms, "%Y-%m-%dT%H:%MZ")


def span_text(span: Mapping[str, Any]) -> str:
    """`13 Nov 2026 09:00 to 21:00 UTC (12 hours)`, `13 Nov 2026 UTC (24 hours)`; a dash where rows have no time."""
    start, end = span["start_ms"], span["end_ms"]
    if start is None or end is None:
        return NOT_KNOWN
    if end - start == _DAY_MS and start % _DAY_MS == 0:
        return f"{day_text(start)} UTC (24 hours)"
    last = time_text(end) if day_text(start) == day_text(end) else moment_text(end)
    return f"{moment_text(start)} to {last} UTC ({length_text(end - start)})"


def length_text(milliseconds: float) -> str:
    """A stretch of time: `28 days`, `36 hours`, `90 s`."""
    for size_ms, name in ((_DAY_MS, "days"), (_HOUR_MS, "hours"), (60_000, "minutes")):
        if milliseconds >= 2 * size_ms:
            return f"{milliseconds / size_ms:.1f}".removesuffix(".0") + f" {name}"
    return f"{milliseconds / 1000:.0f} s"


def count_text(value: int | float | None) -> str:
    """A count with its thousands apart; a dash where it is not known."""
    return NOT_KNOWN if value is None else f"{value:,.0f}"


def number_text(value: float | None) -> str:
    """A number in at most four digits that matter; a dash where it is not known."""
    if value is None:
        return NOT_KNOWN
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    shown = f"{value:,.{max(0, 3 - len(str(int(abs(value)))) + (abs(value) < 1))}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def share_text(value: float | None) -> str:
    """A share in percent, finer where it is small; a dash where it is not known."""
    if value is None:
        return NOT_KNOWN
    if value == 0:
        return "0%"
    if 0 < value < 0.0001:
        return "< 0.01%"
    return f"{value:.2%}" if value < 0.01 else f"{value:.1%}"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def name_text(name: str) -> str:
    """A name of a field as words."""
    return name.replace("_", " ")


def value_text(value: object) -> str:
    """What came out of the data, bounded, on one line, with characters that cannot be seen written out."""
    plain = visible(str(value)[: LONGEST_VALUE + 1])
    return plain if len(plain) <= LONGEST_VALUE else plain[: LONGEST_VALUE - 1] + "…"


def visible(value: str) -> str:
    """A text whose characters without a shape are written out, as `\\u202e`."""
    if value.isprintable():
        return value
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) in _UNSHOWN else c for c in value)


def visible_document(part: Any) -> Any:
    """A JSON document with every text in it `visible`, names of fields too."""
    if isinstance(part, str):
        return visible(part)
    if isinstance(part, Mapping):
        return {visible(str(name)): visible_document(value) for name, value in part.items()}
    return [visible_document(value) for value in part] if isinstance(part, list | tuple) else part


def value_html(value: object) -> str:
    """`value_text` as an element that keeps its own writing direction."""
    return f'<bdi class="value">{text(value_text(value))}</bdi>'


def said(value: object) -> str:
    """A sentence, escaped; characters that cannot be seen are written out."""
    return text(visible(str(value)))
