"""Several notifiers in one process: a thread each, so that a destination that is down stalls only itself; metrics and
health for all of them."""

import threading
from collections.abc import Sequence

import structlog

from pipeline.alerts.notify.metrics import NotifyCollector
from pipeline.alerts.notify.service import NotifierService
from pipeline.config import MetricsSettings, ServicePorts
from pipeline.errors import EddylineError
from pipeline.service_threads import run_threads, serve_health

log = structlog.get_logger(__name__)


class NotifierThread(threading.Thread):
    """One notifier on its own thread. `failure` says why it ended before it was told to."""

    def __init__(self, stream: str, service: NotifierService, stop: threading.Event) -> None:
        self.state = service.notifier.state
        super().__init__(name=f"eddyline-notify-{stream}-{self.state.destination}", daemon=True)
        self.failure: EddylineError | None = None
        self.stream, self.label = stream, f"{stream}/{self.state.destination}"
        self._service, self._stop_event = service, stop

    def run(self) -> None:
        """Deliver until stopped."""
        try:
            self._service.run(self._stop_event)
        except EddylineError as error:
            self.failure = error
            log.error("notifier_ended", stream=self.stream, destination=self.state.destination, reason=str(error))

    def unready(self) -> str:
        """Why nothing is delivered now; empty where all is well."""
        if not self.state.joined:
            return "no partitions yet: joining its group, or a spare"
        return self.state.last_error if self.state.failing_since_ms is not None else ""


def run_notifiers(
    services: Sequence[tuple[str, NotifierService]],
    *,
    metrics: MetricsSettings,
    stop: threading.Event,
    slot: int = 0,
) -> None:
    """Run notifiers, each with its stream's name, until `stop` is set.

    When one fails the others are stopped in order and its error is raised, for a supervisor to see. Raises
    EddylineError; ConfigError where the port of metrics and health is taken.
    """
    threads = [NotifierThread(stream, service, stop) for stream, service in services]
    collector = NotifyCollector([(thread.stream, thread.state) for thread in threads])
    health = serve_health(metrics, threads, service=ServicePorts.NOTIFY, slot=slot, collector=collector)
    run_threads(threads, health, stop)
