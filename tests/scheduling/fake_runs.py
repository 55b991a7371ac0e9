"""Children that end when a test says so, and a leader over a catalogue in a file, by a clock moved by hand."""

import random
import threading
from pathlib import Path
from typing import Any

from pipeline.catalogue import Catalogue, Fence, JobRunEntry
from pipeline.clock import ManualClock
from pipeline.config import JobSpec, StreamSpec
from pipeline.scheduling.leader import Leader
from pipeline.scheduling.plan import planned
from pipeline.scheduling.runner import ChildEnd, Failure
from pipeline.scheduling.tally import Tally
from pipeline.scheduling.under_way import UnderWay
from tests.scheduling.service import SPEC

MINUTE = 60.0
DAY_START_MS = 1_700_006_400_000
"""A midnight, UTC."""


class FakeChild:
    def __init__(self, run: JobRunEntry, pid: int) -> None:
        self.run, self.pid, self.killed = run, pid, False
        self.end: ChildEnd | None = None

    def poll(self) -> ChildEnd | None:
        return self.end

    def kill(self) -> None:
        self.killed = True
        self.end = self.end or ChildEnd(status=-9)


class FakeRunner:
    def __init__(self) -> None:
        self.children: list[FakeChild] = []

    def start(self, run: JobRunEntry, fence: Fence) -> FakeChild:
        self.children.append(FakeChild(run, 2**30 + len(self.children)))
        return self.children[-1]


class SilentAlarm:
    """The leader looks every few seconds anyway."""

    def start(self) -> None:
        """Nothing rings."""

    def stop(self) -> None:
        """Nothing rings."""


class Term:
    """One leader's term, on a catalogue that outlives it."""

    def __init__(self, catalogue: Catalogue, clock: ManualClock, schedule: list[dict[str, Any]], **more: Any) -> None:
        spec = StreamSpec.model_validate(SPEC | {"schedule": [JobSpec.model_validate(job) for job in schedule]})
        entry = catalogue.acquire_lease("scheduler", f"holder-{id(self)}", 600.0)
        assert entry is not None
        self.fence = Fence(name=entry.name, epoch=entry.epoch, holder=entry.holder)
        self.catalogue, self.clock, self.runner, self.tally = catalogue, clock, FakeRunner(), Tally()
        fenced, jobs = catalogue.fenced(self.fence), planned([spec])
        under_way = UnderWay(
            fenced, jobs, self.runner, fence=self.fence, clock=clock, rng=random.Random(1), tally=self.tally
        )
        self.leader = Leader(
            fenced,
            jobs,
            under_way,
            streams=["payments"],
            most_jobs=more.get("most_jobs", 1),
            clock=clock,
            tally=self.tally,
            alarm_of=lambda wake: SilentAlarm(),
            wake=threading.Event(),
        )

    @property
    def children(self) -> list[FakeChild]:
        return self.runner.children

    def tick(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        self.leader.tick()

    def succeed(self, child: FakeChild, status: str = "succeeded") -> None:
        """As a child does: it says how it ended, then ends."""
        self.catalogue.fenced(self.fence).end_run(
            child.run.run_id, status=status, reason="", result={}, now_ms=self.clock.now_ms()
        )
        child.end = ChildEnd(status=0)
        self.tick()

    def fail(self, child: FakeChild, *, status: int = 1, reason: str | None = "away", is_final: bool = False) -> None:
        failure = None if reason is None else Failure(reason=reason, is_final=is_final)
        child.end = ChildEnd(status=status, failure=failure, last_lines="the end")
        self.tick()

    def over(self) -> None:
        """The lease is given back; what is under way is left as a crash leaves it."""
        self.catalogue.release_lease(self.fence.name, self.fence.holder, self.fence.epoch)


def opened(folder: Path) -> Catalogue:
    return Catalogue.open(f"sqlite:///{folder / 'c.db'}")
