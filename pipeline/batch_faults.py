"""Faults that events have as a batch: values missing, out of range or never seen, clocks that stand still, repetitions.

A fault marks single rows; how many of the last rows are marked, held against how many usually are
(`batch_profile.py`), says whether the data are bad. Shape legend: B rows.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind

BoolArray = npt.NDArray[np.bool_]
Int64Array = npt.NDArray[np.int64]

REPEAT_ROWS = 256
"""How far back an id is looked for."""


class Fault(StrEnum):
    """What may be wrong with events as data, whatever they say."""

    MISSING = "missing"
    """A column without a value."""
    OUTSIDE = "outside"
    """A number beyond those that training saw."""
    UNSEEN = "unseen"
    """A level that training never saw."""
    LATE = "late"
    """Dated earlier than the newest event by more than the stream's tolerance."""
    STALLED = "stalled"
    """Dated no later than the newest event before it: the clock stands still."""
    REPEATED = "repeated"
    """An event id that a row shortly before it has."""
    REJECTED = "rejected"
    """Events that cannot be read or do not keep the contract."""


OF_COLUMNS = (Fault.MISSING, Fault.OUTSIDE, Fault.UNSEEN)
OF_STREAM = (Fault.LATE, Fault.STALLED, Fault.REPEATED, Fault.REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnBounds:
    """What a column holds when nothing is wrong with it."""

    name: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    """Of numbers; None where the column holds none."""
    levels: frozenset[str | int] | None = None
    """Of categories; None where there are too many to tell new ones apart."""

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Those that this column can show."""
        outside = (Fault.OUTSIDE,) if self.low is not None else ()
        unseen = (Fault.UNSEEN,) if self.levels is not None else ()
        return (Fault.MISSING, *outside, *unseen)

    def shows(self, fault: Fault, value: object) -> bool:
        """Whether a single value shows a fault."""
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return fault is Fault.MISSING
        if fault is Fault.OUTSIDE and self.low is not None and self.high is not None:
            return isinstance(value, int | float) and not self.low <= value <= self.high
        return fault is Fault.UNSEEN and self.levels is not None and value not in self.levels

    def marks(self, fault: Fault, column: pa.Array | None, rows: int) -> BoolArray:
        """Which rows show a fault, (B,). A column that is absent is missing in every row."""
        if column is None:
            return np.full(rows, fault is Fault.MISSING)
        if fault is Fault.MISSING:
            return missing(column)
        if fault is Fault.OUTSIDE:
            return self._outside(column)
        return self._unseen(column)

    def _outside(self, column: pa.Array) -> BoolArray:
        if self.low is None or self.high is None or column.null_count == len(column):
            return np.zeros(len(column), dtype=np.bool_)
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.asarray((values < self.low) | (values > self.high), dtype=np.bool_)  # NaN is neither

    def _unseen(self, column: pa.Array) -> BoolArray:
        coded = pc.dictionary_encode(column)
        known = np.array([value in (self.levels or ()) for value in coded.dictionary.to_pylist()] + [True])
        codes = pc.fill_null(coded.indices, len(known) - 1).to_numpy(zero_copy_only=False)
        return np.asarray(~known[codes], dtype=np.bool_)


def missing(column: pa.Array) -> BoolArray:
    """Which rows have no value, (B,): null, or not a number."""
    if not column.null_count and not pa.types.is_floating(column.type):
        return np.zeros(len(column), dtype=np.bool_)
    return np.asarray(pc.is_null(column, nan_is_null=True).to_numpy(zero_copy_only=False), dtype=np.bool_)


def stalled(newest_ms: Int64Array) -> BoolArray:
    """Which rows did not move the newest time on, (B,), given that time up to each row; the first is taken to have."""
    if not len(newest_ms):
        return np.zeros(0, dtype=np.bool_)
    return np.asarray(np.diff(newest_ms, prepend=newest_ms[0] - 1) <= 0, dtype=np.bool_)


def late(times_ms: Int64Array, newest_ms: Int64Array, late_ms: int) -> BoolArray:
    """Which rows are older than the newest up to them by more than `late_ms`, (B,)."""
    return np.asarray(times_ms < newest_ms - late_ms, dtype=np.bool_)


def repeated(ids: pa.Array) -> BoolArray:
    """Which rows have the id of one of the `REPEAT_ROWS` before them, (B,); rows without an id never do."""
    codes = pc.fill_null(pc.dictionary_encode(ids).indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    order = np.argsort(codes, kind="stable")
    gap = np.diff(order, prepend=-(REPEAT_ROWS + 1))
    same = np.diff(codes[order], prepend=-2) == 0
    found = np.zeros(len(codes), dtype=np.bool_)
    found[order[same & (gap <= REPEAT_ROWS) & (codes[order] >= 0)]] = True
    return found


def said(fault: Fault, column: str, share: str, rows: int, usually: str) -> str:
    """A fault in words, without any value of an event."""
    last = f"in {share} of the last {rows:,} events" + (f", usually {usually}" if usually else "")
    of_last = f"{share} of the last {rows:,} events"
    words = {
        Fault.MISSING: f"{column} is missing {last}",
        Fault.OUTSIDE: f"{column} is out of the range seen in training {last}",
        Fault.UNSEEN: f"{column} has values never seen in training {last}",
        Fault.LATE: f"{of_last} are late" + (f", usually {usually}" if usually else ""),
        Fault.STALLED: f"the event time stands still {last}",
        Fault.REPEATED: f"{of_last} repeat the id of one shortly before",
        Fault.REJECTED: f"{of_last} could not be read",
    }
    return words[fault]
