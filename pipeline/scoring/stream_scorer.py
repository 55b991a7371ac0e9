"""Scores one batch of one stream: blocks in, output records and staged state out. No Kafka, no threads.

One forward pass a batch, across keys and partitions; reasons are worked out for flagged rows only.
Shape legend: B rows of the batch, all partitions together, each partition's rows side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.base import Reason
from detectors.columns import Role, names_with_role
from pipeline.alerts.model import Flagged
from pipeline.alerts.staged import Staged
from pipeline.config import StreamSpec
from pipeline.deadletters import dead_letter_records
from pipeline.intake import Intake, Taken
from pipeline.kafka.port import Block, OutRecord, TopicPartition
from pipeline.model_store import Bundle
from pipeline.scoring.output import alert_records, changelog_records, score_records
from pipeline.scoring.partitions import PartitionState

REASONS_PER_EVENT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What a batch came to, before the transaction that makes it true."""

    records: list[OutRecord]
    staged: list[tuple[PartitionState, Staged]]
    positions: dict[TopicPartition, int]
    events: int
    rejects: dict[TopicPartition, dict[str, int]]
    """By partition and reason."""
    flagged: int
    late: int
    unknown_fields: frozenset[str]
    absent_columns: frozenset[str]
    oldest_time_ms: int | None
    newest_time_ms: int | None
    oldest_append_ms: int | None
    seen: dict[TopicPartition, int]
    """Events of each partition, rejects included."""

    def events_in(self, source: TopicPartition) -> int:
        """Events of a partition, rejects included."""
        return self.seen[source]


@dataclass(slots=True)
class _Tally:
    rejects: dict[TopicPartition, dict[str, int]]
    late: int = 0
    flagged: int = 0
    unknown: frozenset[str] = frozenset()


