"""What people see, and what no event can make their terminal do."""

import io
import json
from dataclasses import replace

from rich.console import Console

from detectors.base import Reason
from pipeline.alerts.model import Alert, AlertKind, AlertStatus, Severity
from pipeline.alerts.notify.printer import Printer
from pipeline.alerts.notify.terminal import Terminal
from pipeline.alerts.wire import encode_alert
from tests.alerts.notify.builders import make_alert

STEERING = "\x1b[2J\x9b31m\r\b\u202e[red]x[/red]\n"


def shown(*alerts: Alert, is_json: bool = False, limit: int = 50, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    Printer(console, is_json=is_json).history(alerts, limit=limit, is_following=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_an_alert_shows_what_when_how_bad_and_why() -> None:
    country = Reason(column="country", contribution_nats=5.0, actual="BR", expected="SE", note="never seen in training")
    alert = make_alert(1, severity=Severity.CRITICAL, started_ms=0, last_ms=1_772_000_000_000)
    text = shown(replace(alert, reasons=(*alert.reasons, country)))
    lines = [line.rstrip() for line in text.splitlines()]
    assert len(lines) == 4
    for part in ("CRITICAL", "payments", "ada", "2026-02-25 06:13:20 UTC", "open", "1 event", alert.id[:10]):
        assert part in lines[0]
    assert lines[1].strip() == alert.message == "amount is 500, expected about 40 (10 to 90)"
    for part in ("amount", "500", "expected 40 (10–90)", "████████ 20.0 nats"):
        assert part in lines[2]
    for part in ("country", "BR (never seen in training)", "expected SE", "██░░░░░░ 5.0 nats"):
        assert part in lines[3]


def test_no_value_of_an_event_steers_the_terminal() -> None:
    alert = make_alert(
        1,
        key=STEERING,
        message=STEERING,
        reasons=(Reason(column=STEERING, contribution_nats=1.0, actual=STEERING, expected=STEERING, note=STEERING),),
    )
    for is_json in (False, True):
        text = shown(alert, is_json=is_json)
        assert not set(text) & set("\x1b\x9b\r\b\u202e")
        assert "[red]" in text, "markup is shown, not obeyed"


def test_json_is_one_parseable_document_a_line_as_published() -> None:
    alerts = [make_alert(1, key="Zoë\u202e" * 100), make_alert(2)]
    lines = shown(*alerts, is_json=True, width=20).splitlines()
    assert [json.loads(line) for line in lines] == [json.loads(encode_alert(a)) for a in alerts]


def test_kinds_without_reasons_and_odd_contributions_are_shown_too() -> None:
    silence = make_alert(1, kind=AlertKind.SILENCE, events=0, reasons=(), key=None, message="nothing has arrived")
    storm = make_alert(2, kind=AlertKind.STORM, keys=1234, key=None, status=AlertStatus.RESOLVED)
    negative = make_alert(
        3, reasons=(Reason(column="amount", contribution_nats=-1.0, actual=None, expected=True, low=None, high=None),)
    )
    text = shown(silence, storm, negative)
    assert "silence" in text
    assert "storm of 1,234 keys" in text
    assert "missing" in text


def test_only_the_newest_are_shown_and_the_rest_are_counted() -> None:
    text = shown(*[make_alert(n, key=f"key{n}") for n in range(5)], limit=2)
    assert "key4" in text
    assert "key2" not in text
    assert "3 earlier alerts not shown" in text
    assert "No alerts" in shown()


def test_the_terminal_is_a_destination_that_always_has_it() -> None:
    console = Console(file=io.StringIO(), width=140)
    assert Terminal(console).deliver(make_alert(1), b"").outcome == "delivered"
