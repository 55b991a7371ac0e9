"""The second half of exactly once: what is committed becomes visible, by this owner or by the next.

Order: temporary file durable → commit (offset, note) → rename → high-water mark. Whoever is assigned the partition
next reads the note and finishes the last two; a temporary file that no note names was never committed.
"""

import os
from dataclasses import dataclass

import structlog

from pipeline.archive.notes import CommitNote
from pipeline.archive.open_file import remove_abandoned
from pipeline.clock import Clock
from pipeline.kafka.port import Committed, TopicPartition
from pipeline.lake import Lake
from pipeline.lake.durable import make_folders, storage_errors, sync_folder
from pipeline.lake.layout import OPEN_FOLDER
from pipeline.lake.ledger import RecordedGap

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where an owner begins to read a partition."""

    position: int | None
    """None: nothing is known of this partition, begin with the first record there is."""
    gap_from: int | None = None
    """Where reading should have begun, where a commit by another tool skipped events."""


class Publisher:
    """Publishes the files of one stream and keeps its ledger. Raises StorageUnavailableError."""

    def __init__(self, lake: Lake, stream: str, clock: Clock) -> None:
        self._real = lake.real(stream)
        self._ledger = lake.ledger(stream)
        self._clock = clock
        self._log = log.bind(stream=stream)

    def publish(self, partition: int, note: CommitNote, next_offset: int) -> bool:
        """Make a committed file visible; doing it twice does no harm. False where the file is gone for good."""
        if note.file is None or note.temporary is None:
            return True
        folder = self._real / note.topic_id
        final, temporary = folder / note.file, folder / OPEN_FOLDER / note.temporary
        with storage_errors(final):
            make_folders(final.parent)
            try:
                os.rename(temporary, final)
            except FileNotFoundError:
                if not final.exists():
                    return (self._ledger.high_water(note.topic_id, partition) or -1) >= next_offset
            sync_folder(final.parent)
        self._ledger.raise_high_water(note.topic_id, partition, next_offset, file=note.file)
        return True

    def begin(self, source: TopicPartition, topic_id: str, committed: Committed | None) -> Start:
        """Finish what the last owner left, remove what it never committed, and say where to read from."""
        note = None if committed is None else CommitNote.parse(committed.metadata)
        start = self._start(source, topic_id, committed, note)
        incarnations = {topic_id} if note is None else {topic_id, note.topic_id}
        for incarnation in incarnations:
            removed = remove_abandoned(self._real / incarnation / OPEN_FOLDER, source.partition, keep=None)
            if removed:
                self._log.info("removed files that were never committed", partition=source.partition, files=removed)
        return start

    def _start(
        self, source: TopicPartition, topic_id: str, committed: Committed | None, note: CommitNote | None
    ) -> Start:
        mark = self._ledger.high_water(topic_id, source.partition)
        if committed is None:
            return Start(position=mark)
        if note is None:
            skipped = mark if mark is not None and mark < committed.offset else None
            return Start(position=committed.offset, gap_from=skipped)
        published = self.publish(source.partition, note, committed.offset)
        if note.topic_id != topic_id:
            self._log.warning("the topic was made anew: archiving it from its start", topic_id=topic_id)
            return Start(position=mark)
        if not published:
            self._log.error("a committed file is gone: its range is read again", file=note.file, first=note.first)
            return Start(position=note.first)
        return Start(position=committed.offset)

    def record_gap(self, source: TopicPartition, topic_id: str, expected: int, available: int, reason: str) -> None:
        """Write down that events were lost before they were archived, and say so."""
        gap = RecordedGap(
            topic=source.topic,
            topic_id=topic_id,
            partition=source.partition,
            expected=expected,
            available=available,
            noticed_ms=self._clock.now_ms(),
            reason=reason,
        )
        if self._ledger.record_gap(gap):
            self._log.error(
                "events are missing from the archive",
                partition=source.partition,
                expected=expected,
                available=available,
                reason=reason,
            )
