"""Columns that the generator of streams adds, with their fields.

Shape legend: N rows.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import KIND_KEY, Kind, Role, make_field
from synth.streams.histories import FloatArray, Int64Array

NamedColumn = tuple[pa.Field, Any]


def number_column(name: str, values_N: FloatArray) -> NamedColumn:
    """Doubles; NaN is missing."""
    return make_field(name, Kind.NUMERIC, [Role.FEATURE]), pa.array(values_N, pa.float64(), from_pandas=True)


def integer_column(name: str, values_N: FloatArray | Int64Array) -> NamedColumn:
    """Integers; NaN is missing."""
    missing_N = np.isnan(values_N)
    field = make_field(name, Kind.NUMERIC, [Role.FEATURE], arrow_type=pa.int64())
    return field, pa.array(np.where(missing_N, 0, values_N).astype(np.int64), mask=missing_N)


def renamed(field: pa.Field, name: str) -> pa.Field:
    """A source's field under another name, of the same type and kind, without roles."""
    kind = (field.metadata or {}).get(KIND_KEY)
    return pa.field(name, field.type, nullable=True, metadata=None if kind is None else {KIND_KEY: kind})


def table_of(columns: Iterable[NamedColumn]) -> pa.Table:
    """The columns side by side."""
    made = list(columns)
    return pa.table([values for _, values in made], schema=pa.schema([field for field, _ in made]))


def side_by_side(*tables: pa.Table) -> pa.Table:
    """Tables of equally many rows as one."""
    return table_of(pair for table in tables for pair in zip(table.schema, table.columns, strict=True))


def numbers_of(table: pa.Table, name: str, *, missing: float = float("nan")) -> FloatArray:
    """A column as doubles."""
    doubles = pc.fill_null(table[name].cast(pa.float64(), safe=False), missing)
    return np.asarray(doubles.to_numpy(), dtype=np.float64)
