"""The open ranges of one stream's partitions, and their way to published files."""

from collections.abc import Iterable, Mapping

import structlog

from pipeline.archive.assignments import Assignments
from pipeline.archive.notes import CommitNote
from pipeline.archive.partition import OpenPartition, file_schema
from pipeline.archive.policy import BUFFER_BYTES, RollPolicy, flushes
from pipeline.archive.progress import Progress
from pipeline.archive.publisher import Publisher
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.errors import FencedError, Gap, StorageUnavailableError
from pipeline.kafka.port import Admin, Committed, Source, TopicPartition
from pipeline.lake import Lake

log = structlog.get_logger(__name__)

PARKED_SECONDS = 30.0


class OpenRanges:
    """Begins, gathers, closes. Methods raise StorageUnavailableError and BrokerUnavailableError; after either, what
    was being closed is let go of and its fate is the committed offset's."""

    def __init__(
        self, spec: StreamSpec, lake: Lake, clock: Clock, progress: Progress, assignments: Assignments
    ) -> None:
        self.policy = RollPolicy(spec.archive)
        self.wrote = False
        self._spec, self._progress, self._assignments = spec, progress, assignments
        self._publisher = Publisher(lake, spec.stream, clock)
        self._ledger = lake.ledger(spec.stream)
        self._folder = lake.real(spec.stream)
        self._open: dict[TopicPartition, OpenPartition] = {}
        self._parked: dict[TopicPartition, tuple[OpenPartition, float]] = {}
        self._version: int | None = None
        self._log = log.bind(stream=spec.stream)

    def __contains__(self, source: TopicPartition) -> bool:
        return source in self._open

    def get(self, source: TopicPartition) -> OpenPartition | None:
        """The open range of a partition."""
        return self._open.get(source)

    @property
    def rows(self) -> int:
        """Read and not committed yet."""
        return sum(part.total.rows for part in self._open.values())

    def park(self, revoked: Iterable[TopicPartition], now: float) -> None:
        """Set aside what was revoked: most rebalances give a partition back to the one who had it."""
        for source in revoked:
            if source in self._open:
                self._parked[source] = (self._open.pop(source), now)
        for source, (part, since) in list(self._parked.items()):
            if now - since > PARKED_SECONDS:
                del self._parked[source]
                part.discard()

    def begin(self, source: Source, admin: Admin, waiting: Iterable[TopicPartition]) -> set[TopicPartition]:
        """Open ranges for newly assigned partitions, where the source and the broker agree on the topic's
        incarnation. Returns those begun; their positions are set."""
        info = admin.describe([self._spec.topic]).get(self._spec.topic)
        begun = set()
        for tp in sorted(waiting):
            if info is not None and source.topic_id(tp.topic) == info.topic_id:
                self._begin(source, tp, info.topic_id)
                begun.add(tp)
        return begun

    def _begin(self, source: Source, tp: TopicPartition, topic_id: str) -> None:
        start = self._publisher.begin(tp, topic_id, source.committed(tp))
        beginning = source.beginning_offsets([tp])[tp]
        position = beginning if start.position is None else max(start.position, beginning)
        expected = start.position if start.gap_from is None else start.gap_from
        if expected is not None and expected < position:
            reason = "deleted before they were read" if position == beginning else "offsets were reset past them"
            self._gap(tp, topic_id, expected, position, reason)
        part = self._unparked(tp, topic_id, position) or self._new(tp, topic_id, position)
        source.seek(tp, part.position)
        self._open[tp] = part

    def _unparked(self, tp: TopicPartition, topic_id: str, position: int) -> OpenPartition | None:
        part, _ = self._parked.pop(tp, (None, 0.0))
        if part is None:
            return None
        if part.topic_id != topic_id:
            self._rescue(part)
        elif part.first == position:
            return part
        part.discard()
        return None

    def _new(self, tp: TopicPartition, topic_id: str, first: int) -> OpenPartition:
        if self._version is None:
            self._version = self._ledger.schema_version(self._spec.schema())
        return OpenPartition(
            tp,
            topic_id=topic_id,
            first=first,
            folder=self._folder / topic_id,
            schema=file_schema(self._spec.schema()),
            schema_version=self._version,
        )

    def write(self, source: Source, admin: Admin, now: float, *, check: bool) -> None:
        """Write row groups and close files that are due. `check` asks for the topic's incarnation in any case."""
        due = [tp for tp, part in self._open.items() if self.policy.closes(part, now)]
        full = [tp for tp, part in self._open.items() if flushes(part)] or self._largest()
        unverified = check and not all(part.verified for part in self._open.values())
        if not (unverified or due or full):
            return
        self._verify(admin)
        for tp in full:
            if tp in self._open:
                self._open[tp].flush()
        self._close(source, due)

    def _largest(self) -> list[TopicPartition]:
        if not self._open or sum(part.buffered_bytes for part in self._open.values()) < BUFFER_BYTES:
            return []
        return [max(self._open, key=lambda tp: self._open[tp].buffered_bytes)]

    def drain(self, source: Source, admin: Admin) -> None:
        """Close, commit and publish everything open."""
        if not self._open:
            return
        exists = self._verify(admin)
        self._close(source, [tp for tp, part in self._open.items() if part.position > part.first])
        for tp in [] if exists else list(self._open):
            self._rescue(self._open.pop(tp))

    def skip(self, source: Source, admin: Admin, gap: Gap) -> None:
        """Go on after events that are gone. A file never spans a gap: a hole in a file's range is not a loss."""
        tp = TopicPartition(gap.topic, gap.partition)
        self._verify(admin)
        part = self._open.get(tp)
        if part is None:
            return
        reason = "deleted before they were read" if gap.available > gap.expected else "the log was cut"
        self._gap(tp, part.topic_id, gap.expected, gap.available, reason)
        if part.position > part.first:
            self._close(source, [tp])
        if tp in self._open:
            self._open.pop(tp).discard()
            self._open[tp] = self._new(tp, part.topic_id, gap.available)

    def discard(self, tp: TopicPartition) -> OpenPartition:
        """Let go of one range."""
        part = self._open.pop(tp)
        part.discard()
        return part

    def discard_all(self) -> None:
        """Let go of every range."""
        for part in [*self._open.values(), *(part for part, _ in self._parked.values())]:
            part.discard()
        self._open.clear()
        self._parked.clear()

    def _verify(self, admin: Admin) -> bool:
        """Ask which incarnation the topic is of now; ranges of an earlier one are rescued. False where there is
        none. What was fetched before the answer is of that incarnation, for a topic's id never comes back."""
        info = admin.describe([self._spec.topic]).get(self._spec.topic)
        if info is None:
            return False
        for tp, part in list(self._open.items()):
            if part.topic_id == info.topic_id:
                part.verify()
            else:
                self._rescue(self._open.pop(tp))
        return True

    def _rescue(self, part: OpenPartition) -> None:
        """Publish what was read of a topic that is gone. There is no offset to commit and nobody to read it twice."""
        part.forget_unverified()
        note = part.finish()
        part.release()
        self._publisher.publish(part.source.partition, note, part.position)
        self._log.warning(
            "the topic was deleted: what was read of it is kept",
            partition=part.source.partition,
            topic_id=part.topic_id,
            rows=part.total.rows,
        )

    def _close(self, source: Source, wanted: Iterable[TopicPartition]) -> None:
        tps = [tp for tp in wanted if tp in self._open and self._open[tp].verified]
        parts = {tp: self._open.pop(tp) for tp in tps if not self._assignments.is_revoked(tp)}
        if not parts:
            return
        notes = _finished(parts)
        try:
            source.commit({tp: Committed(parts[tp].position, note.encode()) for tp, note in notes.items()})
            for tp, note in notes.items():
                self._publisher.publish(tp.partition, note, parts[tp].position)
                self._count(parts[tp], note)
        except FencedError as error:
            self._log.warning("the commit is void: beginning again from what is committed", reason=str(error))
            return
        finally:
            for part in parts.values():
                part.release()
        self.wrote = True
        self.policy.larger()
        for tp, part in parts.items():
            self._open[tp] = self._new(tp, part.topic_id, part.position)

    def _count(self, part: OpenPartition, note: CommitNote) -> None:
        if note.file is not None:
            self._progress.files += 1
            self._progress.bytes += part.file_bytes
            self._progress.archived += part.total.rows

    def _gap(self, tp: TopicPartition, topic_id: str, expected: int, available: int, reason: str) -> None:
        self._publisher.record_gap(tp, topic_id, expected, available, reason)
        self._progress.gaps += 1
        self._progress.last_error = f"partition {tp.partition}: events {expected} to {available} {reason}"


def _finished(parts: Mapping[TopicPartition, OpenPartition]) -> dict[TopicPartition, CommitNote]:
    """Close all files, or none: nothing is committed yet, so what cannot be closed is removed to free its space."""
    try:
        return {tp: part.finish() for tp, part in parts.items()}
    except StorageUnavailableError:
        for part in parts.values():
            part.discard()
        raise
