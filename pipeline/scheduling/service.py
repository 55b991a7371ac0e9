"""One instance of the scheduler: stands by until the lease is free, leads while it holds it, and says which.

The loop runs in the thread that `run` is called in, for as long as the service lives: the kernel ends a child with the
thread that started it.
"""

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from pipeline.catalogue import Catalogue
from pipeline.clock import Clock
from pipeline.errors import LeaseLostError, UnavailableError
from pipeline.scheduling.alarm import TriggerAlarm
from pipeline.scheduling.beat import SchedulerBeat
from pipeline.scheduling.leader import Leader
from pipeline.scheduling.lease import HeldLease, LeaseKeeper, LeaseTerms, acquired
from pipeline.scheduling.plan import JobName, PlannedJob
from pipeline.scheduling.runner import Runner
from pipeline.scheduling.standing import Role, Standing
from pipeline.scheduling.tally import Tally
from pipeline.scheduling.under_way import UnderWay

log = structlog.get_logger()

TURN_SECONDS = 0.25
ASKED_A_LEASE = 6
"""A standby asks for the lease this many times within its length."""


@dataclass(slots=True, kw_only=True)
class Scheduler:
    """Runs the jobs of `streams` while it leads."""

    catalogue: Catalogue
    jobs: Mapping[JobName, PlannedJob]
    streams: tuple[str, ...]
    runner: Runner
    terms: LeaseTerms
    clock: Clock
    rng: random.Random
    most_jobs: int
    beat: SchedulerBeat
    tally: Tally
    standing: Standing
    _wake: threading.Event = field(default_factory=threading.Event)

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then children are ended, their runs queued for the next leader, the lease given back."""
        log.info("scheduler started", jobs=len(self.jobs), holder=self.terms.holder)
        while not stop.is_set():
            lease = self._ask()
            if lease is not None:
                self._lead(lease, stop)
            else:
                stop.wait(self.terms.seconds / ASKED_A_LEASE)
        self.beat.remove()
        log.info("scheduler stopped")

    def _ask(self) -> HeldLease | None:
        self._come_by(Role.STANDBY, None)
        try:
            lease = acquired(self.catalogue, self.terms, self.clock)
        except UnavailableError as error:
            self._wait_for(error)
            return None
        self._going_on()
        return lease

    def _lead(self, lease: HeldLease, stop: threading.Event) -> None:
        log.info("leading", epoch=lease.fence.epoch)
        keeper = LeaseKeeper(lease, self.terms.seconds)
        keeper.start()
        leader = self._leader(lease)
        leader.start()
        while not stop.is_set() and not lease.lost:
            self._come_by(Role.LEADER, lease.fence.epoch)
            self._turn(leader, lease)
            self._wake.wait(TURN_SECONDS)
            self._wake.clear()
        keeper.stop()
        self._leave(leader, lease)
        self._come_by(Role.STANDBY, None)

    def _turn(self, leader: Leader, lease: HeldLease) -> None:
        if not lease.is_sure:
            self._wait_for(lease.away or "the lease could not be renewed in time")
            return
        try:
            leader.tick()
        except LeaseLostError as error:
            lease.lose(str(error))
        except UnavailableError as error:
            self._wait_for(error)
        else:
            self._going_on()

    def _leave(self, leader: Leader, lease: HeldLease) -> None:
        """Stop leading: in order where the lease is still ours, else at once."""
        if lease.lost:
            leader.abandon()
            return
        try:
            leader.stop()
        except (LeaseLostError, UnavailableError) as error:
            log.warning("runs under way are left to the next leader", reason=str(error))
            leader.abandon()
        lease.release()

    def _leader(self, lease: HeldLease) -> Leader:
        fenced = self.catalogue.fenced(lease.fence)
        under_way = UnderWay(
            fenced,
            self.jobs,
            self.runner,
            fence=lease.fence,
            clock=self.clock,
            rng=self.rng,
            tally=self.tally,
        )
        fires = {name: job.fires for name, job in self.jobs.items()}
        return Leader(
            fenced,
            self.jobs,
            under_way,
            streams=self.streams,
            most_jobs=self.most_jobs,
            clock=self.clock,
            tally=self.tally,
            alarm_of=lambda wake: TriggerAlarm(fires, wake),
            wake=self._wake,
        )

    def _come_by(self, role: Role, epoch: int | None) -> None:
        self.standing.role, self.standing.epoch = role, epoch
        self.standing.looped = self.clock.monotonic()
        self.beat(self.standing)

    def _wait_for(self, reason: object) -> None:
        if not self.standing.waiting:
            log.error("waiting", reason=str(reason))
        self.standing.waiting = str(reason)

    def _going_on(self) -> None:
        if self.standing.waiting:
            log.info("going on")
        self.standing.waiting = ""
