"""Holds the scheduler's lease: renews it while it can, and knows by its own clock when it no longer may act.

Three answers, not two: a leader that could not renew in time does not know. It then starts nothing until the catalogue
has answered; only a catalogue that says so makes it lose the lease, and with it what its children have under way.
"""

import threading
from dataclasses import dataclass
from typing import Protocol

import structlog

from pipeline.catalogue.service_entries import Fence, LeaseEntry
from pipeline.clock import Clock
from pipeline.errors import CatalogueUnavailableError

log = structlog.get_logger()

LEASE = "scheduler"
"""The name of the lease under which runs are started and published."""
RENEWALS = 3
"""A lease is renewed this many times before it would expire."""


class LeaseCatalogue(Protocol):
    """The part of the catalogue that keeps leases."""

    def acquire_lease(self, name: str, holder: str, seconds: float) -> LeaseEntry | None:
        """Take a lease that is free or expired; None while another holds it."""

    def renew_lease(self, name: str, holder: str, epoch: int, seconds: float) -> bool:
        """Hold it for so long from now; False where another took it over."""

    def release_lease(self, name: str, holder: str, epoch: int) -> None:
        """Give it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms:
    """Whose lease, and for how long a renewal holds."""

    holder: str
    seconds: float


def acquired(catalogue: LeaseCatalogue, terms: LeaseTerms, clock: Clock) -> "HeldLease | None":
    """The lease, where it is to be had. Raises CatalogueUnavailableError."""
    asked = clock.monotonic()
    entry = catalogue.acquire_lease(LEASE, terms.holder, terms.seconds)
    return None if entry is None else HeldLease(catalogue, terms, clock, epoch=entry.epoch, asked=asked)


class HeldLease:
    """A lease that was acquired. `renew` is for one thread; the rest may be asked from any."""

    def __init__(self, catalogue: LeaseCatalogue, terms: LeaseTerms, clock: Clock, *, epoch: int, asked: float) -> None:
        self._catalogue, self._terms, self._clock = catalogue, terms, clock
        self.fence = Fence(name=LEASE, epoch=epoch, holder=terms.holder)
        self.lost = False
        """Whether the catalogue said that another leads."""
        self.away = ""
        """What the catalogue said when it did not answer; empty while it does."""
        # From before the question was sent: the database may have counted from any moment since.
        self._sure_until = asked + terms.seconds

    @property
    def is_sure(self) -> bool:
        """Whether nobody else can have taken it over yet. What is published is asked of the catalogue all the same."""
        return not self.lost and self._clock.monotonic() < self._sure_until

    def renew(self) -> None:
        """Hold it for longer, or find that it is lost. A catalogue that is away is said once and asked again."""
        if self.lost:
            return
        asked = self._clock.monotonic()
        try:
            held = self._catalogue.renew_lease(LEASE, self.fence.holder, self.fence.epoch, self._terms.seconds)
        except CatalogueUnavailableError as error:
            if not self.away:
                log.warning("the lease could not be renewed", epoch=self.fence.epoch, reason=str(error))
            self.away = str(error)
            return
        if not held:
            self.lose("another instance took the lease over")
            return
        if self.away:
            log.info("the catalogue answers again, and the lease is still ours", epoch=self.fence.epoch)
        self.away = ""
        self._sure_until = asked + self._terms.seconds

    def lose(self, reason: str) -> None:
        """Note that another leads."""
        if not self.lost:
            log.warning("no longer the leader", epoch=self.fence.epoch, reason=reason)
        self.lost = True

    def release(self) -> None:
        """Let another take over at once. A catalogue that is away lets it expire."""
        if self.lost:
            return
        self.lost = True
        try:
            self._catalogue.release_lease(LEASE, self.fence.holder, self.fence.epoch)
        except CatalogueUnavailableError as error:
            log.warning("the lease could not be given back: it expires", reason=str(error))


class LeaseKeeper(threading.Thread):
    """Renews a lease three times as often as needed until stopped or lost."""

    def __init__(self, lease: HeldLease, seconds: float) -> None:
        super().__init__(name="eddyline-lease", daemon=True)
        self._lease, self._pause_seconds = lease, seconds / RENEWALS
        self._stopped = threading.Event()

    def run(self) -> None:
        """Renew until stopped."""
        while not self._stopped.wait(self._pause_seconds) and not self._lease.lost:
            self._lease.renew()

    def stop(self) -> None:
        """Renew no more."""
        self._stopped.set()
        self.join()