class StreamScorer:
    """Scores batches of one stream. Holds nothing between batches: partitions' states are handed in."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self._intake = Intake(spec)
        self._labels = frozenset(names_with_role(spec.schema(), Role.LABEL))
        self._keys = spec.columns_with(Role.KEY)

    def score(
        self,
        blocks: Sequence[Block],
        states: Mapping[TopicPartition, PartitionState],
        bundle: Bundle,
        *,
        now_ms: int,
        poison: bool = False,
    ) -> Scored:
        """Decode, score and decide. Staged state must be committed or discarded by the caller.

        With `poison`, the records are dead-lettered without being decoded.
        """
        tally, records = _Tally(rejects={}), list[OutRecord]()
        by_partition: dict[TopicPartition, list[Taken]] = {}
        for block in blocks:
            taken = self._intake.refuse(block) if poison else self._intake.take(block)
            records += dead_letter_records(self.spec, block, taken.rejects)
            counts = tally.rejects.setdefault(block.source, {})
            for reject in taken.rejects:
                counts[reject.reason.value] = counts.get(reject.reason.value, 0) + 1
            tally.unknown |= taken.unknown_fields
            by_partition.setdefault(block.source, []).append(taken)
        parts = {source: _joined(pieces) for source, pieces in by_partition.items()}
        staged = self._decide(parts, states, bundle, records, tally, now_ms)
        oldest = [int(b.timestamps_ms[0]) for b in blocks if len(b)]
        times = [t.time_ms for t in parts.values() if len(t.time_ms)]
        return Scored(
            records=records,
            staged=staged,
            positions={b.source: b.next_offset for b in blocks},
            events=sum(t.batch.num_rows for t in parts.values()),
            rejects=tally.rejects,
            flagged=tally.flagged,
            late=tally.late,
            unknown_fields=tally.unknown,
            absent_columns=frozenset(bundle.detector.feature_names) - frozenset(self.spec.schema().names),
            oldest_time_ms=min((int(t.min()) for t in times), default=None),
            newest_time_ms=max((int(t.max()) for t in times), default=None),
            oldest_append_ms=min(oldest, default=None),
            seen={s: t.batch.num_rows + len(t.rejects) for s, t in parts.items()},
        )

    def _decide(
        self,
        parts: Mapping[TopicPartition, Taken],
        states: Mapping[TopicPartition, PartitionState],
        bundle: Bundle,
        records: list[OutRecord],
        tally: _Tally,
        now_ms: int,
    ) -> list[tuple[PartitionState, Staged]]:
        batch = pa.concat_batches([t.batch for t in parts.values()])
        scores_B = bundle.detector.score(batch)
        tail_B = bundle.threshold.tail_probability(scores_B)
        flags_B = bundle.threshold.flags(scores_B)
        flagged_rows = np.flatnonzero(flags_B)
        reasons, events = self._explained(batch, flagged_rows, bundle)
        tally.flagged = len(flagged_rows)
        staged, start = [], 0
        for source, taken in parts.items():
            state, end = states[source], start + taken.batch.num_rows
            rows = slice(start, end)
            records += score_records(
                self.spec, source, bundle.model_id, taken, scores_B[rows], tail_B[rows], flags_B[rows]
            )
            watermarks = _watermarks(taken.time_ms, state.watermark_ms)
            tally.late += int(np.count_nonzero(taken.time_ms < watermarks - self.spec.scoring.late_seconds * 1000))
            low, high = np.searchsorted(flagged_rows, (start, end))
            flagged = [
                self._flagged(
                    taken, int(flagged_rows[i]) - start, watermarks, scores_B, tail_B, start, reasons[i], events[i]
                )
                for i in range(low, high)
            ]
            stage = self._observe(state, flagged, watermarks, bundle, now_ms)
            records += alert_records(self.spec, stage.alerts)
            records += changelog_records(self.spec, source.partition, stage.changelog)
            staged.append((state, stage))
            start = end
        return staged

    def _observe(
        self,
        state: PartitionState,
        flagged: Sequence[Flagged],
        watermarks: npt.NDArray[np.int64],
        bundle: Bundle,
        now_ms: int,
    ) -> Staged:
        if len(watermarks):
            state.watermark_ms = int(watermarks[-1])
        at_threshold = bundle.threshold.tail_probability(np.array([bundle.threshold.nats]))
        return state.engine.observe(
            flagged,
            watermark_ms=state.watermark_ms or 0,
            now_ms=now_ms,
            model_id=bundle.model_id,
            threshold_nats=bundle.threshold.nats,
            threshold_probability=float(at_threshold[0]),
        )

    def _explained(
        self, batch: pa.RecordBatch, rows: npt.NDArray[np.int64], bundle: Bundle
    ) -> tuple[list[tuple[Reason, ...]], list[dict[str, Any]]]:
        """Reasons and plain values of the flagged rows."""
        if not len(rows):
            return [], []
        flagged = batch.take(pa.array(rows))
        shown = flagged.select([n for n in flagged.schema.names if n not in self._labels])
        return bundle.detector.explain(flagged, top=REASONS_PER_EVENT), [_plain(e) for e in shown.to_pylist()]

    def _flagged(
        self,
        taken: Taken,
        row: int,
        watermarks: npt.NDArray[np.int64],
        scores_B: npt.NDArray[np.float64],
        tail_B: npt.NDArray[np.float64],
        start: int,
        reasons: tuple[Reason, ...],
        event: dict[str, Any],
    ) -> Flagged:
        return Flagged(
            offset=int(taken.offsets[row]),
            row=int(taken.rows[row]),
            time_ms=int(taken.time_ms[row]),
            append_time_ms=int(taken.append_ms[row]),
            key=self.key_of(event),
            score_nats=float(scores_B[start + row]),
            tail_probability=float(tail_B[start + row]),
            reasons=reasons,
            event=event,
            watermark_ms=int(watermarks[row]),
        )

    def key_of(self, event: Mapping[str, Any]) -> str | None:
        """The entity an event belongs to; several key columns are joined. None for a stream without keys."""
        if not self._keys:
            return None
        return " / ".join("" if event.get(k) is None else str(event[k]) for k in self._keys)


def _joined(pieces: Sequence[Taken]) -> Taken:
    """Consecutive pieces of one partition as one."""
    if len(pieces) == 1:
        return pieces[0]
    return Taken(
        batch=pa.concat_batches([p.batch for p in pieces]),
        offsets=np.concatenate([p.offsets for p in pieces]),
        rows=np.concatenate([p.rows for p in pieces]),
        append_ms=np.concatenate([p.append_ms for p in pieces]),
        time_ms=np.concatenate([p.time_ms for p in pieces]),
        rejects=tuple(r for p in pieces for r in p.rejects),
        unknown_fields=frozenset().union(*(p.unknown_fields for p in pieces)),
    )


def _watermarks(time_ms: npt.NDArray[np.int64], before: int | None) -> npt.NDArray[np.int64]:
    """The newest time up to and including each row, shape (B,)."""
    if not len(time_ms):
        return time_ms
    running = np.maximum.accumulate(time_ms)
    return running if before is None else np.maximum(running, before)


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    """Times as ISO 8601, everything else as it is."""
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in event.items()}
