"""What a worker says of one stream: the numbers behind `eddyline status`, the heartbeat and the budget metrics."""

from collections import deque
from typing import Any

from detectors.score_drift import ScoreDrift
from pipeline.alerts.model import Cause
from pipeline.alerts.staged import Staged
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.model_store import Bundle
from pipeline.scoring.standing import Standing, standing
from pipeline.scoring.stream_scorer import Scored

RATE_WINDOW_SECONDS = 30.0


class StreamStatus:
    """Counts since the worker started. Written by the scoring thread, read by the heartbeat."""

    def __init__(self, spec: StreamSpec, clock: Clock) -> None:
        self._spec = spec
        self._clock = clock
        self.joined = False
        self.assigned = 0
        self.events = 0
        self.rejects = 0
        self.late = 0
        self.flagged = 0
        self.alerts = 0
        self.bad_data = 0
        """Alerts among them that were bad data when they opened."""
        self.suppressed = 0
        self.lag = 0
        self.gaps = 0
        self.warming_up: int | None = None
        """Partitions whose keyed state has not seen enough yet; None for a stream without such state."""
        self.incomplete = 0
        """Partitions whose keyed state lacks events that the log no longer held."""
        self.unknown_fields: frozenset[str] = frozenset()
        self.absent_columns: frozenset[str] = frozenset()
        self.first_time_ms: int | None = None
        self.newest_time_ms: int | None = None
        self.last_error: str | None = None
        self.trouble: str | None = None
        self.paused: str | None = None
        self.waiting: str | None = None
        self._drift, self._drift_model = ScoreDrift(), ""
        self._recent: deque[tuple[float, int]] = deque()

    def scored(self, scored: Scored) -> None:
        """Count a committed batch."""
        self.events += scored.events
        self.rejects += sum(sum(reasons.values()) for reasons in scored.rejects.values())
        self.late += scored.late
        self.flagged += scored.flagged
        self.unknown_fields |= scored.unknown_fields
        self.absent_columns = scored.absent_columns
        if scored.model_id != self._drift_model:
            self._drift, self._drift_model = ScoreDrift(), scored.model_id
        self._drift.add(scored.events, scored.below_levels)
        if scored.newest_time_ms is not None and scored.oldest_time_ms is not None:
            before = self.first_time_ms
            self.first_time_ms = scored.oldest_time_ms if before is None else min(before, scored.oldest_time_ms)
            self.newest_time_ms = max(self.newest_time_ms or scored.newest_time_ms, scored.newest_time_ms)
        for _, staged in scored.staged:
            self.published(staged)
        now = self._clock.monotonic()
        self._recent.append((now, scored.events))
        while self._recent and self._recent[0][0] < now - RATE_WINDOW_SECONDS:
            self._recent.popleft()

    def published(self, staged: Staged) -> None:
        """Count what a committed staging published."""
        self.alerts += staged.opened
        self.bad_data += sum(a.cause is Cause.BAD_DATA and a.revision == 1 for a in staged.alerts)
        self.suppressed += staged.suppressed

    @property
    def events_per_second(self) -> float:
        """Over the last half minute."""
        now = self._clock.monotonic()
        recent = [(at, n) for at, n in self._recent if at >= now - RATE_WINDOW_SECONDS]
        if not recent:
            return 0.0
        return sum(n for _, n in recent) / max(1.0, now - recent[0][0])

    @property
    def _seconds(self) -> float:
        """Of event time since the worker started."""
        return ((self.newest_time_ms or 0) - (self.first_time_ms or 0)) / 1000

    @property
    def standing(self) -> Standing:
        """The stream's whole budget beside what this worker saw since it started."""
        return standing(self._spec.budget, alerts=self.alerts, events=self.events, seconds=self._seconds)

    @property
    def score_drift(self) -> float | None:
        """Decades more high scores than the model's threshold was calibrated on; None before enough rows."""
        return self._drift.decades

    def document(self, bundle: Bundle | None, model_error: str | None) -> dict[str, Any]:
        """The heartbeat's state."""
        return {
            "assigned": self.assigned,
            "lag": self.lag,
            "events": self.events,
            "events_per_second": round(self.events_per_second, 1),
            "alerts": self.alerts,
            "alerts_bad_data": self.bad_data,
            "suppressed": self.suppressed,
            "flagged": self.flagged,
            "rejects": self.rejects,
            "late": self.late,
            "gaps": self.gaps,
            "warming_up": self.warming_up,
            "incomplete_state": self.incomplete,
            "model_id": bundle.model_id if bundle else None,
            **self.standing.document(),
            "exposure_seconds": self._seconds,
            "score_drift": self.score_drift,
            "unknown_fields": sorted(self.unknown_fields)[:20],
            "absent_columns": sorted(self.absent_columns)[:20],
            "newest_time_ms": self.newest_time_ms,
            "shadow": self._spec.alerts.shadow,
            "paused": self.paused,
            "waiting": self.waiting,
            "last_error": self.trouble or model_error or self.last_error,
        }
