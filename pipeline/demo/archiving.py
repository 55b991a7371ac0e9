"""A topic of the demo's put into its archive: the archiver in a thread, until everything that was sent is there."""

import threading
from collections.abc import Callable

from pipeline.archive import Archiver
from pipeline.clock import SystemClock
from pipeline.commands.context import Context
from pipeline.config import StreamSpec
from pipeline.errors import EddylineError
from pipeline.intake import Intake

DEADLINE_SECONDS = 120.0


class StoppedError(EddylineError):
    """Somebody pressed Ctrl-C."""


class Archiving:
    """Archives one stream from `start` to `finish`; events are those of the topic's beginning on."""

    def __init__(self, spec: StreamSpec, context: Context) -> None:
        self._clock = SystemClock()
        self._stop_event = threading.Event()
        self._failure: EddylineError | None = None
        self._archiver = Archiver(
            context.settings, spec, context.broker(), context.lake(), self._clock, intake=Intake(spec)
        )
        self._thread = threading.Thread(target=self._run, name="eddyline-demo-archiver", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def wait(self, wanted: int, stop: threading.Event, report: Callable[[int], None]) -> None:
        """Until so many events were taken. Raises StoppedError when told to stop, EddylineError past the deadline."""
        deadline, progress = self._clock.monotonic() + DEADLINE_SECONDS, self._archiver.progress
        while (taken := progress.events) < wanted and self._thread.is_alive():
            if stop.wait(0.05):
                raise StoppedError("stopped while archiving")
            if self._clock.monotonic() > deadline:
                said = progress.last_error or "the machine is too busy"
                raise EddylineError(f"only {taken:,} of {wanted:,} events were archived in time ({said}): try again")
            report(taken)

    def close(self) -> None:
        """Publish what was taken, and stop."""
        self._stop_event.set()
        self._thread.join()

    def check(self) -> None:
        """Raise what ended it."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._archiver.run(self._stop_event)
        except EddylineError as error:
            self._failure = error
