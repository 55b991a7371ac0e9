"""The work of one hop, without Kafka: blocks in, records for the next topic out.

The split decodes source records; what cannot be used becomes a dead letter there and nowhere else. Every later hop
reads records of ours, and derives the columns of its key from its partition's rows, in order of offset.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pipeline.codecs.base import Reject, RejectReason
from pipeline.config import CodecFormat
from pipeline.deadletters import dead_letter_records
from pipeline.intake import Intake, Taken
from pipeline.kafka.port import Block, Int64Array, OutRecord, TopicPartition
from pipeline.repartition.partitioner import partitions_of
from pipeline.repartition.plan import SOURCE_PARTITION, Hop
from pipeline.repartition.rows import MAX_RECORD_BYTES, Cut, cut_into_records, merged_by_time, order_home, with_origin

Enrich = Callable[[Block, Taken], pa.RecordBatch]
TOO_LARGE = "larger than a record can be once it is rewritten: send less text in one event"


@dataclass(slots=True, kw_only=True)
class Moved:
    """What a batch came to, before the transaction that makes it true."""

    records: list[OutRecord] = field(default_factory=list)
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    events: int = 0
    seen: dict[TopicPartition, int] = field(default_factory=dict)
    """Events of each partition, rejects included."""
    rejects: dict[TopicPartition, dict[str, int]] = field(default_factory=dict)
    """By partition and reason."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """One block's rows as they are sent on."""

    block: Block
    taken: Taken
    batch: pa.RecordBatch


class Mover:
    """Moves batches of one hop. Holds nothing between batches but what `enrich` does."""

    def __init__(self, hop: Hop, enrich: Enrich | None) -> None:
        """`enrich` derives the hop's columns; None for the split, which derives nothing."""
        self._hop, self._enrich = hop, enrich
        self._intake = Intake(hop.reads)
        self.target_partitions = 1
        """Of the topic written to; kept up to date by whoever knows."""

    def move(self, blocks: Sequence[Block], *, poison: bool) -> Moved:
        """The batch's records. With `poison` the records of the batch are refused without being decoded."""
        moved = Moved()
        rows = [self._taken(block, poison=poison) for block in blocks]
        for part in rows:
            moved.positions[part.block.source] = part.block.next_offset
            self._reject(moved, part, part.taken.rejects)
            moved.events += part.batch.num_rows
            source = part.block.source
            moved.seen[source] = moved.seen.get(source, 0) + part.batch.num_rows + len(part.taken.rejects)
        some = [part for part in rows if part.batch.num_rows]
        if some:
            self._send(moved, some)
        return moved

    def _taken(self, block: Block, *, poison: bool) -> _Rows:
        taken = self._intake.refuse(block) if poison else self._intake.take(block)
        if self._enrich is None:
            return _Rows(block, taken, with_origin(self._hop.reads, block, taken))
        return _Rows(block, taken, self._enrich(block, taken))

    def _send(self, moved: Moved, rows: Sequence[_Rows]) -> None:
        cut, order = self._cut(rows)
        moved.records += cut.records
        if not cut.too_large:
            return
        ends = np.cumsum([part.batch.num_rows for part in rows])
        for at in sorted(int(order[row]) for row in cut.too_large):
            number = int(np.searchsorted(ends, at, side="right"))
            part = rows[number]
            self._reject(moved, part, [self._too_large(part, at - int(ends[number]) + part.batch.num_rows)])
            moved.events -= 1

    def _cut(self, rows: Sequence[_Rows]) -> tuple[Cut, Int64Array]:
        """The records of all rows, and the order they were put in."""
        batch = pa.concat_batches([part.batch for part in rows]) if len(rows) > 1 else rows[0].batch
        home = self._hop.key is None
        order = order_home(batch) if home else merged_by_time([part.taken.time_ms for part in rows])
        batch = batch.take(pa.array(order))
        if self._hop.key is None:
            targets = batch[SOURCE_PARTITION].to_numpy()
            batch = batch.drop_columns([SOURCE_PARTITION])
        else:
            targets = partitions_of(batch, self._hop.key, self.target_partitions)
        most = MAX_RECORD_BYTES if self._hop.is_split else None
        return cut_into_records(batch, targets, self._hop.target, most_bytes=most), order.astype(np.int64)

    def _reject(self, moved: Moved, part: _Rows, rejects: Sequence[Reject]) -> None:
        moved.records += dead_letter_records(self._hop.reads, part.block, rejects)
        reasons = moved.rejects.setdefault(part.block.source, {})
        for reject in rejects:
            reasons[reject.reason.value] = reasons.get(reject.reason.value, 0) + 1

    def _too_large(self, part: _Rows, row: int) -> Reject:
        record = int(np.searchsorted(part.block.offsets, part.taken.offsets[row]))
        in_record = None if self._hop.reads.format is CodecFormat.JSON else int(part.taken.rows[row])
        return Reject(record=record, row=in_record, reason=RejectReason.TOO_LARGE, detail=TOO_LARGE)
