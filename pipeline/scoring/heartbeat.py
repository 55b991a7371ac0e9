"""Tells the catalogue every two seconds what this worker is doing; `eddyline status` shows it."""

import os
import socket
import threading
from collections.abc import Callable, Sequence

import structlog

from pipeline.catalogue import Catalogue, WorkerBeat
from pipeline.clock import Clock
from pipeline.errors import CatalogueUnavailableError
from pipeline.scoring.champion import ChampionWatch
from pipeline.scoring.names import Identity, slot_name
from pipeline.scoring.stream_worker import StreamWorker

log = structlog.get_logger()

BEAT_SECONDS = 2.0


class Heartbeat(threading.Thread):
    """Beats until stopped, then removes its rows unless it failed.

    A catalogue that is away is said once and does not stop scoring.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        workers: Sequence[StreamWorker],
        champions: ChampionWatch,
        identity: Identity,
        clock: Clock,
    ) -> None:
        super().__init__(name="eddyline-heartbeat", daemon=True)
        self._catalogue = catalogue
        self._workers = workers
        self._champions = champions
        self._identity = identity
        self._clock = clock
        self._started_ms = clock.now_ms()
        self._stop_event = threading.Event()
        self._away = False

    def run(self) -> None:
        """Beat until stopped."""
        while True:
            self._try(self.beat)
            if self._stop_event.wait(BEAT_SECONDS):
                return

    def beat(self) -> None:
        """Write one row a stream."""
        for worker in self._workers:
            stream = worker.spec.stream
            self._catalogue.heartbeat(
                WorkerBeat(
                    worker_id=slot_name(stream, self._identity.instance, self._identity.slot),
                    role="score",
                    stream=stream,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    slot=self._identity.slot,
                    started_ms=self._started_ms,
                    seen_ms=self._clock.now_ms(),
                    state=worker.status.document(self._champions.current(stream), self._champions.errors.get(stream)),
                )
            )

    def _forget(self) -> None:
        for worker in self._workers:
            self._catalogue.remove_worker(slot_name(worker.spec.stream, self._identity.instance, self._identity.slot))

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
            self._away = False
        except CatalogueUnavailableError as error:
            if not self._away:
                log.warning("heartbeat not written", error=str(error))
            self._away = True

    def stop(self) -> None:
        """Stop beating. A worker that stopped on purpose leaves no row behind; one that failed leaves its reason."""
        self._stop_event.set()
        self.join()
        failed = any(worker.failure is not None for worker in self._workers)
        self._try(self.beat if failed else self._forget)
