"""Several destinations in one process: one that is down stalls only itself, and metrics and health say which."""

import io
import json
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest
from rich.console import Console

from pipeline.alerts.notify.process import run_notifiers
from pipeline.alerts.notify.service import NotifierService, notifier_for
from pipeline.catalogue import Catalogue
from pipeline.clock import SystemClock
from pipeline.config import MetricsSettings, ServicePorts, StreamSpec, environment_secret
from pipeline.errors import ConfigError
from tests.alerts.notify.builders import SPEC, hook, make_alert, make_broker
from tests.alerts.notify.receiver import Script, free_port, receiving
from tests.fakes import MemoryBroker


def services(spec: StreamSpec, broker: MemoryBroker, catalogue: Catalogue) -> list[tuple[str, NotifierService]]:
    return [
        (
            spec.stream,
            notifier_for(
                spec,
                destination.name,
                broker=broker,
                catalogue=catalogue,
                instance="host-a",
                clock=SystemClock(),
                console=Console(file=io.StringIO()),
                read_secret=environment_secret,
            ),
        )
        for destination in spec.notify
    ]


def answer(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_one_destination_that_is_down_stalls_only_itself_and_is_named() -> None:
    broker, stop, port = make_broker([make_alert(1), make_alert(2)]), threading.Event(), free_port()
    settings = MetricsSettings(port=port - ServicePorts.NOTIFY)
    catalogue = Catalogue.open("sqlite://")
    with receiving(Script()) as up, receiving(Script(answer=lambda number: 500)) as down:
        spec = SPEC.model_copy(update={"notify": (hook(up.port, name="up"), hook(down.port, name="down"))})
        made = services(spec, broker, catalogue)
        ran = threading.Thread(target=run_notifiers, args=(made,), kwargs={"metrics": settings, "stop": stop})
        ran.start()
        states = [service.notifier.state for _, service in made]
        deadline = time.monotonic() + 60
        while not (states[0].delivered == 2 and states[1].failures) and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        _, text = answer(port, "/metrics")
        assert 'eddyline_deliveries_total{destination="up",result="ok",stream="payments"} 2.0' in text
        assert 'eddyline_deliveries_total{destination="down",result="ok",stream="payments"} 0.0' in text
        assert 'eddyline_destination_failing{destination="down",stream="payments"} 1.0' in text
        assert 'eddyline_alerts_waiting{destination="down",stream="payments"} 2.0' in text
        assert answer(port, "/healthz")[0] == 200
        status, text = answer(port, "/readyz")
        assert (status, list(json.loads(text)["reasons"])) == (503, ["payments/down"])
        stop.set()
        ran.join(60)
    assert catalogue.workers() == []
    catalogue.close()


def test_a_taken_port_is_said_before_anything_is_delivered() -> None:
    broker, port, catalogue = make_broker([make_alert(1)]), free_port(), Catalogue.open("sqlite://")
    with receiving(script := Script()) as up, socket.socket() as held:
        held.bind(("127.0.0.1", port))
        held.listen()
        made = services(SPEC.model_copy(update={"notify": (hook(up.port),)}), broker, catalogue)
        settings = MetricsSettings(port=port - ServicePorts.NOTIFY)
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}.*metrics.port"):
            run_notifiers(made, metrics=settings, stop=threading.Event())
    assert not script.received
    catalogue.close()
