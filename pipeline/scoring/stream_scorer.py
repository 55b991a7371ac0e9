"""Scores one batch of one stream: blocks in, output records and staged state out. No Kafka.

`forward.py` decodes and scores; here the scores become records, and flagged rows become changes of the partitions'
alert state. Shape legend: B rows of one partition in the batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from detectors.columns import Role
from detectors.score_drift import LEVELS, counts_below_levels
from pipeline.alerts.identity import entity_key
from pipeline.alerts.model import Flagged
from pipeline.alerts.staged import Staged
from pipeline.config import StreamSpec
from pipeline.deadletters import dead_letter_records
from pipeline.feedback.rules import NO_RULES, QuietRules
from pipeline.feedback.verdicts import taught_by
from pipeline.intake import Intake
from pipeline.kafka.port import Block, OutRecord, TopicPartition
from pipeline.model_store import Bundle
from pipeline.scoring.batch_quality import Blame
from pipeline.scoring.forward import Enrich, Forward, ScoredPiece
from pipeline.scoring.output import Places, alert_records, changelog_records, score_records
from pipeline.scoring.partitions import PartitionState


@dataclass(slots=True, kw_only=True)
class Scored:
    """What a batch came to, before the transaction that makes it true."""

    records: list[OutRecord] = field(default_factory=list)
    staged: list[tuple[PartitionState, Staged]] = field(default_factory=list)
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    events: int = 0
    rejects: dict[TopicPartition, dict[str, int]] = field(default_factory=dict)
    """By partition and reason."""
    seen: dict[TopicPartition, int] = field(default_factory=dict)
    """Events of each partition, rejects included."""
    flagged: int = 0
    late: int = 0
    unknown_fields: frozenset[str] = frozenset()
    absent_columns: frozenset[str] = frozenset()
    """Columns the model was trained on that brought no value in the whole batch."""
    oldest_time_ms: int | None = None
    newest_time_ms: int | None = None
    oldest_append_ms: int | None = None
    model_id: str = ""
    """That every row was scored with."""
    below_levels: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(LEVELS), dtype=np.int64))
    """Rows with a tail probability below each of the drift's levels."""

    def count(self, piece: ScoredPiece) -> None:
        """Count a piece's events and rejects."""
        source, taken = piece.block.source, piece.taken
        reasons = self.rejects.setdefault(source, {})
        for reject in taken.rejects:
            reasons[reject.reason.value] = reasons.get(reject.reason.value, 0) + 1
        self.events += taken.batch.num_rows
        self.seen[source] = self.seen.get(source, 0) + taken.batch.num_rows + len(taken.rejects)
        self.flagged += len(piece.flagged)
        self.below_levels += counts_below_levels(piece.tail_B)
        self.unknown_fields |= taken.unknown_fields
        self.positions[source] = piece.block.next_offset
        oldest = int(piece.block.timestamps_ms[0])
        self.oldest_append_ms = oldest if self.oldest_append_ms is None else min(self.oldest_append_ms, oldest)
        if len(taken.time_ms):
            low, high = int(taken.time_ms.min()), int(taken.time_ms.max())
            self.oldest_time_ms = low if self.oldest_time_ms is None else min(self.oldest_time_ms, low)
            self.newest_time_ms = high if self.newest_time_ms is None else max(self.newest_time_ms, high)


