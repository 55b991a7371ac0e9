"""Several streams' canaries in one process: a thread each; heartbeats, metrics and health for all of them."""

import os
import socket
import threading
from collections.abc import Callable, Sequence

import structlog
from prometheus_client import CollectorRegistry

from pipeline.canaries.past import Pasts
from pipeline.canaries.plan import canary_plan
from pipeline.canaries.progress import CanaryCollector
from pipeline.canaries.reader import StretchReader
from pipeline.canaries.tally import Tally
from pipeline.canaries.worker import CanaryWorker, group_name
from pipeline.catalogue import WorkerBeat
from pipeline.clock import SystemClock
from pipeline.commands.context import Context
from pipeline.config import ServicePorts, StreamSpec
from pipeline.errors import CatalogueUnavailableError, ConfigError
from pipeline.health import HealthServer
from pipeline.scoring.champion import ChampionWatch
from pipeline.state.fitting import check_fits

log = structlog.get_logger()

WATCH_SECONDS = 0.2
BEAT_SECONDS = 5.0
ROLE = "canaries"


class CanariesProcess:
    """Everything the service runs."""

    def __init__(self, context: Context, specs: Sequence[StreamSpec], *, stop: threading.Event, slot: int = 0) -> None:
        """Raises ConfigError for a stream that can have no canaries, or whose topic is not there yet."""
        import torch

        torch.set_num_threads(1)  # its share of a core is bounded; the scorers need the others
        self._context, self._clock, self._stop, self._slot = context, SystemClock(), stop, slot
        self._started_ms = self._clock.now_ms()
        self._catalogue = context.catalogue()
        self._champions = ChampionWatch(
            [spec.stream for spec in specs],
            self._catalogue,
            context.model_store(),
            check=lambda stream, bundle: check_fits(bundle, context.specs[stream]),
        )
        self.workers = [self._worker(spec) for spec in specs]
        self._away = False
        registry = CollectorRegistry()
        registry.register(CanaryCollector([worker.progress for worker in self.workers]))
        metrics = context.settings.metrics
        self._health = HealthServer(
            host=metrics.host,
            port=metrics.port_of(ServicePorts.CANARIES, slot),
            registry=registry,
            alive=self._dead,
            ready=self._unready,
        )

    def _worker(self, spec: StreamSpec) -> CanaryWorker:
        plan = canary_plan(spec, self._context.stated_spec(spec.stream))
        if plan.left_out:
            log.warning("some canaries are left out", stream=spec.stream, left_out=plan.left_out)
        broker = self._context.broker()
        admin = broker.admin()
        try:
            topic = admin.describe([spec.topic]).get(spec.topic)
        finally:
            admin.close()
        if topic is None:
            raise ConfigError(
                f"stream {spec.stream!r}: there is no topic {spec.topic!r} yet: run `eddyline topics create`"
            )
        return CanaryWorker(
            spec,
            plan,
            reader=StretchReader(spec, broker.source(group=group_name(spec.stream)), self._clock),
            partitions=topic.partitions,
            champions=self._champions,
            pasts=Pasts.of(spec, self._context.lake()),
            tally=Tally(spec.stream, self._catalogue, self._clock),
            clock=self._clock,
            stop=self._stop,
        )

    def _dead(self) -> dict[str, str]:
        return {w.spec.stream: str(w.failure) for w in self.workers if w.failure is not None}

    def _unready(self) -> dict[str, str]:
        return {w.spec.stream: why for w in self.workers if (why := w.progress.unready)} | self._dead()

    def run(self) -> None:
        """Until stopped, or until a stream fails, whose error is raised."""
        self._champions.check()
        self._champions.start()
        for worker in self.workers:
            worker.start()
        next_beat = 0.0
        while not self._stop.wait(WATCH_SECONDS):
            if any(worker.failure is not None for worker in self.workers):
                self._stop.set()
            if self._clock.monotonic() >= next_beat:
                next_beat = self._clock.monotonic() + BEAT_SECONDS
                self._try(self._beat)
        self._close()
        for worker in self.workers:
            if worker.failure is not None:
                raise worker.failure

    def _close(self) -> None:
        for worker in self.workers:
            worker.join()
        self._champions.stop()
        failed = any(worker.failure is not None for worker in self.workers)
        self._try(self._beat if failed else self._forget)
        self._health.close()

    def _beat(self) -> None:
        for worker in self.workers:
            error = self._champions.errors.get(worker.spec.stream)
            state = worker.progress.document()
            self._catalogue.heartbeat(
                WorkerBeat(
                    worker_id=self._worker_id(worker),
                    role=ROLE,
                    stream=worker.spec.stream,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    slot=self._slot,
                    started_ms=self._started_ms,
                    seen_ms=self._clock.now_ms(),
                    state={**state, "last_error": state["last_error"] or error},
                )
            )

    def _forget(self) -> None:
        for worker in self.workers:
            self._catalogue.remove_worker(self._worker_id(worker))

    def _worker_id(self, worker: CanaryWorker) -> str:
        return f"{group_name(worker.spec.stream)}.{self._context.instance}.{self._slot}"

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
            self._away = False
        except CatalogueUnavailableError as error:
            if not self._away:
                log.warning("heartbeat not written", error=str(error))
            self._away = True
