"""Verdicts on alerts → verdicts on archived rows: what the next training is taught by.

An alert covers the flagged rows of one key (of a storm: of any key) from its first offset to its last. The rows at its
ends were flagged for certain; those between only where the caller says that they are (`flagged_B`, by the champion).
Not seen: rows of another incarnation of the topic, and what an alert of silence or rejects stands for.

Shape legend: B rows of a batch.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.feedback.labels import RowLabels
from pipeline.alerts.identity import entity_key
from pipeline.alerts.model import AlertKind
from pipeline.feedback.verdicts import FACT, Feedback, Said, Verdict, standing, taught_by

__all__ = ["FACT", "FeedbackLabels", "JudgedRange", "feedback_fact", "labels_of", "taught_by"]

Hashed = Callable[[str | None], str | None]
"""An entity's key → what alerts carry of it: `Masker.key_hash` of the topic's incarnation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRange:
    """The rows of one judged alert."""

    feedback_id: int
    confirmed: bool
    first_offset: int
    last_offset: int
    key_hash: str | None
    any_key: bool
    """Of a storm."""


@dataclass(frozen=True, slots=True)
class FeedbackLabels:
    """All that people said of a stream's alerts, by (topic id, partition)."""

    ranges: dict[tuple[str, int], tuple[JudgedRange, ...]]

    @property
    def feedback_ids(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(sorted(r.feedback_id for ranges in self.ranges.values() for r in ranges))

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def of(
        self,
        batch: pa.RecordBatch,
        offsets_B: npt.NDArray[np.int64],
        *,
        topic_id: str,
        partition: int,
        key_columns: Sequence[str],
        hashed: Hashed,
        flagged_B: npt.NDArray[np.bool_] | None = None,
        met: set[int] | None = None,
    ) -> RowLabels:
        """Which rows of a batch are judged. `batch` is as the stream's spec types it, its key columns included;
        `hashed` is `lambda key: masker.key_hash(key, topic_id=topic_id)`. Where verdicts on a row differ, the newer
        one holds. The verdicts that found a row are added to `met`."""
        verdict_B = np.zeros(len(offsets_B), dtype=np.int8)
        keys: dict[int, str | None] = {}
        for judged in self.ranges.get((topic_id, partition), ()):
            inside = np.flatnonzero((offsets_B >= judged.first_offset) & (offsets_B <= judged.last_offset))
            ends = np.isin(offsets_B[inside], (judged.first_offset, judged.last_offset))
            flagged = inside[ends] if flagged_B is None else inside[ends | flagged_B[inside]]
            for row in flagged.tolist():
                if row not in keys:
                    keys[row] = hashed(_key(batch, row, key_columns))
                if judged.any_key or keys[row] == judged.key_hash:
                    verdict_B[row] = 1 if judged.confirmed else -1
                    if met is not None:
                        met.add(judged.feedback_id)
        return RowLabels(verdict_B == 1, verdict_B == -1)


def labels_of(feedback: Iterable[Feedback]) -> FeedbackLabels:
    """What entries of the catalogue say of rows."""
    ranges: dict[tuple[str, int], list[JudgedRange]] = defaultdict(list)
    for said in standing(feedback):
        alert = said.alert
        if alert.kind not in (AlertKind.ANOMALY, AlertKind.STORM):
            continue
        ranges[alert.topic_id, alert.partition].append(_range(said))
    return FeedbackLabels({place: tuple(found) for place, found in ranges.items()})


def feedback_fact(
    labels: FeedbackLabels, *, confirmed_rows: int, false_positive_rows: int, met: Collection[int] | None = None
) -> dict[str, Any]:
    """What a bundle's facts say under `FACT`: the verdicts it was taught by (`met`: those that found a row it learned
    from; all, where nobody kept account), and how many rows those were. Scorers end their rules for these."""
    return {
        "feedback_ids": list(labels.feedback_ids) if met is None else sorted(met),
        "confirmed_rows": confirmed_rows,
        "false_positive_rows": false_positive_rows,
    }


def _range(said: Said) -> JudgedRange:
    alert = said.alert
    return JudgedRange(
        feedback_id=said.feedback_id,
        confirmed=said.verdict is Verdict.CONFIRMED,
        first_offset=alert.first_offset,
        last_offset=alert.last_offset,
        key_hash=alert.key_hash,
        any_key=alert.kind is AlertKind.STORM,
    )


def _key(batch: pa.RecordBatch, row: int, columns: Sequence[str]) -> str | None:
    return entity_key({name: batch[name][row].as_py() for name in columns}, columns)
