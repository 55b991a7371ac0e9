"""A service of several threads in one process: started, watched and stopped together, with metrics and health for all.

One thread works for one stream or destination, so that what is away for one stalls only that.
"""

import threading
from collections.abc import Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from pipeline.config import MetricsSettings, ServicePorts
from pipeline.errors import EddylineError
from pipeline.health import HealthServer

WATCH_SECONDS = 0.2


class ServiceThread(Protocol):
    """A thread of a service. `failure` says why it ended before it was told to."""

    failure: EddylineError | None
    label: str
    """What health calls it."""

    def start(self) -> None:
        """Begin."""

    def is_alive(self) -> bool:
        """Whether it works."""

    def join(self) -> None:
        """Wait for its end."""

    def unready(self) -> str:
        """Why nothing is done now; empty where all is well."""


def run_threads(threads: Sequence[ServiceThread], health: HealthServer, stop: threading.Event) -> None:
    """Work until `stop` is set. When one thread fails the others are stopped in order and its error is raised."""
    for thread in threads:
        thread.start()
    while not stop.wait(WATCH_SECONDS):
        if not all(thread.is_alive() for thread in threads):
            stop.set()
    for thread in threads:
        thread.join()
    health.close()
    for thread in threads:
        if thread.failure is not None:
            raise thread.failure


def serve_health(
    settings: MetricsSettings,
    threads: Sequence[ServiceThread],
    *,
    service: ServicePorts,
    slot: int,
    collector: Collector,
) -> HealthServer:
    """Metrics, and whether every thread does its work. Raises ConfigError where the port is taken."""
    registry = CollectorRegistry()
    registry.register(collector)

    def alive() -> dict[str, str]:
        return {thread.label: str(thread.failure) for thread in threads if thread.failure is not None}

    def ready() -> dict[str, str]:
        return {thread.label: why for thread in threads if (why := thread.unready())} | alive()

    port = settings.port_of(service, slot)
    return HealthServer(host=settings.host, port=port, registry=registry, alive=alive, ready=ready)
