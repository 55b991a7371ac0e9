"""Puts a notifier together from a stream's spec: its destination, secret, group, heartbeat."""

import random
import threading
from collections.abc import Callable

import structlog
from rich.console import Console

from pipeline.alerts.model import Severity
from pipeline.alerts.notify.backoff import Backoff
from pipeline.alerts.notify.deliver import Notifier, group_name
from pipeline.alerts.notify.destination import Destination
from pipeline.alerts.notify.heartbeat import NotifierBeat
from pipeline.alerts.notify.terminal import Terminal
from pipeline.alerts.notify.webhook import Webhook
from pipeline.catalogue import Catalogue
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.kafka.port import Broker

log = structlog.get_logger(__name__)


class NotifierService:
    """A notifier and its heartbeat."""

    def __init__(self, notifier: Notifier, beat: NotifierBeat) -> None:
        self.notifier, self._beat = notifier, beat

    def run(self, stop: threading.Event) -> None:
        """Deliver until told to stop, then leave no heartbeat behind."""
        destination = self.notifier.state.destination
        log.info("notifier_started", destination=destination)
        self.notifier.run(stop)
        self._beat.remove()
        log.info("notifier_stopped", **self.notifier.state.document())


def notifier_for(
    spec: StreamSpec,
    destination: str,
    *,
    broker: Broker,
    catalogue: Catalogue,
    instance: str,
    clock: Clock,
    console: Console,
    read_secret: Callable[[str], bytes],
) -> NotifierService:
    """The notifier of one destination. Raises ConfigError for an unknown one, or a secret that is not set."""
    target, minimum = destination_for(spec, destination, clock=clock, console=console, read_secret=read_secret)
    beat = NotifierBeat(catalogue, stream=spec.stream, destination=destination, instance=instance, clock=clock)
    notifier = Notifier(
        spec,
        target,
        broker.source(group=group_name(spec.stream, destination)),
        minimum_severity=minimum,
        backoff=Backoff(random.Random()),  # noqa: S311 - spreads waits, keeps no secret
        clock=clock,
        beat=beat,
    )
    return NotifierService(notifier, beat)


def destination_for(
    spec: StreamSpec, name: str, *, clock: Clock, console: Console, read_secret: Callable[[str], bytes]
) -> tuple[Destination, Severity]:
    """A destination by name, and the least severity it wants."""
    if name == Terminal.name:
        return Terminal(console), Severity.INFO
    webhook = next((hook for hook in spec.notify if hook.name == name), None)
    if webhook is None:
        known = ", ".join([Terminal.name, *(hook.name for hook in spec.notify)])
        raise ConfigError(
            f"stream {spec.stream!r} has no destination {name!r}: there are {known}; add it under notify in its spec"
        )
    secret = None if webhook.secret_env is None else read_secret(webhook.secret_env)
    return Webhook(webhook, secret=secret, clock=clock), Severity(webhook.minimum_severity)
