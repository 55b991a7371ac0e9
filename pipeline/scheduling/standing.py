"""What one instance of the scheduler is at the moment."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What an instance does."""

    STANDBY = "standby"
    """Another leads; it takes over when that one says nothing any more."""
    LEADER = "leader"


@dataclass(slots=True)
class Standing:
    """Written by the service's loop, read by metrics, health and heartbeats."""

    role: Role = Role.STANDBY
    epoch: int | None = None
    """Of the lease it holds."""
    waiting: str = ""
    """Why it can do nothing now; empty where it can."""
    looped: float = 0.0
    """When its loop last came by, monotonic seconds."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"scheduler": self.role.value, "epoch": self.epoch, "waiting": self.waiting}
