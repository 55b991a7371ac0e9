"""Writes snapshots beside scoring: one at a time, so that there is never more than one copy of a state."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from pipeline.errors import StorageUnavailableError
from pipeline.state.enricher import Snapshot
from pipeline.state.snapshots import SnapshotStore

log = structlog.get_logger(__name__)


class SnapshotWriter:
    """A thread that writes. Failures are logged and counted; scoring goes on, and recovery replays more."""

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="eddyline-snapshots")
        self._lock = threading.Lock()
        self._under_way: Future[None] | None = None
        self._written = self._failed = 0

    @property
    def busy(self) -> bool:
        """Whether a snapshot is being written."""
        return self._under_way is not None and not self._under_way.done()

    def write(self, topic_id: str, partition: int, snapshot: Snapshot) -> None:
        """Begin to write; waits for the one before."""
        self.wait()
        self._under_way = self._pool.submit(self._write, topic_id, partition, snapshot)

    def _write(self, topic_id: str, partition: int, snapshot: Snapshot) -> None:
        try:
            self._store.write(topic_id, partition, snapshot)
        except StorageUnavailableError as error:
            log.warning("a snapshot of the state could not be written", partition=partition, error=str(error))
            with self._lock:
                self._failed += 1
            return
        with self._lock:
            self._written += 1

    def counts(self) -> tuple[int, int]:
        """Snapshots written and failed since this was last asked."""
        with self._lock:
            counts = self._written, self._failed
            self._written = self._failed = 0
        return counts

    def wait(self) -> None:
        """Until nothing is being written. Raises what writing raised by mistake."""
        if self._under_way is not None:
            self._under_way.result()

    def close(self) -> None:
        """Finish what is under way and end the thread."""
        self._pool.shutdown(wait=True)
