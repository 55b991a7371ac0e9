"""An alert when a whole topic brings nothing for longer than its spec expects.

One watch a stream, run by whoever owns partition 0; its state lies in partition 0 of the episodes topic. It looks at
end offsets, not at what was scored, so a slow scorer is no silence. After a restart without an open alert the silence
is counted from the restart: the watch may be late by that much, never early.
"""

from collections.abc import Iterable

from pipeline.alerts.episodes import Place
from pipeline.alerts.messages import silence_message
from pipeline.alerts.model import AlertKind, Severity
from pipeline.alerts.staged import Staged
from pipeline.alerts.watch import Watch
from pipeline.config import StreamSpec

ALL_PARTITIONS = -1
"""The partition of an alert that is about the whole topic."""


class SilenceWatch:
    """Watches one topic. Pure: told the time and the topic's end, it answers what to publish."""

    def __init__(self, spec: StreamSpec, *, topic_id: str) -> None:
        self._silence_seconds = spec.alerts.silence_seconds
        place = Place(
            stream=spec.stream,
            topic=spec.topic,
            topic_id=topic_id,
            partition=ALL_PARTITIONS,
            shadow=spec.alerts.shadow,
        )
        self._watch = Watch(place, AlertKind.SILENCE, Severity.CRITICAL)
        self._end: int | None = None
        self._since_ms = 0

    def restore(self, entries: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Start from the changelog of partition 0."""
        self._watch.restore(entries)
        self._end = None

    def observe(self, total_end_offset: int, now_ms: int) -> Staged:
        """What the sum of the partitions' end offsets says now. To be called every second or so."""
        if self._end is None:
            already = self._watch.open_alert
            self._end = total_end_offset if already is None else already.first_offset
            self._since_ms = now_ms if already is None else already.started_ms
        if total_end_offset != self._end:
            self._end, self._since_ms = total_end_offset, now_ms
        open_alert = self._watch.open_alert
        if open_alert is not None:
            if total_end_offset == open_alert.first_offset:
                return self._watch.nothing()
            return self._watch.resolve(offset=total_end_offset, now_ms=now_ms, message="events arrive again")
        if self._silence_seconds is None or now_ms - self._since_ms < self._silence_seconds * 1000:
            return self._watch.nothing()
        return self._watch.open(
            offset=total_end_offset,
            started_ms=self._since_ms,
            now_ms=now_ms,
            message=silence_message(self._since_ms, self._silence_seconds),
        )

    def commit(self, staged: Staged) -> None:
        """The transaction with these records is committed."""
        self._watch.commit(staged)

    def discard(self, staged: Staged) -> None:
        """The transaction was aborted; the next `observe` says it again."""
        self._watch.discard(staged)
