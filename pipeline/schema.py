"""The contract of a stream: what an event that could be decoded must still hold to be used.

Kinds and ranges are the codecs' business (`codecs/finish.py`: every number is finite, every time between 1700 and
2200). Here: columns that must have a value have one, and no event comes from the future, since one that did would
move the stream's clock for all that follow.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Role
from pipeline.codecs.base import RejectReason
from pipeline.codecs.finish import BadRow
from pipeline.config import Missing, StreamSpec
from pipeline.kafka.port import Int64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldReport:
    """How events' fields differ from the spec's columns."""

    added: frozenset[str]
    """Fields the spec does not have: ignored, and counted."""
    absent: frozenset[str]
    """Columns without one value in the whole batch: scored as missing, and counted."""


class Contract:
    """Checks decoded batches of one stream."""

    def __init__(self, spec: StreamSpec) -> None:
        self._required = [(i, c.name) for i, c in enumerate(spec.columns) if c.missing is Missing.REJECTED]
        time = spec.column_with(Role.TIME)
        self._time = None if time is None else (spec.schema().get_field_index(time), time)
        self._tolerance_ms = round(spec.scoring.future_tolerance_seconds * 1000)

    def event_times_ms(self, batch: pa.RecordBatch, append_ms: Int64Array) -> Int64Array:
        """Shape (B,): the event's own time where it has one, else when its record was appended."""
        if self._time is None:
            return append_ms
        micros = batch.column(self._time[0]).view(pa.int64())
        if micros.null_count:
            known = pc.if_else(micros.is_valid(), micros, pc.multiply(pa.array(append_ms), 1000))
            return np.asarray(known.to_numpy(zero_copy_only=False) // 1000, np.int64)
        return np.asarray(micros.to_numpy() // 1000, np.int64)

    def check(self, batch: pa.RecordBatch, append_ms: Int64Array, time_ms: Int64Array) -> tuple[BadRow, ...]:
        """The rows that break the contract, in row order, each with the first thing wrong with it.

        A record without a timestamp (negative) is no measure of the future, and is not measured by.
        """
        bad: dict[int, BadRow] = {}
        for index, name in self._required:
            column = batch.column(index)
            if column.null_count:
                detail = f"{name}: no value, and the spec says `missing: rejected`"
                _note(bad, np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)), detail, _MISSING)
        if self._time is not None:
            late = np.flatnonzero((time_ms > append_ms + self._tolerance_ms) & (append_ms >= 0))
            seconds = self._tolerance_ms / 1000
            detail = f"{self._time[1]}: dated more than {seconds:g} s after it was appended; check clocks and the unit"
            _note(bad, late, detail, RejectReason.FUTURE_TIME)
        return tuple(bad[row] for row in sorted(bad))


_MISSING = RejectReason.MISSING_VALUE


def field_report(batch: pa.RecordBatch, unknown_fields: frozenset[str]) -> FieldReport:
    """Fields added and columns absent in a decoded batch; no rows, no report of absence."""
    rows = batch.num_rows
    absent = (name for name, column in zip(batch.schema.names, batch.columns, strict=True) if column.null_count == rows)
    return FieldReport(added=unknown_fields, absent=frozenset(absent) if rows else frozenset())


def _note(bad: dict[int, BadRow], rows: npt.NDArray[np.intp], detail: str, reason: RejectReason) -> None:
    for row in rows.tolist():
        bad.setdefault(row, BadRow(row, reason, detail))
