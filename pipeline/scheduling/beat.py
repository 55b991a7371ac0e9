"""Tells the catalogue every two seconds what this scheduler is doing, a row a stream; `eddyline status` shows it."""

import os
import socket
from collections.abc import Sequence

import structlog

from pipeline.catalogue import Catalogue, WorkerBeat
from pipeline.clock import Clock
from pipeline.errors import CatalogueUnavailableError
from pipeline.scheduling.standing import Standing
from pipeline.scheduling.tally import Tally

log = structlog.get_logger()

BEAT_SECONDS = 2.0
ROLE = "schedule"
"""What schedulers are called among a stream's workers."""


def scheduler_name(stream: str, instance: str, slot: int) -> str:
    """What a scheduler is called among the workers of a stream: the same after every restart."""
    return f"eddyline.{stream}.{ROLE}.{instance}.{slot}"


def is_holder(beat: WorkerBeat, holder: str) -> bool:
    """Whether a lease's holder is the process that spoke: both are called by instance and slot, and have its id."""
    return f"eddyline.{beat.stream}.{ROLE}.{holder}".startswith(f"{beat.worker_id}.{beat.pid}.")


class SchedulerBeat:
    """Writes when it is time. A catalogue that is away is said elsewhere, and stops nothing here."""

    def __init__(
        self, catalogue: Catalogue, streams: Sequence[str], *, instance: str, slot: int, clock: Clock, tally: Tally
    ) -> None:
        self._catalogue, self._streams, self._clock, self._tally = catalogue, streams, clock, tally
        self._names = {stream: scheduler_name(stream, instance, slot) for stream in streams}
        self._slot = slot
        self._started_ms = clock.now_ms()
        self._next = float("-inf")

    def __call__(self, standing: Standing) -> None:
        """Write the heartbeats, if it is time."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + BEAT_SECONDS
        try:
            for stream in self._streams:
                self._catalogue.heartbeat(self._beat(stream, standing))
        except CatalogueUnavailableError as error:
            log.debug("heartbeat not written", reason=str(error))

    def remove(self) -> None:
        """A scheduler that stopped on purpose is not missed."""
        try:
            for name in self._names.values():
                self._catalogue.remove_worker(name)
        except CatalogueUnavailableError as error:
            log.debug("heartbeat not removed", reason=str(error))

    def _beat(self, stream: str, standing: Standing) -> WorkerBeat:
        running = [run for run in self._tally.running if run.stream == stream]
        return WorkerBeat(
            worker_id=self._names[stream],
            role=ROLE,
            stream=stream,
            host=socket.gethostname(),
            pid=os.getpid(),
            slot=self._slot,
            started_ms=self._started_ms,
            seen_ms=self._clock.now_ms(),
            state={
                **standing.document(),
                "running": [{"run": run.run_id, "job": run.job, "kind": run.kind} for run in running],
                "last_error": self._tally.last_failure.get(stream, ""),
            },
        )
