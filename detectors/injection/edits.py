"""Edits of an Arrow table as indices into pools of values: types, nulls and untouched values stay exactly as they were.

Each edited column is its old values with new ones appended, and an index that says which value each row takes.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.features import column_of
from detectors.injection.truth import FloatArray, IntArray

Rows = npt.NDArray[np.intp] | IntArray


class Edits:
    """Collects edits of one table; the table itself is never changed."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._index: dict[str, IntArray] = {}
        self._extra: dict[str, list[pa.Array]] = {}
        self._pool: dict[str, int] = {}

    def copy(self, name: str, rows: Rows, from_rows: Rows | int) -> None:
        """`rows` take the values that `from_rows` had before any edit."""
        self._rows_of(name)[rows] = from_rows

    def swap(self, name: str, a: Rows, b: Rows) -> None:
        """Rows `a` and `b` change values."""
        self.copy(name, a, b)
        self.copy(name, b, a)

    def put(self, name: str, rows: Rows, values: pa.Array) -> None:
        """`rows` take new values, one each, of the column's own type."""
        index = self._rows_of(name)
        index[rows] = self._pool[name] + np.arange(len(values))
        self._extra[name].append(values)
        self._pool[name] += len(values)

    def put_numbers(self, name: str, rows: Rows, numbers: FloatArray) -> None:
        """`rows` take new numbers: rounded where the column holds integers, and kept within its type."""
        self.put(name, rows, as_column(numbers, self._table.schema.field(name).type))

    def finish(self) -> pa.Table:
        """The edited table, with the schema of the old one."""
        made = self._table
        for name, index in self._index.items():
            at = made.schema.get_field_index(name)
            pool = pa.concat_arrays([_whole(self._table, name), *self._extra[name]])
            made = made.set_column(at, self._table.schema.field(at), pool.take(pa.array(index)))
        return made

    def _rows_of(self, name: str) -> IntArray:
        if name not in self._index:
            self._index[name] = np.arange(self._table.num_rows, dtype=np.int64)
            self._extra[name], self._pool[name] = [], self._table.num_rows
        return self._index[name]


def as_column(numbers: FloatArray, arrow_type: pa.DataType) -> pa.Array:
    """Numbers as a column's type; integers are rounded and kept within 53 bits, where doubles are exact."""
    if pa.types.is_integer(arrow_type):
        limit = min(2.0**53, 2.0 ** (arrow_type.bit_width - 1) - 1)
        return pa.array(np.clip(np.round(numbers), -limit, limit).astype(np.int64)).cast(arrow_type)
    return pa.array(numbers).cast(arrow_type)


def _whole(table: pa.Table, name: str) -> pa.Array:
    column = column_of(table, name)
    if column is None:
        raise KeyError(f"no column {name!r}, or two of that name")
    return column
