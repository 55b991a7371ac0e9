"""Alerts and notifiers for the tests of delivery."""

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipeline.alerts.model import Alert, Severity
from pipeline.alerts.notify.backoff import Backoff
from pipeline.alerts.notify.deliver import Notifier, NotifierState, group_name
from pipeline.alerts.notify.destination import Destination
from pipeline.alerts.wire import encode_alert
from pipeline.clock import ManualClock
from pipeline.config import StreamSpec, WebhookSpec
from pipeline.kafka.port import OutRecord, TopicPartition
from tests.alerts.builders import make_engine, make_spec, observe, row
from tests.fakes import MemoryBroker

SPEC: StreamSpec = make_spec()
SECRET = b"correct horse"


def make_alert(number: int = 1, **changes: Any) -> Alert:
    (alert,) = observe(make_engine(SPEC), [row(number, 0)]).alerts
    return replace(alert, **changes)


def make_broker(alerts: list[Alert], *, partitions: int = 1) -> MemoryBroker:
    broker = MemoryBroker()
    broker.add_topic(SPEC.alerts_topic, partitions)
    for number, alert in enumerate(alerts):
        append(broker, encode_alert(alert), partition=number % partitions)
    return broker


def append(broker: MemoryBroker, value: bytes | None, *, partition: int = 0) -> None:
    broker.append(OutRecord(SPEC.alerts_topic, value, partition=partition))


class Driver:
    """Lets a notifier's waits pass at once, and stops it, as SIGTERM does, once something holds."""

    def __init__(self, clock: ManualClock, is_done: Callable[[], bool], *, steps: int = 300) -> None:
        self._clock, self._is_done, self._steps = clock, is_done, steps
        self.stop = threading.Event()
        self.waited: list[float] = []

    def wait(self, seconds: float) -> bool:
        self._clock.advance(seconds)
        self.waited.append(seconds)
        return self.stop.is_set()

    def beat(self, state: NotifierState) -> None:
        self._steps -= 1
        assert self._steps > 0, f"the notifier did not get there: {state}"
        if self._is_done():
            self.stop.set()


def deliver(
    broker: MemoryBroker,
    destination: Destination,
    is_done: Callable[[], bool],
    *,
    minimum_severity: Severity = Severity.INFO,
    clock: ManualClock | None = None,
) -> NotifierState:
    """Run one notifier process from its start until something holds, or until it dies."""
    clock = clock or ManualClock()
    driver = Driver(clock, is_done)
    notifier = Notifier(
        SPEC,
        destination,
        broker.source(group=group_name(SPEC.stream, destination.name)),
        minimum_severity=minimum_severity,
        backoff=Backoff(random.Random(1)),
        clock=clock,
        beat=driver.beat,
    )
    notifier.run(driver.stop, wait=driver.wait)
    return notifier.state


def committed(broker: MemoryBroker, destination: str, partition: int = 0) -> int | None:
    offsets = broker.groups[group_name(SPEC.stream, destination)].offsets
    found = offsets.get(TopicPartition(SPEC.alerts_topic, partition))
    return None if found is None else found.offset


def hook(port: int, **changes: Any) -> WebhookSpec:
    return WebhookSpec(**{"name": "on-call", "url": f"http://127.0.0.1:{port}/alerts?team=a", **changes})
