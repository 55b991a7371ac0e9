"""Keeps N worker processes running: restarts one that dies, not one that was fenced or is misconfigured.

Every slot has a stable name in the consumer group, so a restarted worker takes its partitions back at once; slots that
a smaller number of workers no longer needs are removed from the group, since static members do not leave by themselves.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from pipeline.kafka.port import Admin

log = structlog.get_logger()

EXIT_CONFIG = 2
EXIT_FENCED = 3
FINAL_EXITS = {0: "ended", EXIT_CONFIG: "is misconfigured", EXIT_FENCED: "was fenced by another worker"}
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 5.0
HEALTHY_SECONDS = 30.0
STOP_SECONDS = 25.0
KILL_SECONDS = 5.0
WATCH_SECONDS = 0.05


class Worker(Protocol):
    """A worker process."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""

    def terminate(self) -> None:
        """Ask it to finish its batch and end."""

    def kill(self) -> None:
        """End it at once."""

    def wait(self, timeout: float) -> int | None:
        """Its exit status; None where it did not end in time."""


Spawn = Callable[[int], Worker]
"""Starts the worker of a slot."""


@dataclass(slots=True)
class _Slot:
    number: int
    process: Worker
    started: float
    backoff_seconds: float = FIRST_BACKOFF_SECONDS
    restart_at: float | None = None
    restarts: int = 0
    final: int | None = None
    exits: list[int] = field(default_factory=list)


def remove_surplus_members(admin: Admin, group: str, slot_of: Callable[[int], str], workers: int) -> list[str]:
    """Make this host's members beyond `workers` leave the group. Returns their names."""
    prefix = slot_of(0).removesuffix("0")
    wanted = {slot_of(number) for number in range(workers)}
    mine = [m for m in admin.static_members(group) if m.startswith(prefix) and m[len(prefix) :].isdigit()]
    surplus = sorted(m for m in mine if m not in wanted)
    if surplus:
        admin.remove_static_members(group, surplus)
        log.info("surplus workers removed from the group", group=group, members=surplus)
    return surplus


class Supervisor:
    """Runs workers until `stop` is set, or until every one has ended for good."""

    def __init__(self, spawn: Spawn, *, workers: int, stop: threading.Event) -> None:
        self._spawn = spawn
        self._stop = stop
        self._slots = [_Slot(number=n, process=spawn(n), started=time.monotonic()) for n in range(workers)]

    @property
    def pids(self) -> list[int]:
        """The workers' process ids, by slot."""
        return [slot.process.pid for slot in self._slots]

    def run(self) -> int:
        """Watch until stopped. Returns the exit status for the whole: the worst final one."""
        while not self._stop.wait(WATCH_SECONDS):
            for slot in self._slots:
                self._watch(slot)
            if all(slot.final is not None for slot in self._slots):
                break
        self._shut_down()
        return max((slot.final or 0 for slot in self._slots), default=0)

    def _watch(self, slot: _Slot) -> None:
        now = time.monotonic()
        if slot.final is not None:
            return
        if slot.restart_at is not None:
            if now >= slot.restart_at:
                slot.process, slot.started, slot.restart_at = self._spawn(slot.number), now, None
                slot.restarts += 1
            return
        status = slot.process.poll()
        if status is not None:
            self._died(slot, status, now)

    def _died(self, slot: _Slot, status: int, now: float) -> None:
        slot.exits.append(status)
        if status in FINAL_EXITS:
            slot.final = status
            log.error("worker not restarted: it " + FINAL_EXITS[status], slot=slot.number, status=status)
            return
        if now - slot.started > HEALTHY_SECONDS:
            slot.backoff_seconds = FIRST_BACKOFF_SECONDS
        slot.restart_at = now + slot.backoff_seconds
        log.warning("worker died, restarting", slot=slot.number, status=status, wait_seconds=slot.backoff_seconds)
        slot.backoff_seconds = min(LONGEST_BACKOFF_SECONDS, slot.backoff_seconds * 2)

    def _shut_down(self) -> None:
        """Let every worker finish its batch; kill what does not end in time."""
        running: Sequence[_Slot] = [s for s in self._slots if s.process.poll() is None]
        for slot in running:
            slot.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for slot in running:
            if slot.process.wait(max(0.1, deadline - time.monotonic())) is None:
                log.error("worker did not end in time and was killed", slot=slot.number)
                slot.process.kill()
                slot.process.wait(KILL_SECONDS)
