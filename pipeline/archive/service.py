"""Archives several streams in one process: a thread each, with its heartbeat; metrics and health for all of them."""

import os
import socket
import threading
from collections.abc import Callable, Sequence

import structlog

from pipeline.archive.archiver import Archiver, member_name
from pipeline.archive.metrics import ArchiveCollector
from pipeline.archive.progress import Progress
from pipeline.catalogue import Catalogue, SchemaVersionEntry, WorkerBeat
from pipeline.clock import Clock
from pipeline.config import ServicePorts, Settings, StreamSpec
from pipeline.errors import CatalogueUnavailableError, EddylineError
from pipeline.intake import Intake
from pipeline.kafka.port import Broker
from pipeline.lake import Lake
from pipeline.lake.ledger import ArchiveLedger
from pipeline.service_threads import run_threads, serve_health

log = structlog.get_logger(__name__)

BEAT_SECONDS = 2.0


class ArchiveBeat:
    """Tells the catalogue what an archiver is doing. A catalogue that is away is said once and stops no archiving."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        stream: str,
        instance: str,
        slot: int,
        clock: Clock,
        ledger: ArchiveLedger | None = None,
    ) -> None:
        self._catalogue, self._stream, self._slot, self._clock = catalogue, stream, slot, clock
        self._ledger, self._told = ledger, set[int]()
        self._worker_id = member_name(stream, instance, slot)
        self._started_ms = clock.now_ms()
        self._next = float("-inf")
        self._away = False

    def __call__(self, progress: Progress) -> None:
        """Write the heartbeat if it is time."""
        if self._clock.monotonic() >= self._next:
            self._next = self._clock.monotonic() + BEAT_SECONDS
            self.write(progress)

    def write(self, progress: Progress) -> None:
        """Write the heartbeat now."""
        beat = WorkerBeat(
            worker_id=self._worker_id,
            role="archive",
            stream=self._stream,
            host=socket.gethostname(),
            pid=os.getpid(),
            slot=self._slot,
            started_ms=self._started_ms,
            seen_ms=self._clock.now_ms(),
            state=progress.state(),
        )
        self._try(lambda: self._catalogue.heartbeat(beat))
        self._try(self._tell_schemas)

    def remove(self) -> None:
        """An archiver that stopped on purpose is not missed."""
        self._try(self._tell_schemas)
        self._try(lambda: self._catalogue.remove_worker(self._worker_id))

    def _tell_schemas(self) -> None:
        """Let the catalogue know versions of the schema that the archive has met, each once."""
        known = {} if self._ledger is None else self._ledger.schema_facts()
        for version, (sha256, columns) in known.items():
            if version not in self._told:
                entry = SchemaVersionEntry(
                    stream=self._stream, version=version, sha256=sha256, columns=columns, seen_ms=self._clock.now_ms()
                )  # fmt: skip
                self._catalogue.put_schema_version(entry)
                self._told.add(version)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
            self._away = False
        except CatalogueUnavailableError as error:
            if not self._away:
                log.warning("heartbeat not written", stream=self._stream, reason=str(error))
            self._away = True


class StreamArchiver(threading.Thread):
    """One stream's archiver on its own thread. `failure` says why it ended before it was told to."""

    def __init__(self, archiver: Archiver, beat: ArchiveBeat, stop: threading.Event, *, stream: str) -> None:
        super().__init__(name=f"eddyline-archive-{stream}", daemon=True)
        self.failure: EddylineError | None = None
        self.stream = self.label = stream
        self._archiver, self._beat, self._stop_event = archiver, beat, stop

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._archiver.progress

    def unready(self) -> str:
        """Why nothing is archived now; empty where something is, or could be."""
        if not self.progress.joined:
            return "no partitions yet: joining its group, or a spare"
        return self.progress.paused

    def run(self) -> None:
        """Archive until stopped."""
        try:
            self._archiver.run(self._stop_event)
        except EddylineError as error:
            self.failure = error
            self._archiver.progress.last_error = str(error)
            self._beat.write(self._archiver.progress)
            log.error("archiving ended", stream=self.stream, reason=str(error))
        else:
            self._beat.remove()
            log.info("archiving stopped", stream=self.stream, files=self._archiver.progress.files)


def run_archivers(
    settings: Settings,
    specs: Sequence[StreamSpec],
    *,
    broker: Broker,
    lake: Lake,
    catalogue: Catalogue,
    clock: Clock,
    instance: str,
    stop: threading.Event,
    slot: int = 0,
) -> None:
    """Archive these streams until `stop` is set, then close and commit what is open.

    When one stream fails the others are closed in order and its error is raised, for a supervisor to see. Raises
    EddylineError; ConfigError where the port of metrics and health is taken.
    """
    threads = []
    for spec in specs:
        ledger = lake.ledger(spec.stream)
        beat = ArchiveBeat(catalogue, stream=spec.stream, instance=instance, slot=slot, clock=clock, ledger=ledger)
        archiver = Archiver(
            settings, spec, broker, lake, clock, intake=Intake(spec), instance=instance, slot=slot, on_beat=beat
        )
        threads.append(StreamArchiver(archiver, beat, stop, stream=spec.stream))
    collector = ArchiveCollector({thread.stream: thread.progress for thread in threads})
    health = serve_health(settings.metrics, threads, service=ServicePorts.ARCHIVE, slot=slot, collector=collector)
    run_threads(threads, health, stop)
