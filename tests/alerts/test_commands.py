"""`eddyline alerts` and `eddyline notify`, as they are typed."""

import json
import os
import signal

import pytest
import typer
from typer.testing import CliRunner, Result

from pipeline import logs
from pipeline.alerts.wire import encode_alert
from pipeline.catalogue import Catalogue
from pipeline.commands import alerts, notify
from pipeline.commands import context as context_module
from pipeline.commands.context import Context
from pipeline.config import Settings
from pipeline.errors import ConfigError
from tests.alerts.notify.builders import SPEC, committed, make_alert, make_broker
from tests.fakes import MemoryBroker

ALERTS = [make_alert(1, published_ms=1_700_000_000_000), make_alert(2, published_ms=1_800_000_000_000)]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> MemoryBroker:
    """A cluster with two alerts, which every command of the test reaches."""
    memory = make_broker(ALERTS)
    context = Context(settings=Settings(), specs={SPEC.stream: SPEC})
    monkeypatch.setattr(context_module, "load", lambda config=None: context)
    monkeypatch.setattr(logs, "configure_logs", lambda **settings: None)  # it would outlive the runner's stderr
    monkeypatch.setattr(Context, "broker", lambda self: memory)
    monkeypatch.setattr(Context, "catalogue", lambda self: Catalogue.open("sqlite://"))
    return memory


def typed(*arguments: str) -> Result:
    app = typer.Typer()
    alerts.register(app)
    notify.register(app)
    return CliRunner().invoke(app, list(arguments))


def test_alerts_are_shown_newest_last(broker: MemoryBroker) -> None:
    result = typed("alerts", "payments")
    assert result.exit_code == 0, result.output
    assert result.output.index(ALERTS[0].id[:10]) < result.output.index(ALERTS[1].id[:10])


def test_json_since_a_moment_can_be_read_by_a_program(broker: MemoryBroker) -> None:
    result = typed("alerts", "payments", "--json", "--since", "2025-01-01T00:00:00Z")
    assert [json.loads(line) for line in result.output.splitlines()] == [json.loads(encode_alert(ALERTS[1]))]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("alerts", "nothing"), "payments"),
        (("alerts", "payments", "--since", "yesterday"), "24h"),
        (("notify", "nothing", "terminal"), "payments"),
        (("notify", "payments", "pager"), "terminal"),
    ],
)
def test_mistakes_end_with_what_to_do_next(broker: MemoryBroker, arguments: tuple[str, ...], hint: str) -> None:
    result = typed(*arguments)
    assert isinstance(result.exception, ConfigError)
    assert hint in str(result.exception)


def test_notify_prints_commits_and_stops_when_told(broker: MemoryBroker) -> None:
    broker.on_commit = lambda stage: (
        os.kill(os.getpid(), signal.SIGTERM) if stage == "after" and committed(broker, "terminal") == 2 else None
    )
    result = typed("notify", "payments", "terminal")
    assert result.exit_code == 0, result.output
    assert all(alert.id[:10] in result.output for alert in ALERTS)


@pytest.mark.parametrize("command", ["alerts", "notify"])
def test_help_shows_an_example(command: str) -> None:
    assert f"Example: eddyline {command} payments" in typed(command, "--help").output
