"""Starts children and sees how they end. A run is a process group of its own, with a log file in the lake."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.catalogue.service_entries import Fence, JobRunEntry
from pipeline.lake.durable import make_folders, read_json, storage_errors, to_json, write_atomic
from pipeline.scheduling.last_lines import last_lines

EXIT_AGAIN, EXIT_FINAL, EXIT_LEASE_LOST = 1, 2, 3
"""How a child ends that did not say in the catalogue how its run ended."""
KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a child wrote down before it ended with an error."""

    reason: str
    is_final: bool
    """Trying again cannot help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEnd:
    """How a child ended."""

    status: int
    """Its exit status, negative for a signal."""
    failure: Failure | None = None
    """None where it ended well, or died without a word."""
    last_lines: str = ""


class Child(Protocol):
    """A run's process."""

    @property
    def pid(self) -> int:
        """Its process id, and its group's."""

    def poll(self) -> ChildEnd | None:
        """How it ended; None while it runs."""

    def kill(self) -> None:
        """End it and everything it started, and wait until it is gone."""


class Runner(Protocol):
    """Starts runs. Raises StorageUnavailableError where a log cannot be written."""

    def start(self, run: JobRunEntry, fence: Fence) -> Child:
        """Start a run. It does nothing before the catalogue says that it runs."""


class RunFiles:
    """The files of runs: `<lake>/metadata/runs/<run id>.log`, and beside it why a child failed."""

    def __init__(self, metadata: Path) -> None:
        self.folder = metadata / "runs"

    def log(self, run_id: str) -> Path:
        """What its children said, attempt after attempt."""
        return self.folder / f"{run_id}.log"

    def _failure(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.failure.json"

    def fail(self, run_id: str, failure: Failure) -> None:
        """Write down why a child ends."""
        write_atomic(self._failure(run_id), to_json({"reason": failure.reason, "is_final": failure.is_final}))

    def take_failure(self, run_id: str) -> Failure | None:
        """Why the last child ended, if it said so; it is forgotten."""
        document = read_json(self._failure(run_id))
        with storage_errors(self.folder):
            self._failure(run_id).unlink(missing_ok=True)
        if document is None:
            return None
        return Failure(reason=str(document["reason"]), is_final=bool(document["is_final"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRunner:
    """Starts `python -m pipeline.scheduling.child`. Children die with the thread that starts them: let it be one that
    lives as long as the service."""

    files: RunFiles
    config: Path | None
    secrets: Sequence[str] = field(repr=False)
    """Never to be seen in a record."""
    registry: str | None = None
    """Other jobs than the usual, as `module:NAME`."""

    def start(self, run: JobRunEntry, fence: Fence) -> "ChildProcess":
        """Start a run's child."""
        self.files.take_failure(run.run_id)
        log = self.files.log(run.run_id)
        with storage_errors(log):
            make_folders(log.parent)
            with log.open("ab") as output:
                begins = output.tell()
                process = subprocess.Popen(
                    [sys.executable, "-m", "pipeline.scheduling.child", *self._arguments(run, fence)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        return ChildProcess(process, self, run.run_id, begins)

    def _arguments(self, run: JobRunEntry, fence: Fence) -> list[str]:
        config = [] if self.config is None else ["--config", str(self.config.absolute())]
        registry = [] if self.registry is None else ["--registry", self.registry]
        lease = ["--epoch", str(fence.epoch), "--holder", fence.holder]
        return ["--run", run.run_id, *lease, "--parent", str(os.getpid()), *config, *registry]


class ChildProcess:
    """A child that runs, or has ended."""

    def __init__(self, process: "subprocess.Popen[bytes]", runner: ProcessRunner, run_id: str, begins: int) -> None:
        self._process, self._runner, self._run_id, self._begins = process, runner, run_id, begins
        self._end: ChildEnd | None = None

    @property
    def pid(self) -> int:
        """Its process id, and its group's."""
        return self._process.pid

    def poll(self) -> ChildEnd | None:
        """How it ended; None while it runs. What it started is ended with it."""
        status = self._process.poll()
        if status is None or self._end is not None:
            return self._end
        self._signal(signal.SIGKILL)
        files = self._runner.files
        self._end = ChildEnd(
            status=status,
            failure=files.take_failure(self._run_id),
            last_lines=last_lines(files.log(self._run_id), self._runner.secrets, begins=self._begins),
        )
        return self._end

    def kill(self) -> None:
        """End the group at once."""
        self._signal(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def signal_name(status: int) -> str:
    """A negative exit status in words."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