class StreamScorer:
    """Scores batches of one stream. Holds nothing between batches: partitions' states are handed in."""

    def __init__(self, spec: StreamSpec, enrich: Enrich | None = None) -> None:
        self.spec = spec
        shown = [column.name for column in spec.columns if Role.LABEL not in column.roles]
        self._forward = Forward(Intake(spec), shown, enrich)
        self._keys = spec.columns_with(Role.KEY)
        self._late_ms = round(spec.scoring.late_seconds * 1000)

    def score(
        self,
        blocks: Sequence[Block],
        states: Mapping[TopicPartition, PartitionState],
        bundle: Bundle,
        *,
        now_ms: int,
        poison: bool = False,
        quiet: QuietRules = NO_RULES,
    ) -> Scored:
        """Decode, score and decide. Staged state must be committed or discarded by the caller.

        With `poison`, the records are dead-lettered without being decoded. `quiet` are rules from people's verdicts;
        those that the bundle was taught by are passed over.
        """
        scored = Scored(model_id=bundle.model_id)
        parts: dict[TopicPartition, list[ScoredPiece]] = {}
        absent: list[frozenset[str]] = []
        for piece in self._forward.run(blocks, bundle, poison=poison):
            scored.count(piece)
            scored.records += dead_letter_records(self.spec, piece.block, piece.taken.rejects)
            parts.setdefault(piece.block.source, []).append(piece)
            if piece.taken.batch.num_rows:
                absent.append(piece.taken.absent_columns)
        if absent:
            scored.absent_columns = frozenset.intersection(*absent) & frozenset(bundle.detector.feature_names)
        quiet = quiet.without(taught_by(bundle.facts))
        for source, pieces in parts.items():
            self._decide(states[source], pieces, bundle, scored, now_ms, quiet)
        return scored

    def _decide(
        self,
        state: PartitionState,
        pieces: Sequence[ScoredPiece],
        bundle: Bundle,
        scored: Scored,
        now_ms: int,
        quiet: QuietRules,
    ) -> None:
        """The records of one partition's rows, and what they change in its alerts."""
        places = Places.of(pieces)
        watermarks_B = _watermarks(places.time_ms, state.watermark_ms)
        scored.late += int(np.count_nonzero(places.time_ms < watermarks_B - self._late_ms))
        scored.records += score_records(self.spec, state.source, bundle.model_id, places)
        blames = iter(state.quality.observe(pieces, watermarks_B, bundle.profile))
        flagged, start = list[Flagged](), 0
        for piece in pieces:
            flagged += self._flagged(piece, watermarks_B[start:], blames)
            start += piece.taken.batch.num_rows
        if len(watermarks_B):
            state.watermark_ms = int(watermarks_B[-1])
        at_threshold = bundle.threshold.tail_probability(np.array([bundle.threshold.nats]))
        stage = state.engine.observe(
            flagged,
            watermark_ms=state.watermark_ms or 0,
            now_ms=now_ms,
            model_id=bundle.model_id,
            threshold_nats=bundle.threshold.nats,
            threshold_probability=float(at_threshold[0]),
            quiet=quiet,
        )
        scored.records += alert_records(self.spec, stage.alerts)
        scored.records += changelog_records(self.spec, state.source.partition, stage.changelog)
        scored.staged.append((state, stage))

    def _flagged(
        self, piece: ScoredPiece, watermarks_B: npt.NDArray[np.int64], blames: Iterator[Blame]
    ) -> list[Flagged]:
        """A piece's flagged rows, as the alert engine takes them."""
        taken = piece.taken
        return [
            Flagged(
                offset=int(taken.offsets[f.row]),
                row=int(taken.rows[f.row]),
                time_ms=int(taken.time_ms[f.row]),
                append_time_ms=int(taken.append_ms[f.row]),
                key=self.key_of(f.event),
                score_nats=float(piece.scores_B[f.row]),
                tail_probability=float(piece.tail_B[f.row]),
                reasons=f.reasons,
                event=f.event,
                watermark_ms=int(watermarks_B[f.row]),
                cause=blame.cause,
                cause_detail=blame.detail,
            )
            for f, blame in zip(piece.flagged, blames, strict=False)
        ]

    def key_of(self, event: Mapping[str, Any]) -> str | None:
        """The entity an event belongs to; several key columns are joined. None for a stream without keys."""
        return entity_key(event, self._keys)

    def close(self) -> None:
        """End the decoding thread."""
        self._forward.close()


def _watermarks(time_ms: npt.NDArray[np.int64], before: int | None) -> npt.NDArray[np.int64]:
    """The newest time up to and including each row, shape (B,)."""
    if not len(time_ms):
        return time_ms
    running = np.maximum.accumulate(time_ms)
    return running if before is None else np.maximum(running, before)
