"""What runs and how it fares: the workers' heartbeats as one document, for `eddyline status` and for programs."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.canaries.recall import LiveRecall, live_recall
from pipeline.catalogue import CanaryCount, WorkerBeat
from pipeline.catalogue.service_entries import LeaseEntry
from pipeline.scheduling.beat import ROLE, is_holder
from pipeline.scheduling.lease import LEASE
from pipeline.scoring.standing import Standing, standing_of

STALE_SECONDS = 30.0
"""A worker that waits for an unreachable broker still speaks within this; one that does not is dead or stuck."""
STANDBY_SECONDS = 10.0
"""A scheduler speaks every two seconds while the catalogue answers; one silent for longer takes nothing over."""


class StatusCatalogue(Protocol):
    """The part of the catalogue that is asked."""

    def workers(self) -> list[WorkerBeat]:
        """The last heartbeat of every worker."""

    def champion(self, stream: str) -> str | None:
        """The model in service."""

    def canary_counts(self, stream: str, since_ms: int, model_id: str | None = None) -> list[CanaryCount]:
        """A stream's counts of canaries since a moment."""

    def lease(self, name: str) -> LeaseEntry | None:
        """How a lease stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """One worker of one stream as it last spoke."""

    beat: WorkerBeat
    age_seconds: float

    @property
    def stale(self) -> bool:
        """Silent for longer than a living worker ever is."""
        return self.age_seconds > STALE_SECONDS

    @property
    def note(self) -> str:
        """The one thing to know: why nothing happens, else the last error."""
        state = self.beat.state
        return str(state.get("paused") or state.get("waiting") or state.get("last_error") or "")

    def document(self) -> dict[str, Any]:
        """As JSON."""
        beat = self.beat
        return {
            "worker": beat.worker_id,
            "role": beat.role,
            "host": beat.host,
            "pid": beat.pid,
            "slot": beat.slot,
            "age_seconds": round(self.age_seconds, 1),
            "up_seconds": round((beat.seen_ms - beat.started_ms) / 1000, 1),
            "stale": self.stale,
            **beat.state,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerReport:
    """Which scheduler leads and which would take over. The lease says it: one that sleeps still calls itself leader."""

    leader: str | None
    """None where no lease is held: nothing that is due begins."""
    epoch: int | None = None
    standbys: tuple[str, ...] = ()
    """Those that were heard of lately."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"leader": self.leader, "epoch": self.epoch, "standbys": list(self.standbys)}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """A stream, the model it should be scored with, and its workers (none where nothing runs)."""

    stream: str
    champion: str | None
    workers: tuple[WorkerStatus, ...]
    canaries: LiveRecall = field(default_factory=lambda: LiveRecall(model_id=None))
    """What the champion caught of them over the last day."""
    scheduler: SchedulerReport = field(default_factory=lambda: SchedulerReport(leader=None))
    """Who runs its jobs."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        workers = [worker.document() for worker in self.workers]
        standing = self.standing
        budget = standing.document() if standing is not None else None
        return {
            "stream": self.stream,
            "champion": self.champion,
            "budget": budget,
            "workers": workers,
            "canaries": self.canaries.document(),
            "scheduler": self.scheduler.document(),
        }

    @property
    def standing(self) -> Standing | None:
        """The whole stream's budget, its living workers taken together."""
        return standing_of([worker.beat.state for worker in self.workers if not worker.stale])


def stream_reports(catalogue: StatusCatalogue, streams: Iterable[str], *, now_ms: int) -> list[StreamReport]:
    """One report a stream: those named and those that workers speak of. Raises CatalogueUnavailableError."""
    workers = [
        WorkerStatus(beat=beat, age_seconds=max(0.0, (now_ms - beat.seen_ms) / 1000)) for beat in catalogue.workers()
    ]
    lease = catalogue.lease(LEASE)
    names = sorted({*streams, *(worker.beat.stream for worker in workers)})
    reports = []
    for name in names:
        champion, own = catalogue.champion(name), tuple(worker for worker in workers if worker.beat.stream == name)
        reports.append(
            StreamReport(
                stream=name,
                champion=champion,
                workers=own,
                canaries=live_recall(catalogue, name, champion, now_ms=now_ms),
                scheduler=scheduler_report(lease, own),
            )
        )
    return reports


def scheduler_report(lease: LeaseEntry | None, workers: Iterable[WorkerStatus]) -> SchedulerReport:
    """The schedulers among workers, told apart by who holds the lease now."""
    held = lease if lease is not None and lease.holder and lease.left_ms > 0 else None
    schedulers = [worker for worker in workers if worker.beat.role == ROLE]
    living = [worker.beat for worker in schedulers if worker.age_seconds <= STANDBY_SECONDS]
    names = {beat.worker_id: f"{beat.slot} on {beat.host}" for beat in living}
    leads = next((beat for beat in living if held is not None and is_holder(beat, held.holder)), None)
    leader = held.holder if held is not None else None
    return SchedulerReport(
        leader=leader if leads is None else names.pop(leads.worker_id),
        epoch=held.epoch if held is not None else None,
        standbys=tuple(sorted(names.values())),
    )
