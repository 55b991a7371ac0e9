"""Rows that break hard rules, for leaving them out of training: impossible numbers, absent values of columns that
never lack one, moments that cannot be.

Shape legend: B rows of a batch.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.expectations.suite import ColumnSuite, Limits, Suite

NEVER_MISSING = 0.01
"""A column of which at most this share may be missing is one that never lacks a value."""
FIRST_MS, LAST_MS = 0, 32_503_680_000_000
"""1970 and 3000: no event is from outside."""


def bad_rows(batch: pa.RecordBatch, suite: Suite) -> npt.NDArray[np.bool_]:
    """Which rows of a batch break a hard rule, (B,). Columns that the batch lacks, or has as another type, say nothing;
    so do entries of severity warning."""
    bad = np.zeros(batch.num_rows, np.bool_)
    for name, entries in suite.columns.items():
        if name in batch.schema.names:
            bad |= _of_column(batch[name], entries)
    return bad


def _of_column(values: pa.Array, entries: ColumnSuite) -> npt.NDArray[np.bool_]:
    bad = np.zeros(len(values), np.bool_)
    missing = entries.missing
    if missing is not None and missing.severity == "critical" and (missing.most or 0.0) <= NEVER_MISSING:
        bad |= np.asarray(pc.is_null(values, nan_is_null=True).to_numpy(zero_copy_only=False), np.bool_)
    if pa.types.is_timestamp(values.type):
        moments = pc.fill_null(values.cast(pa.timestamp("ms", values.type.tz), safe=False).cast(pa.int64()), FIRST_MS)
        milliseconds = np.asarray(moments.to_numpy(zero_copy_only=False), np.int64)
        return np.asarray(bad | (milliseconds < FIRST_MS) | (milliseconds > LAST_MS))
    is_number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if entries.limits is not None and entries.limits.severity == "critical" and is_number:
        bad |= _outside(values, entries.limits)
    return bad


def _outside(values: pa.Array, limits: Limits) -> npt.NDArray[np.bool_]:
    numbers = np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    outside = np.zeros(len(numbers), np.bool_)
    if limits.least is not None:
        outside |= numbers < limits.least
    if limits.most is not None:
        outside |= numbers > limits.most
    return outside
