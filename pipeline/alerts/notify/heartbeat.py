"""Tells the catalogue what a notifier is doing, every few seconds; `eddyline status` shows it."""

import os
import socket

import structlog

from pipeline.alerts.notify.deliver import NotifierState, group_name
from pipeline.catalogue import Catalogue, WorkerBeat
from pipeline.clock import Clock
from pipeline.errors import CatalogueUnavailableError

BEAT_SECONDS = 5.0

log = structlog.get_logger(__name__)


class NotifierBeat:
    """Called with the notifier's state as often as it likes; writes at most every `BEAT_SECONDS`. A catalogue that is
    away is said once and stops no alert."""

    def __init__(self, catalogue: Catalogue, *, stream: str, destination: str, instance: str, clock: Clock) -> None:
        self._catalogue, self._clock = catalogue, clock
        self._stream = stream
        self._worker_id = f"{group_name(stream, destination)}.{instance}"
        self._started_ms = clock.now_ms()
        self._next = float("-inf")
        self._is_away = False

    def __call__(self, state: NotifierState) -> None:
        """Write the heartbeat if it is time."""
        if self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + BEAT_SECONDS
        beat = WorkerBeat(
            worker_id=self._worker_id,
            role="notify",
            stream=self._stream,
            host=socket.gethostname(),
            pid=os.getpid(),
            slot=0,
            started_ms=self._started_ms,
            seen_ms=self._clock.now_ms(),
            state=state.document(),
        )
        try:
            self._catalogue.heartbeat(beat)
            self._is_away = False
        except CatalogueUnavailableError as error:
            if not self._is_away:
                log.warning("heartbeat_not_written", error=str(error))
            self._is_away = True

    def remove(self) -> None:
        """Take the row away: a notifier that stopped on purpose is not missed."""
        try:
            self._catalogue.remove_worker(self._worker_id)
        except CatalogueUnavailableError as error:
            log.warning("heartbeat_not_removed", error=str(error))
