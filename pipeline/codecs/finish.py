"""Raw columns → the stream's own types, and the rows whose values no column can hold. Shared by all readers."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind
from pipeline.codecs.base import RejectReason
from pipeline.codecs.layout import Layout, RawColumn
from pipeline.codecs.times import Times, from_number, from_text
from pipeline.config import TimeUnit

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why."""

    row: int
    reason: RejectReason
    detail: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Typed columns of N rows, and the rows to be left out (the first reason each, in column order)."""

    batch: pa.RecordBatch
    bad: tuple[BadRow, ...]

    def keep(self) -> BoolArray:
        """Shape (N,): rows that are good."""
        mask = np.ones(self.batch.num_rows, np.bool_)
        mask[[b.row for b in self.bad]] = False
        return mask


def finish(raw: pa.RecordBatch, layout: Layout, schema: pa.Schema, *, finite: bool = False) -> Finished:
    """Turn times into timestamps, NaN into missing, and note what is out of range. Row by row, whatever its neighbours.

    `raw` has one column per column of the layout, in order, under its raw type or (times) a timestamp already.
    `finite` says that its numbers are known to be finite. On the way of good rows every call that lets go of the
    interpreter lock is one too many: getting it back can take a millisecond where another thread is busy.
    """
    columns: list[pa.Array] = []
    bad: dict[int, BadRow] = {}
    for column in layout.columns:
        array = raw.column(column.index)
        if column.spec.kind is Kind.TIME:
            array = _finish_time(column, array, bad)
        elif not finite and column.raw_type == pa.float64():
            array = _finish_float(column, array, bad)
        columns.append(array)
    return Finished(pa.RecordBatch.from_arrays(columns, schema=schema), tuple(bad[row] for row in sorted(bad)))


def surely_finite(array: pa.Array) -> bool:
    """Whether a float64 column has neither NaN nor infinity: false where it has, or where only a closer look can tell.

    One pass: a sum is finite only if all its terms are.
    """
    values = array.buffers()[1]
    if values is None or not len(array):
        return True
    terms = np.frombuffer(values, np.float64, len(array), array.offset * 8)
    with np.errstate(all="ignore"):
        return math.isfinite(np.add.reduce(terms))


def _finish_float(column: RawColumn, array: pa.Array, bad: dict[int, BadRow]) -> pa.Array:
    if surely_finite(array):
        return array
    values = array.to_numpy(zero_copy_only=False)
    infinite = np.isinf(values)
    if infinite.any():
        _note(bad, infinite, RejectReason.OUT_OF_RANGE, f"{column.shown}: infinite; send a finite number or null")
    if not array.null_count and not np.isnan(values).any():
        return array
    return pc.if_else(pc.is_nan(array), pa.scalar(None, pa.float64()), array)


def _finish_time(column: RawColumn, array: pa.Array, bad: dict[int, BadRow]) -> pa.Array:
    if pa.types.is_timestamp(array.type):
        times = from_number(array.cast(pa.timestamp("us", tz="UTC")).view(pa.int64()), TimeUnit.MICROSECONDS)
    elif pa.types.is_string(array.type):
        times = from_text(array)
    else:
        times = _from_number(array, column)
    if times.unreadable is not None:
        detail = f"{column.shown}: text that is no ISO 8601 time, such as 2026-01-31T12:00:00Z"
        _note(bad, times.unreadable, RejectReason.WRONG_TYPE, detail)
    if times.outside is not None:
        detail = f"{column.shown}: a time before 1700 or after 2200; check the column's unit ({column.spec.unit.value})"
        _note(bad, times.outside, RejectReason.OUT_OF_RANGE, detail)
    return times.values


def _from_number(array: pa.Array, column: RawColumn) -> Times:
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    return from_number(array, column.spec.unit)


def _note(bad: dict[int, BadRow], mask: BoolArray, reason: RejectReason, detail: str) -> None:
    for row in np.flatnonzero(mask):
        bad.setdefault(int(row), BadRow(int(row), reason, detail))
