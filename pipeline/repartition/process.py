"""One worker process of the repartition step: a thread a hop, heartbeats, metrics and health.

Exit status as of scoring workers: 0 stopped, 1 failed (restart), 2 wrong settings, 3 fenced (neither is restarted).
"""

import argparse
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from pipeline.catalogue import WorkerBeat
from pipeline.clock import SystemClock
from pipeline.commands.context import Context, load
from pipeline.config import Delivery, ServicePorts, StreamSpec
from pipeline.errors import CatalogueUnavailableError, ConfigError, EddylineError, FencedError
from pipeline.health import HealthServer
from pipeline.logs import configure_logs
from pipeline.repartition.hop_worker import HopWorker
from pipeline.repartition.plan import Hop, hops_of
from pipeline.repartition.progress import RepartitionCollector
from pipeline.repartition.topics import ensure_step_topics
from pipeline.scoring.ledger import CrashLedger
from pipeline.scoring.names import Identity
from pipeline.scoring.supervisor import EXIT_CONFIG, EXIT_FENCED
from pipeline.state.keeper import StateKeeper

log = structlog.get_logger()

WATCH_SECONDS = 0.2
BEAT_SECONDS = 2.0
SWITCH_INTERVAL_SECONDS = 0.001
ROLE = "repartition"
PRELOADED = (
    "detectors.context.enrichment",
    "pipeline.kafka.kafka_python",
    "pipeline.catalogue.catalogue",
    "pipeline.repartition.process",
    "sqlalchemy.dialects.sqlite",
)


class RepartitionProcess:
    """Everything one worker process runs."""

    def __init__(
        self, context: Context, streams: Sequence[str], *, slot: int = 0, accept_rejects: bool = False
    ) -> None:
        """Raises ConfigError for a stream without a step, delivery without transactions, a port that is taken."""
        if context.settings.kafka.delivery is not Delivery.EXACTLY_ONCE:
            raise ConfigError(
                "a repartition step needs transactions, else a crash would count events twice: set `kafka.delivery: "
                "exactly_once`, or leave `repartition` out of the contexts"
            )
        self._context, self._accept_rejects = context, accept_rejects
        self._clock = SystemClock()
        self._started_ms = self._clock.now_ms()
        self._identity = Identity(instance=context.instance, slot=slot)
        self.workers = [self._worker(spec, hop) for spec in map(context.stated_spec, streams) for hop in hops_of(spec)]
        self._catalogue = context.catalogue()
        self._away = False
        registry = CollectorRegistry()
        registry.register(RepartitionCollector([worker.progress for worker in self.workers]))
        metrics = context.settings.metrics
        self._health = HealthServer(
            host=metrics.host,
            port=metrics.port_of(ServicePorts.REPARTITION, slot),
            registry=registry,
            alive=self._dead,
            ready=self._unready,
        )

    def _worker(self, spec: StreamSpec, hop: Hop) -> HopWorker:
        context, settings = self._context, self._context.settings
        broker = context.broker()
        name = f"{hop.group}-{self._identity.instance}-{self._identity.slot}.json"

        def ensure_topics() -> None:
            ensure_step_topics(spec, broker, replication_factor=settings.kafka.replication_factor)

        return HopWorker(
            hop,
            identity=self._identity,
            broker=broker,
            clock=self._clock,
            ledger=CrashLedger(Path(settings.lake) / "metadata" / "workers" / name),
            keeper=StateKeeper.of(hop.reads, context.lake(), broker=broker, clock=self._clock),
            ensure_topics=ensure_topics,
            accept_rejects=self._accept_rejects,
        )

    def _dead(self) -> dict[str, str]:
        return {_name(worker): str(worker.failure) for worker in self.workers if worker.failure is not None}

    def _unready(self) -> dict[str, str]:
        return {_name(worker): why for worker in self.workers if (why := worker.progress.unready)} | self._dead()

    def run(self, stop: threading.Event) -> int:
        """Until stopped, orphaned, or until a hop fails. Returns the exit status."""
        parent = os.getppid()
        for worker in self.workers:
            worker.start()
        next_beat = 0.0
        while not stop.wait(WATCH_SECONDS):
            if os.getppid() != parent:
                log.error("the supervisor is gone: stopping")
                break
            if any(worker.failure is not None for worker in self.workers):
                break
            if self._clock.monotonic() >= next_beat:
                next_beat = self._clock.monotonic() + BEAT_SECONDS
                self._try(self._beat)
        return self.close()

    def close(self) -> int:
        """Finish the batches under way and stop. Returns the exit status."""
        for worker in self.workers:
            worker.stop()
        for worker in self.workers:
            worker.join()
        failed = any(worker.failure is not None for worker in self.workers)
        self._try(self._beat if failed else self._forget)
        self._health.close()
        return max((_status(worker.failure) for worker in self.workers), default=0)

    def _beat(self) -> None:
        for worker in self.workers:
            self._catalogue.heartbeat(
                WorkerBeat(
                    worker_id=worker.slot,
                    role=ROLE,
                    stream=worker.hop.reads.stream,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    slot=self._identity.slot,
                    started_ms=self._started_ms,
                    seen_ms=self._clock.now_ms(),
                    state=worker.progress.document(),
                )
            )

    def _forget(self) -> None:
        for worker in self.workers:
            self._catalogue.remove_worker(worker.slot)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
            self._away = False
        except CatalogueUnavailableError as error:
            if not self._away:
                log.warning("heartbeat not written", error=str(error))
            self._away = True


def _name(worker: HopWorker) -> str:
    return f"{worker.hop.reads.stream} {worker.hop.name}"


def _status(failure: Exception | None) -> int:
    if failure is None:
        return 0
    if isinstance(failure, FencedError):
        return EXIT_FENCED
    return EXIT_CONFIG if isinstance(failure, ConfigError) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one worker slot until SIGTERM."""
    parser = argparse.ArgumentParser(description="One repartition worker; `eddyline repartition` starts these.")
    parser.add_argument("streams", nargs="+")
    parser.add_argument("--config", type=Path, default=None)
    parser.add_argument("--slot", type=int, default=0)
    parser.add_argument("--accept-rejects", action="store_true")
    options = parser.parse_args(arguments)
    configure_logs()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        process = RepartitionProcess(
            load(options.config), options.streams, slot=options.slot, accept_rejects=options.accept_rejects
        )
        return process.run(stop)
    except EddylineError as error:
        log.error("worker could not run", error=str(error), kind=type(error).__name__)
        return _status(error)


def run_worker(arguments: Sequence[str]) -> None:
    """What a forked worker process runs."""
    sys.exit(main(arguments))
