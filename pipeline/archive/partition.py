"""What is being gathered from one partition: rows in memory, row groups on disk, and the range they stand for.

Rows are *verified* once the topic was seen to be the same incarnation after they were fetched; only verified rows
are written. A topic made anew may answer a fetch meant for the old one, and its rows must not end in the old's file.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.archive.intake_port import TakenRows
from pipeline.archive.notes import CommitNote
from pipeline.archive.open_file import OpenParquet, temporary_name
from pipeline.kafka.port import Block, TopicPartition
from pipeline.lake.layout import OPEN_FOLDER, SYSTEM_FIELDS, relative_name


@dataclass(frozen=True, slots=True)
class _Entry:
    """One block as rows."""

    batch: pa.RecordBatch
    next_offset: int
    first_append_ms: int
    record_bytes: int
    events: int
    rejects: int


@dataclass(slots=True)
class Tally:
    """Sums over entries."""

    rows: int = 0
    record_bytes: int = 0
    events: int = 0
    rejects: int = 0
    arrow_bytes: int = 0

    def add(self, entry: _Entry, sign: int = 1) -> None:
        """Count an entry, or with sign −1 take it back."""
        self.rows += sign * entry.batch.num_rows
        self.record_bytes += sign * entry.record_bytes
        self.events += sign * entry.events
        self.rejects += sign * entry.rejects
        self.arrow_bytes += sign * entry.batch.nbytes


class OpenPartition:
    """The open range of one partition, from `first` to `position`."""

    def __init__(
        self,
        source: TopicPartition,
        *,
        topic_id: str,
        first: int,
        folder: Path,
        schema: pa.Schema,
        schema_version: int,
    ) -> None:
        self.source, self.topic_id, self.first, self.position = source, topic_id, first, first
        self.opened_at: float | None = None
        self.total = Tally()
        self.file_bytes = 0
        """Size of the finished file."""
        self._folder, self._schema, self._version = folder, schema, schema_version
        self._entries: list[_Entry] = []
        self._verified = 0
        self._buffered = Tally()
        self._flushed_to = first
        self._first_append_ms: int | None = None
        self._file: OpenParquet | None = None
        self._name = temporary_name(source.partition, first)

    def take(self, block: Block, taken: TakenRows, *, now: float) -> None:
        """Add a block. `now` is monotonic seconds, for the file's age."""
        entry = _Entry(
            batch=system_columns(taken, block.source.partition, self._version, self._schema),
            next_offset=block.next_offset,
            first_append_ms=int(block.timestamps_ms[0]),
            record_bytes=sum(len(value) for value in block.values if value is not None),
            events=taken.batch.num_rows + len(taken.rejects),
            rejects=len(taken.rejects),
        )
        self._entries.append(entry)
        self.total.add(entry)
        self._buffered.add(entry)
        self.position = entry.next_offset
        if self.opened_at is None:
            self.opened_at = now

    @property
    def buffered_bytes(self) -> int:
        """Arrow bytes in memory."""
        return self._buffered.arrow_bytes

    @property
    def buffered_rows(self) -> int:
        """Rows in memory."""
        return self._buffered.rows

    def verify(self) -> None:
        """Everything taken so far is known to be of `topic_id`."""
        self._verified = len(self._entries)

    @property
    def verified(self) -> bool:
        """True where nothing waits to be verified."""
        return self._verified == len(self._entries)

    def forget_unverified(self) -> None:
        """Take back what may be of another incarnation."""
        for entry in self._entries[self._verified :]:
            self.total.add(entry, -1)
            self._buffered.add(entry, -1)
        del self._entries[self._verified :]
        self.position = self._entries[-1].next_offset if self._entries else self._flushed_to

    def flush(self) -> None:
        """Write verified rows as one row group. Raises StorageUnavailableError."""
        entries = self._entries[: self._verified]
        rows = [e.batch for e in entries if e.batch.num_rows]
        if rows:
            if self._file is None:
                self._first_append_ms = next(e.first_append_ms for e in entries if e.batch.num_rows)
                self._file = OpenParquet(self._folder / OPEN_FOLDER / self._name, self._schema)
            self._file.write(pa.Table.from_batches(rows, schema=self._schema))
        for entry in entries:
            self._buffered.add(entry, -1)
            self._flushed_to = entry.next_offset
        del self._entries[: self._verified]
        self._verified = 0

    def finish(self) -> CommitNote:
        """Close the file and make it durable. The note names it; its file is None where there were no rows."""
        self.flush()
        if self._file is None or self._first_append_ms is None:
            return CommitNote(topic_id=self.topic_id, first=self.first)
        self.file_bytes = self._file.finish(
            {
                "eddyline.schema_version": str(self._version),
                "eddyline.topic": self.source.topic,
                "eddyline.topic_id": self.topic_id,
                "eddyline.rejects": str(self.total.rejects),
            }
        )
        name = relative_name(
            append_ms=self._first_append_ms,
            partition=self.source.partition,
            first=self.first,
            next_offset=self.position,
        )
        return CommitNote(topic_id=self.topic_id, first=self.first, file=name, temporary=self._name)

    def release(self) -> None:
        """The file is published, or its fate is decided by the committed offset: keep hands off."""
        if self._file is not None:
            self._file.release()

    def discard(self) -> None:
        """Forget the range and remove its temporary file: it was never committed."""
        self._entries.clear()
        if self._file is not None:
            self._file.discard()


def file_schema(stream: pa.Schema) -> pa.Schema:
    """A stream's columns followed by the system columns."""
    return pa.schema([*stream, *SYSTEM_FIELDS])


def system_columns(taken: TakenRows, partition: int, version: int, schema: pa.Schema) -> pa.RecordBatch:
    """Valid rows with where they came from."""
    rows = taken.batch.num_rows
    milliseconds = pa.timestamp("ms", tz="UTC")
    values = [
        pa.array(np.full(rows, partition, np.int32)),
        pa.array(taken.offsets),
        pa.array(taken.rows),
        pa.array(taken.append_ms).cast(milliseconds),
        pa.array(taken.time_ms).cast(milliseconds),
        pa.array(np.full(rows, version, np.int32)),
    ]
    return pa.RecordBatch.from_arrays([*taken.batch.columns, *values], schema=schema)
