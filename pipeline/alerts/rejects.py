"""An alert when a partition's events no longer fit the stream's spec and it is paused rather than dead-lettered."""

from collections.abc import Iterable

from pipeline.alerts.episodes import Place
from pipeline.alerts.model import AlertKind, Severity
from pipeline.alerts.staged import Staged
from pipeline.alerts.watch import Watch
from pipeline.config import StreamSpec


class RejectsWatch:
    """Pages once when a partition is paused for its rejects, and says when it goes on. Staged like the engine."""

    def __init__(self, spec: StreamSpec, *, topic_id: str, partition: int) -> None:
        place = Place(
            stream=spec.stream,
            topic=spec.topic,
            topic_id=topic_id,
            partition=partition,
            shadow=spec.alerts.shadow,
        )
        self._watch = Watch(place, AlertKind.REJECTS, Severity.CRITICAL)

    @property
    def is_open(self) -> bool:
        """Whether the partition has an open alert, also from before a restart."""
        return self._watch.open_alert is not None

    def restore(self, entries: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Start from the partition's changelog."""
        self._watch.restore(entries)

    def paused(self, *, offset: int, rejected: int, of: int, most_common: str, now_ms: int) -> Staged:
        """The partition is paused at `offset`: `rejected` of its last `of` events do not fit, mostly for one reason."""
        message = (
            f"{rejected:,} of the last {of:,} events do not fit the spec (mostly {most_common}): "
            "the partition is paused; correct the spec or the producer, then restart"
        )
        return self._watch.open(offset=offset, started_ms=now_ms, now_ms=now_ms, message=message)

    def resumed(self, *, offset: int, now_ms: int) -> Staged:
        """The partition is read again."""
        return self._watch.resolve(offset=offset, now_ms=now_ms, message="events fit the spec again")

    def commit(self, staged: Staged) -> None:
        """The transaction with these records is committed."""
        self._watch.commit(staged)

    def discard(self, staged: Staged) -> None:
        """The transaction was aborted."""
        self._watch.discard(staged)
