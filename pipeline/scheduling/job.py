"""The port of jobs: what one is handed, and what it says of itself at the end.

A job is a named function with JSON arguments; it runs in a child process, may be killed at any line, and is then run
again with the same arguments. Whatever it publishes goes through `JobContext.catalogue`, whose every transaction is
conditional on the leader's epoch, or comes after `before_publishing()`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pipeline.clock import Clock
from pipeline.config import StreamSpec

if TYPE_CHECKING:
    from pipeline.catalogue import Catalogue
    from pipeline.commands.context import Context

Report = Callable[[float, str], None]
"""Fraction done, and what is being done."""


class RunStatus(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    """It ran to its end and said no: bad data, a challenger that is not better, gates that failed. Not tried again."""
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """What a job is handed."""

    spec: StreamSpec
    context: "Context"
    """Settings, lake, model store, broker."""
    catalogue: "Catalogue"
    """Conditional on the epoch: raises LeaseLostError once another leads. Jobs use this one, not `context`'s."""
    clock: Clock
    run_id: str
    report: Report
    fire_ms: int | None = None
    """The moment that the run stands for. Windows end there and seeds come from it, so that a run again is the same."""
    before_publishing: Callable[[], None]
    """To be called right before something outside the catalogue becomes visible; raises LeaseLostError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """How a run ended. An error is raised instead: an EddylineError that may pass is tried again."""

    status: RunStatus = RunStatus.SUCCEEDED
    """SUCCEEDED or REFUSED."""
    reason: str = ""
    """One line for people."""
    result: dict[str, Any] = field(default_factory=dict)
    """JSON: ids of what was made, and figures."""


JobFunction = Callable[[JobContext, dict[str, Any]], JobOutcome]
"""Raises ConfigError for arguments it does not take: not tried again."""
