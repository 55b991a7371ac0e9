"""Worker processes forked from one that has the libraries loaded already: a restart takes a fraction of a second.

Loading torch, pyarrow and the Kafka client takes seconds; a worker started afresh would leave its partitions unscored
for that long after every death. The standard library's fork server loads them once, runs no threads, and forks.
"""

import multiprocessing
import sys
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from pipeline.scoring.supervisor import Spawn

PRELOADED = [
    "torch",
    "sqlalchemy.dialects.sqlite",
    "pipeline.kafka.kafka_python",
    "pipeline.catalogue.catalogue",
    "detectors.registry",
    "pipeline.scoring.process",
]
"""Nothing here starts a thread or touches a GPU when it is imported: either would not survive the fork."""
Run = Callable[[Sequence[str]], None]
"""What a worker process runs, given its arguments; a function of a module, so that it can be named to the process."""


class ForkedWorker:
    """A worker as the supervisor wants it."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.exitcode

    def terminate(self) -> None:
        """Ask it to finish its batch and end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def wait(self, timeout: float) -> int | None:
        """Its exit status; None where it did not end in time."""
        self._process.join(timeout)
        return self._process.exitcode


def forked_workers(
    streams: Sequence[str],
    *,
    config: Path | None = None,
    accept_rejects: bool = False,
    run: Run | None = None,
    preloaded: Sequence[str] = PRELOADED,
) -> Spawn:
    """What a supervisor starts workers with: scoring workers where `run` does not say otherwise."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preloaded))
    arguments = [*streams, *(["--config", str(config)] if config else [])]
    arguments += ["--accept-rejects"] if accept_rejects else []

    def spawn(slot: int) -> ForkedWorker:
        process = context.Process(target=run or _run, args=([*arguments, "--slot", str(slot)],), name=f"worker-{slot}")
        process.start()
        return ForkedWorker(process)

    return spawn


def _run(arguments: Sequence[str]) -> None:
    from pipeline.scoring.process import main

    sys.exit(main(arguments))
