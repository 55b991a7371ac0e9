"""Alerts for people at a terminal: a headline, one line of message, then the reasons with their weight as bars.

Values come from event streams, so nothing in them is trusted: control characters and direction marks are shown, not
obeyed, and markup is plain text.
"""

from datetime import UTC, datetime

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from detectors.base import Reason
from pipeline.alerts.messages import number_text, value_text
from pipeline.alerts.model import Alert, AlertKind, AlertStatus, Cause, Severity
from pipeline.alerts.notify.destination import DELIVERED, Delivery

BAR_CELLS = 8
NATS_CELLS = 10
"""Of a contribution's number and unit beside its bar."""
SHORT_ID_LENGTH = 10
VALUE_CELLS = 32
_STYLES = {Severity.INFO: "cyan", Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}
_MARKS = {AlertStatus.OPEN: "●", AlertStatus.UPDATED: "◐", AlertStatus.RESOLVED: "○"}
_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def harmless(text: str) -> str:
    """The text with control characters and direction marks written out, so that no value can steer the terminal."""
    return "".join(_written_out(c) if _steers(c) else c for c in text)


def harmless_json(document: str) -> str:
    """JSON that says the same and steers no terminal: what would steer is escaped inside its strings."""
    return "".join(f"\\u{ord(c):04x}" if _steers(c) else c for c in document)


def rendered(alert: Alert) -> Group:
    """One alert, in as many lines as it has reasons and two more, three where the data are bad."""
    lines = [Text(f"  {harmless(alert.message)}", overflow="fold")]
    if alert.cause is Cause.BAD_DATA and alert.cause_detail:
        lines.append(Text(f"  bad data: {harmless(alert.cause_detail)}", style="magenta", overflow="fold"))
    return Group(_headline(alert), *lines, *_reasons(alert))


class Terminal:
    """The terminal as a destination: what was printed is delivered."""

    name = "terminal"

    def __init__(self, console: Console) -> None:
        self._console = console

    def deliver(self, alert: Alert, body: bytes) -> Delivery:
        """Print one alert."""
        self._console.print(rendered(alert))
        return DELIVERED


def _headline(alert: Alert) -> Text:
    is_over = alert.status is AlertStatus.RESOLVED
    style = "green" if is_over else _STYLES[alert.severity]
    line = Text(overflow="fold")
    line.append(f"{_MARKS[alert.status]} {alert.severity.value.upper():8}", style=style)
    line.append(f" {harmless(alert.stream)}", style="bold")
    line.append(f"  {_subject(alert)}", style="bold")
    line.append(f"  {_moment(alert.last_ms)}")
    what = [alert.status.value]
    if alert.events:
        what.append(f"{alert.events:,} event{'s' if alert.events > 1 else ''}")
    if alert.cause is not Cause.UNKNOWN:
        what.append(alert.cause.value.replace("_", " "))
    if alert.shadow:
        what.append("shadow")
    line.append(f"  {', '.join(what)}  {harmless(alert.id[:SHORT_ID_LENGTH])}", style="dim")
    return line


def _subject(alert: Alert) -> str:
    """What the alert is about, in a word or two."""
    if alert.kind is AlertKind.ANOMALY:
        return harmless(_cut(alert.key)) if alert.key is not None else f"partition {alert.partition}"
    if alert.kind is AlertKind.STORM:
        return f"storm of {alert.keys:,} keys"
    return "silence" if alert.kind is AlertKind.SILENCE else f"rejects, partition {alert.partition}"


def _reasons(alert: Alert) -> list[Table]:
    """A grid of the reasons; none for an alert that is over, whose reasons were shown when it was not."""
    if not alert.reasons or alert.status is AlertStatus.RESOLVED:
        return []
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=2)
    grid.add_column(no_wrap=True, min_width=BAR_CELLS + NATS_CELLS)
    names = [harmless(_cut(reason.column)) for reason in alert.reasons]
    grid.add_column(no_wrap=True, min_width=min(VALUE_CELLS, max(map(cell_len, names))))
    grid.add_column(overflow="fold")
    most = max(reason.contribution_nats for reason in alert.reasons)
    for name, reason in zip(names, alert.reasons, strict=True):
        values = Text(harmless(_cut(value_text(reason.actual)) + (f" ({reason.note})" if reason.note else "")))
        values.append(f"  {_expected(reason)}", style="dim")
        grid.add_row("", _bar(reason.contribution_nats, most), Text(name, style="bold"), values)
    return [grid]


def _expected(reason: Reason) -> str:
    text = f"expected {_cut(value_text(reason.expected))}" if reason.expected is not None else ""
    if reason.low is not None and reason.high is not None:
        text += f" ({number_text(reason.low)}–{number_text(reason.high)})"
    return harmless(text.strip())


def _bar(nats: float, most: float) -> Text:
    """A bar of the reason's share of the largest contribution, and its nats."""
    filled = round(BAR_CELLS * max(0.0, nats) / most) if most > 0 else 0
    bar = Text("█" * filled, style="red")
    bar.append("░" * (BAR_CELLS - filled), style="dim")
    bar.append(f" {nats:.1f} nats", style="dim")
    return bar


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _cut(text: str) -> str:
    return text if cell_len(text) <= VALUE_CELLS else set_cell_size(text, VALUE_CELLS - 1) + "…"


def _steers(character: str) -> bool:
    code = ord(character)
    return code < 0x20 or 0x7F <= code < 0xA0 or character in _DIRECTION_MARKS or character in "\u2028\u2029"


def _written_out(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
