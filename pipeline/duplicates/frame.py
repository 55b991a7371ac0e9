"""Rows as near duplicates are looked for in: numbers as they are, everything else as hashes.

Shape legend: N rows, F numeric columns, C other columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, kind_of
from detectors.context.hashing import hash_columns
from pipeline.duplicates.content import ContentColumns, UInt64Array
from pipeline.synthesis.fingerprint import hashable

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Frame:
    """The content of N rows."""

    numbers: FloatArray
    """(N, F); NaN where there is no value."""
    names: UInt64Array
    """(N, C): hashes; missing is a value."""
    columns: tuple[str, ...]
    """The F numeric columns, then the C others."""

    @property
    def rows(self) -> int:
        """N."""
        return len(self.numbers)

    def part(self, start: int, stop: int) -> "Frame":
        """Consecutive rows; no copy."""
        return Frame(self.numbers[start:stop], self.names[start:stop], self.columns)

    def shuffled(self, rng: np.random.Generator) -> "Frame":
        """As many rows with the values of each column drawn from that column alone: rows that know nothing of one
        another."""
        numbers, names = np.empty_like(self.numbers), np.empty_like(self.names)
        for made, values in ((numbers, self.numbers), (names, self.names)):
            for column in range(values.shape[1]):
                made[:, column] = values[rng.permutation(self.rows), column]
        return Frame(numbers, names, self.columns)


class FrameMaker:
    """Takes batches, gives the frame of at most so many rows at a time."""

    def __init__(self, schema: pa.Schema, columns: ContentColumns) -> None:
        numeric = [name for name in columns.content if _is_number(schema.field(name))]
        other = [name for name in columns.content if name not in numeric]
        self._numeric, self._other = tuple(numeric), tuple(other)
        self.columns = (*numeric, *other)
        self._numbers: list[FloatArray] = []
        self._names: list[UInt64Array] = []
        self.rows = 0
        """Taken and not given yet."""

    def take(self, batch: pa.RecordBatch) -> None:
        """The next rows."""
        rows = batch.num_rows
        self._numbers.append(_stacked([_floats(batch[name]) for name in self._numeric], rows, np.float64))
        self._names.append(
            _stacked([hash_columns([hashable(batch[name])], rows) for name in self._other], rows, np.uint64)
        )
        self.rows += rows

    def frame(self) -> Frame:
        """Everything taken since the last frame, which is let go of."""
        numbers = np.concatenate(self._numbers or [np.empty((0, len(self._numeric)))])
        names = np.concatenate(self._names or [np.empty((0, len(self._other)), np.uint64)])
        self._numbers, self._names, self.rows = [], [], 0
        return Frame(numbers, names, self.columns)


def _is_number(field: pa.Field) -> bool:
    """Whether values can be nearly equal: quantities. A whole number may be a name."""
    kind = kind_of(field)
    number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    return kind is Kind.NUMERIC if kind is not None else number


def _floats(column: pa.Array) -> FloatArray:
    values = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64) + 0.0


def _stacked(columns: Sequence[npt.NDArray[Any]], rows: int, kind: type) -> npt.NDArray[Any]:
    made: npt.NDArray[Any] = np.empty((rows, len(columns)), dtype=kind)
    for place, values in enumerate(columns):
        made[:, place] = values
    return made
