"""What an archiver says of itself: the `state` of its heartbeat."""

from dataclasses import dataclass, field
from typing import Any

_SMOOTHING_SECONDS = 10.0


@dataclass(slots=True)
class Progress:
    """Counters of one archiver; written by its own thread only."""

    events: int = 0
    """Read, rejects included."""
    rejects: int = 0
    archived: int = 0
    """Rows of the files published since the start."""
    files: int = 0
    bytes: int = 0
    """Of those files."""
    gaps: int = 0
    lag: int | None = None
    """Records not read yet."""
    events_per_second: float = 0.0
    paused: str = ""
    """Why nothing is read; empty where all is well."""
    last_error: str = ""
    open_rows: int = 0
    """Read and not committed yet."""
    partitions: int = 0
    joined: bool = False
    """The group has given us partitions."""
    _last: tuple[float, int] | None = field(default=None)

    def measure(self, now: float) -> None:
        """Update the rate, averaged over about ten seconds. `now` is monotonic seconds."""
        if self._last is not None and now > self._last[0]:
            elapsed, events = now - self._last[0], self.events - self._last[1]
            weight = min(1.0, elapsed / _SMOOTHING_SECONDS)
            self.events_per_second += weight * (events / elapsed - self.events_per_second)
        self._last = (now, self.events)

    def state(self) -> dict[str, Any]:
        """As written to the catalogue."""
        return {
            "events": self.events,
            "rejects": self.rejects,
            "archived": self.archived,
            "files": self.files,
            "bytes": self.bytes,
            "gaps": self.gaps,
            "lag": self.lag,
            "events_per_second": round(self.events_per_second, 1),
            "paused": self.paused,
            "last_error": self.last_error,
            "open_rows": self.open_rows,
            "partitions": self.partitions,
        }
