"""Records several streams in one process: a thread each, with its heartbeat; metrics and health for all of them."""

import os
import socket
import threading
from collections.abc import Sequence

import structlog

from pipeline.alerts.record.metrics import RecordCollector
from pipeline.alerts.record.recorder import Recorder, RecorderState, group_name
from pipeline.catalogue import Catalogue, WorkerBeat
from pipeline.clock import Clock
from pipeline.config import MetricsSettings, ServicePorts, StreamSpec
from pipeline.errors import CatalogueUnavailableError, EddylineError
from pipeline.kafka.port import Broker
from pipeline.service_threads import run_threads, serve_health

log = structlog.get_logger(__name__)

BEAT_SECONDS = 5.0


class RecorderBeat:
    """Tells the catalogue what a recorder is doing; writes at most every `BEAT_SECONDS`. While the catalogue is away
    the recorder itself says so."""

    def __init__(self, catalogue: Catalogue, *, stream: str, instance: str, slot: int, clock: Clock) -> None:
        self._catalogue, self._stream, self._slot, self._clock = catalogue, stream, slot, clock
        self._worker_id = f"{group_name(stream)}.{instance}.{slot}"
        self._started_ms = clock.now_ms()
        self._next = float("-inf")

    def __call__(self, state: RecorderState) -> None:
        """Write the heartbeat if it is time."""
        if self._clock.monotonic() < self._next or state.failing_since_ms is not None:
            return
        self._next = self._clock.monotonic() + BEAT_SECONDS
        beat = WorkerBeat(
            worker_id=self._worker_id,
            role="record",
            stream=self._stream,
            host=socket.gethostname(),
            pid=os.getpid(),
            slot=self._slot,
            started_ms=self._started_ms,
            seen_ms=self._clock.now_ms(),
            state=state.document(),
        )
        try:
            self._catalogue.heartbeat(beat)
        except CatalogueUnavailableError as error:
            log.warning("heartbeat_not_written", stream=self._stream, error=str(error))

    def remove(self) -> None:
        """A recorder that stopped on purpose is not missed."""
        try:
            self._catalogue.remove_worker(self._worker_id)
        except CatalogueUnavailableError as error:
            log.warning("heartbeat_not_removed", stream=self._stream, error=str(error))


class RecorderThread(threading.Thread):
    """One stream's recorder on its own thread. `failure` says why it ended before it was told to."""

    def __init__(self, stream: str, recorder: Recorder, beat: RecorderBeat, stop: threading.Event) -> None:
        super().__init__(name=f"eddyline-record-{stream}", daemon=True)
        self.failure: EddylineError | None = None
        self.stream, self.label, self.state = stream, stream, recorder.state
        self._recorder, self._beat, self._stop_event = recorder, beat, stop

    def run(self) -> None:
        """Record until stopped."""
        try:
            self._recorder.run(self._stop_event)
        except EddylineError as error:
            self.failure = error
            log.error("recorder_ended", stream=self.stream, reason=str(error))
        else:
            self._beat.remove()
            log.info("recorder_stopped", stream=self.stream, recorded=self.state.recorded)

    def unready(self) -> str:
        """Why nothing is recorded now; empty where all is well."""
        if not self.state.joined:
            return "no partitions yet: joining its group, or a spare"
        return self.state.last_error if self.state.failing_since_ms is not None else ""


def run_recorders(
    specs: Sequence[StreamSpec],
    *,
    broker: Broker,
    catalogue: Catalogue,
    clock: Clock,
    instance: str,
    metrics: MetricsSettings,
    stop: threading.Event,
    slot: int = 0,
) -> None:
    """Record these streams' alerts until `stop` is set.

    When one fails the others are stopped in order and its error is raised, for a supervisor to see. Raises
    EddylineError; ConfigError where the port of metrics and health is taken.
    """
    threads = []
    for spec in specs:
        beat = RecorderBeat(catalogue, stream=spec.stream, instance=instance, slot=slot, clock=clock)
        source = broker.source(group=group_name(spec.stream))
        threads.append(
            RecorderThread(spec.stream, Recorder(spec, source, catalogue, clock=clock, beat=beat), beat, stop)
        )
    collector = RecordCollector({thread.stream: thread.state for thread in threads})
    health = serve_health(metrics, threads, service=ServicePorts.RECORD, slot=slot, collector=collector)
    run_threads(threads, health, stop)
