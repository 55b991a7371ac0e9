"""What ends a child: its parent's end, or another leader. And what tells of its progress meanwhile.

Three ways, since none is enough: the kernel's signal when the parent dies (missed where it died before we asked), the
parent's process id (which changes when it dies), and the lease (whose epoch changes though the parent lives, stopped).
"""

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from typing import Protocol

import structlog

from pipeline.catalogue.service_entries import Fence, LeaseEntry
from pipeline.errors import CatalogueUnavailableError, LeaseLostError

log = structlog.get_logger()

LOOK_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when the thread that started it ends. Exits where the parent is gone already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class LifelineCatalogue(Protocol):
    """The part of the catalogue that a child asks while it works."""

    def lease(self, name: str) -> LeaseEntry | None:
        """How a lease stands."""

    def progress_run(self, run_id: str, *, progress: float, doing: str) -> None:
        """Say how far a run is."""


class Lifeline(threading.Thread):
    """Looks every second whether this child should still be, and writes its progress down."""

    def __init__(
        self,
        catalogue: LifelineCatalogue,
        *,
        fence: Fence,
        run_id: str,
        parent: int,
        end: Callable[[str], None],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        super().__init__(name="eddyline-lifeline", daemon=True)
        self._catalogue, self._fence, self._run_id, self._parent, self._end = catalogue, fence, run_id, parent, end
        self._look_seconds = look_seconds
        self._progress: tuple[float, str] | None = None
        self._stopped = threading.Event()

    def report(self, fraction: float, doing: str) -> None:
        """Note how far the job is; written down with the next look."""
        self._progress = (min(1.0, max(0.0, float(fraction))), doing)

    def run(self) -> None:
        """Look until stopped."""
        while not self._stopped.wait(self._look_seconds):
            self.look()

    def look(self) -> None:
        """Look once. A catalogue that is away decides nothing: what is published asks it anyway."""
        if os.getppid() != self._parent:
            self._end("the scheduler that started this run is gone")
            return
        try:
            lease = self._catalogue.lease(self._fence.name)
            if lease is None or (lease.epoch, lease.holder) != (self._fence.epoch, self._fence.holder):
                self._end("another scheduler leads now")
                return
            progress, self._progress = self._progress, None
            if progress is not None:
                self._catalogue.progress_run(self._run_id, progress=progress[0], doing=progress[1])
        except LeaseLostError:
            self._end("another scheduler leads now")
        except CatalogueUnavailableError as error:
            log.warning("the catalogue does not answer; the run goes on", reason=str(error))

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()


def end_group(reason: str) -> None:
    """End this process and everything it started, at once: nothing more may be written."""
    log.error("ending this run at once", reason=reason)
    if os.getpgid(0) == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)
