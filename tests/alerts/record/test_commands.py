"""`eddyline record` and `eddyline alerts --recorded`, as they are typed."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from pipeline import logs
from pipeline.alerts.model import Cause
from pipeline.alerts.record.entry import entry_of
from pipeline.alerts.wire import encode_alert
from pipeline.catalogue import Catalogue, FeedbackEntry
from pipeline.commands import alerts, record, stopping
from pipeline.commands import context as context_module
from pipeline.commands.context import Context
from pipeline.config import MetricsSettings, Settings
from pipeline.errors import ConfigError
from tests.alerts.notify.builders import SPEC, make_alert, make_broker

ALERTS = [
    make_alert(1, published_ms=1_700_000_000_000),
    make_alert(2, published_ms=1_800_000_000_000, cause=Cause.BAD_DATA),
]


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Catalogue]:
    """A catalogue, and beside it a cluster with two alerts, which every command of the test reaches."""
    url = f"sqlite:///{tmp_path}/eddyline.db"
    memory = make_broker(ALERTS)
    context = Context(settings=Settings(metrics=MetricsSettings(port=0), catalogue=url), specs={SPEC.stream: SPEC})
    monkeypatch.setattr(context_module, "load", lambda config=None: context)
    monkeypatch.setattr(logs, "configure_logs", lambda **settings: None)  # it would outlive the runner's stderr
    monkeypatch.setattr(Context, "broker", lambda self: memory)
    opened = Catalogue.open(url)
    yield opened
    opened.close()


def typed(*arguments: str) -> Result:
    app = typer.Typer()
    alerts.register(app)
    record.register(app)
    return CliRunner().invoke(app, list(arguments))


def test_recorded_alerts_are_listed_with_what_people_said(catalogue: Catalogue) -> None:
    catalogue.record_alerts([entry_of(encode_alert(alert)) for alert in ALERTS], {}, "recorder")
    said = FeedbackEntry(
        alert_id=ALERTS[0].id, stream=SPEC.stream, verdict="false_positive", user="ada", note="a \x1b[2Jtest",
        given_ms=1, alert={},
    )  # fmt: skip
    catalogue.add_feedback(said)
    shown = typed("alerts", "payments", "--recorded")
    assert shown.exit_code == 0, shown.output
    assert shown.output.index(ALERTS[0].id[:10]) < shown.output.index(ALERTS[1].id[:10])
    assert "ada said false positive: a" in shown.output
    assert "\x1b[2J" not in shown.output
    lines = [json.loads(line) for line in typed("alerts", "payments", "--recorded", "--json").output.splitlines()]
    assert lines[0] == json.loads(encode_alert(ALERTS[0])) | {
        "feedback": {"verdict": "false_positive", "user": "ada", "score": None, "note": "a \x1b[2Jtest", "given_ms": 1}
    }
    assert lines[1] == json.loads(encode_alert(ALERTS[1]))


def test_recorded_alerts_are_chosen_by_time_cause_and_number(catalogue: Catalogue) -> None:
    catalogue.record_alerts([entry_of(encode_alert(alert)) for alert in ALERTS], {}, "recorder")
    for options in (["--cause", "bad_data"], ["--since", "2025-01-01T00:00:00Z"], ["--limit", "1"]):
        output = typed("alerts", "payments", "--recorded", "--json", *options).output
        assert [json.loads(line)["id"] for line in output.splitlines()] == [ALERTS[1].id], options
    assert "eddyline record" in typed("alerts", "payments", "--recorded", "--cause", "odd_behaviour").output


@pytest.mark.parametrize("wrong", [["--cause", "bad_data"], ["--recorded", "--cause", "moon"], ["--recorded", "-f"]])
def test_options_that_do_not_go_together_are_said(catalogue: Catalogue, wrong: list[str]) -> None:
    assert isinstance(typed("alerts", "payments", *wrong).exception, ConfigError)


def test_recording_until_told_to_stop_leaves_no_heartbeat(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopOnceRecorded(threading.Event):
        """Set by the second alert, as SIGTERM would."""

        def wait(self, timeout: float | None = None) -> bool:
            if len(catalogue.alerts()) == 2:
                self.set()
            return super().wait(timeout)

    @contextmanager
    def stop_on_signal() -> Iterator[threading.Event]:
        yield StopOnceRecorded()

    monkeypatch.setattr(stopping, "stop_on_signal", stop_on_signal)
    result = typed("record")
    assert result.exit_code == 0, result.exception
    assert {entry.alert_id for entry in catalogue.alerts()} == {alert.id for alert in ALERTS}
    assert catalogue.workers() == []


def test_metrics_say_how_far_it_is() -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    from pipeline.alerts.record.metrics import RecordCollector
    from pipeline.alerts.record.recorder import RecorderState

    registry = CollectorRegistry()
    state = RecorderState(recorded=5, unreadable=1, lost=2, behind=7, failing_since_ms=1)
    registry.register(RecordCollector({"payments": state}))
    text = generate_latest(registry).decode()
    for line in (
        'eddyline_alerts_recorded_total{stream="payments"} 5.0',
        'eddyline_alerts_not_recorded_total{stream="payments"} 1.0',
        'eddyline_alerts_lost_unrecorded_total{stream="payments"} 2.0',
        'eddyline_alerts_behind{stream="payments"} 7.0',
        'eddyline_recorder_failing{stream="payments"} 1.0',
    ):
        assert line in text
