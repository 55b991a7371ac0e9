"""The newest rows of one partition, kept as they came, so that a flagged row can be judged by those before it.

Kept by row, not by batch: what lies within the last so many rows is the same however they were cut into batches.
Shape legend: B rows of a batch, H rows held, R rejected events.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.batch_faults import REPEAT_ROWS
from pipeline.batch_profile import LONG
from pipeline.intake import Taken
from pipeline.kafka.port import Block, Int64Array

HELD_ROWS = LONG + REPEAT_ROWS
MOST_SPARE_ROWS = 4 * HELD_ROWS
"""Beyond the rows held: copying is dearer than holding on to one piece of a block."""
MOST_CHUNKS = 64
"""Small batches are joined beyond so many, so that none is copied often."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive rows. B rows."""

    batch: pa.RecordBatch
    times_ms: Int64Array
    newest_ms: Int64Array
    """Shape (B,): the newest time up to and including each row."""
    rejected: Int64Array
    """Shape (B,): events rejected before each row, counted from the partition's first."""

    def copied(self, rows: int) -> "Chunk":
        """Its last rows, in memory of their own: a slice would hold on to all of it."""
        start = len(self.times_ms) - rows
        kept = self.batch.take(pa.array(np.arange(start, len(self.times_ms))))
        return Chunk(kept, self.times_ms[start:].copy(), self.newest_ms[start:].copy(), self.rejected[start:].copy())


class RecentRows:
    """At least the last `HELD_ROWS` rows, where there were as many."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._chunks: deque[Chunk] = deque()
        self._rejected = 0
        self.held = 0
        """Rows held now."""
        self.seen = 0
        """Rows taken in so far."""

    def add(self, block: Block, taken: Taken, newest_ms: Int64Array) -> None:
        """The next rows of the partition, of one piece of a block, and what was rejected among them."""
        rows = taken.batch.num_rows
        if rows:
            rejected = self._rejected + _rejected_before(block, taken)
            self._chunks.append(Chunk(taken.batch.select(self._columns), taken.time_ms, newest_ms, rejected))
        self._rejected += len(taken.rejects)
        self.seen += rows
        self.held += rows

    def trim(self) -> None:
        """Let go of rows that no row to come will be judged by."""
        while self._chunks and self.held - len(self._chunks[0].times_ms) >= HELD_ROWS:
            self.held -= len(self._chunks.popleft().times_ms)
        too_many = self.held - HELD_ROWS
        if too_many > MOST_SPARE_ROWS:
            first = self._chunks.popleft()
            self._chunks.appendleft(first.copied(len(first.times_ms) - too_many))
            self.held = HELD_ROWS
        if len(self._chunks) > MOST_CHUNKS:
            self._chunks = deque([_concatenated(list(self._chunks)).copied(min(self.held, HELD_ROWS))])
            self.held = len(self._chunks[0].times_ms)

    def joined(self) -> "Rows":
        """All rows held. There must be one at least."""
        return Rows(tuple(self._chunks))


class Rows:
    """Rows of several chunks as one; a column is put together only when it is asked for."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._chunks = chunks

    def __len__(self) -> int:
        return sum(len(chunk.times_ms) for chunk in self._chunks)

    def column(self, name: str) -> pa.Array | None:
        """A column of the events, (H,); None where it is not kept."""
        if self._chunks[0].batch.schema.get_field_index(name) < 0:
            return None
        parts = [chunk.batch.column(name) for chunk in self._chunks]
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)

    @property
    def times_ms(self) -> Int64Array:
        """Shape (H,)."""
        return np.concatenate([chunk.times_ms for chunk in self._chunks])

    @property
    def newest_ms(self) -> Int64Array:
        """Shape (H,): the newest time up to and including each row."""
        return np.concatenate([chunk.newest_ms for chunk in self._chunks])

    @property
    def rejected(self) -> Int64Array:
        """Shape (H,): events rejected before each row."""
        return np.concatenate([chunk.rejected for chunk in self._chunks])


def _concatenated(chunks: Sequence[Chunk]) -> Chunk:
    return Chunk(
        pa.concat_batches([chunk.batch for chunk in chunks]),
        np.concatenate([chunk.times_ms for chunk in chunks]),
        np.concatenate([chunk.newest_ms for chunk in chunks]),
        np.concatenate([chunk.rejected for chunk in chunks]),
    )


def _rejected_before(block: Block, taken: Taken) -> Int64Array:
    """How many of the piece's rejects lie before each of its rows, (B,)."""
    if not taken.rejects:
        return np.zeros(taken.batch.num_rows, dtype=np.int64)
    places = np.array([(block.offsets[r.record], -1 if r.row is None else r.row) for r in taken.rejects], np.int64)
    places = _ordered(places[:, 0], places[:, 1])
    return np.searchsorted(places, _ordered(taken.offsets, taken.rows.astype(np.int64))).astype(np.int64)


def _ordered(offsets: Int64Array, rows: Int64Array) -> Int64Array:
    """One number a place, in the order of places; a record has fewer than 2²⁰ rows."""
    return np.asarray((offsets << np.int64(20)) + rows + 1, dtype=np.int64)
