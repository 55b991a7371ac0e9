"""From a spec to a running notifier."""

import io
import threading

import pytest
from rich.console import Console

from pipeline.alerts.model import Severity
from pipeline.alerts.notify.deliver import NotifierState
from pipeline.alerts.notify.heartbeat import NotifierBeat
from pipeline.alerts.notify.service import destination_for, notifier_for
from pipeline.catalogue import Catalogue
from pipeline.clock import ManualClock
from pipeline.config import StreamSpec, environment_secret
from pipeline.errors import ConfigError
from tests.alerts.notify.builders import SECRET, SPEC, hook, make_alert, make_broker

WITH_HOOK: StreamSpec = SPEC.model_copy(
    update={"notify": (hook(1, secret_env="ON_CALL_SECRET", minimum_severity="warning"),)}
)


def test_a_destination_is_found_by_name_with_its_secret_and_severity() -> None:
    asked: list[str] = []

    def read_secret(variable: str) -> bytes:
        asked.append(variable)
        return SECRET

    console = Console(file=io.StringIO())
    target, minimum = destination_for(
        WITH_HOOK, "on-call", clock=ManualClock(), console=console, read_secret=read_secret
    )
    assert (target.name, minimum, asked) == ("on-call", Severity.WARNING, ["ON_CALL_SECRET"])
    with pytest.raises(ConfigError, match="terminal, on-call"):
        destination_for(WITH_HOOK, "pager", clock=ManualClock(), console=console, read_secret=read_secret)


def test_a_secret_that_is_not_set_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ON_CALL_SECRET", "x")
    assert environment_secret("ON_CALL_SECRET") == b"x"
    monkeypatch.setenv("ON_CALL_SECRET", "")
    with pytest.raises(ConfigError, match="ON_CALL_SECRET"):
        environment_secret("ON_CALL_SECRET")


def test_a_notifier_delivers_beats_and_leaves_no_row_behind_when_stopped() -> None:
    stop, rows = threading.Event(), list[NotifierState]()
    console = Console(file=io.StringIO(), width=140)
    catalogue = Catalogue.open("sqlite://")

    class StopWhenDelivered(ManualClock):
        def monotonic(self) -> float:
            workers = catalogue.workers()
            if workers and workers[0].state["delivered"] == 2:
                rows.append(NotifierState(**workers[0].state))
                stop.set()
            self.advance(1.0)
            return super().monotonic()

    service = notifier_for(
        SPEC,
        "terminal",
        broker=make_broker([make_alert(1), make_alert(2)]),
        catalogue=catalogue,
        instance="host-a",
        clock=StopWhenDelivered(),
        console=console,
        read_secret=environment_secret,
    )
    service.run(stop)
    assert rows[0].destination == "terminal"
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("payments") == 2
    assert catalogue.workers() == []
    catalogue.close()


def test_beats_are_written_every_few_seconds_not_every_poll() -> None:
    catalogue, clock = Catalogue.open("sqlite://"), ManualClock()
    beat = NotifierBeat(catalogue, stream="payments", destination="on-call", instance="a", clock=clock)
    state = NotifierState(destination="on-call")
    beat(state)
    state.delivered = 7
    beat(state)
    assert [w.state["delivered"] for w in catalogue.workers()] == [0]
    clock.advance(6)
    beat(state)
    assert [(w.role, w.stream, w.state["delivered"]) for w in catalogue.workers()] == [("notify", "payments", 7)]
    catalogue.close()
