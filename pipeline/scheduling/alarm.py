"""Wakes the leader when a job is due: APScheduler with a memory store. What is due is decided from the catalogue."""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from pipeline.scheduling.fires import Fires, FiresTrigger

JobName = tuple[str, str]
"""Stream and job."""


class Alarm(Protocol):
    """Says when to look."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, for good."""


class TriggerAlarm:
    """Calls `wake(stream, job)` at every fire, from a thread of its own."""

    def __init__(self, fires: Mapping[JobName, Fires], wake: Callable[[str, str], None]) -> None:
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(1)},
            # Late is better than never, and each job has one place in the queue: nothing is coalesced or left out.
            job_defaults={"misfire_grace_time": None, "coalesce": False, "max_instances": 1_000},
        )
        self._lock = threading.Lock()
        for (stream, job), when in fires.items():
            self._scheduler.add_job(wake, FiresTrigger(when), args=(stream, job), id=f"{stream}/{job}")

    def start(self) -> None:
        """Begin to call."""
        self._scheduler.start()

    def stop(self) -> None:
        """Call no more. The jobs are taken out before the scheduler is shut down: a job that falls due while its
        store is being closed kills APScheduler's thread."""
        with self._lock:
            if self._scheduler.running:
                self._scheduler.pause()
                self._scheduler.remove_all_jobs()
                self._scheduler.shutdown(wait=True)
