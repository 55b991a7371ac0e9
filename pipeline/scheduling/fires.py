"""When a job is due: a cron expression, or multiples of an interval since the epoch, so that two leaders agree."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from apscheduler.triggers.base import BaseTrigger

from pipeline.config import JobSpec
from pipeline.scheduling.cron import Cron


class Fires(Protocol):
    """The moments at which a job is due, in milliseconds since the epoch."""

    def after(self, moment_ms: int) -> int | None:
        """The first fire after a moment; None where it never fires."""

    def before(self, moment_ms: int) -> int | None:
        """The last fire before a moment; None where it never fires."""

    def least_gap_ms(self) -> int | None:
        """The shortest time between two fires; None where it never fires."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Every multiple of an interval since the epoch."""

    every_ms: int

    def after(self, moment_ms: int) -> int:
        """The first fire after a moment."""
        return (moment_ms // self.every_ms + 1) * self.every_ms

    def before(self, moment_ms: int) -> int:
        """The last fire before a moment."""
        return (moment_ms - 1) // self.every_ms * self.every_ms

    def least_gap_ms(self) -> int:
        """The interval."""
        return self.every_ms


def fires_of(job: JobSpec) -> Fires:
    """When a job of a spec is due. Raises ValueError for a cron expression that cannot be read."""
    if job.cron is not None:
        return Cron.parse(job.cron)
    return Grid(max(1, round((job.every_seconds or 0.0) * 1000)))


def newest_first(fires: Fires, *, after_ms: int, until_ms: int) -> Iterator[int]:
    """The fires with `after_ms` < fire ≤ `until_ms`, the newest first."""
    fire = fires.before(until_ms + 1)
    while fire is not None and fire > after_ms:
        yield fire
        fire = fires.before(fire)


class FiresTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """`Fires` as APScheduler asks for them: after a machine slept it fires once, not once for every fire slept through;
    which those were is found out from the catalogue."""

    def __init__(self, fires: Fires) -> None:
        self._fires = fires

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The next fire after both moments."""
        latest = now if previous_fire_time is None else max(now, previous_fire_time)
        following = self._fires.after(int(latest.timestamp() * 1000))
        return None if following is None else datetime.fromtimestamp(following / 1000, UTC)
