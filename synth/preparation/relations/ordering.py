"""A column that is never smaller than others: learned as the gap to one of them, or held from below.

Shape legend: N rows.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, make_field
from synth.preparation.frame import Draw, FloatArray, Frame
from synth.preparation.relations.grid import Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """`column` ≥ each of `lower`, wherever both have values.

    With a `gap_name` the column is learned as its distance from the first of `lower`, which is right where the two
    move together; without, as it is, and raised to the lower ones where a model put it below them.
    """

    name: ClassVar[str] = "ordered"
    column: str
    lower: tuple[str, ...]
    gap_name: str | None
    grid: Grid
    grids: tuple[Grid, ...]
    """Of the lower columns."""
    greatest: float
    """No value of the training table was beyond."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The lower columns."""
        return self.lower

    def fields(self) -> tuple[pa.Field, ...]:
        """The gap, or the column itself."""
        whole = self.grid.whole and (self.gap_name is None or self.grids[0].whole)
        kind = pa.int64() if whole else pa.float64()
        return (make_field(self.gap_name or self.column, Kind.NUMERIC, arrow_type=kind),)

    def learned(self, source: Frame) -> tuple[pa.Array, ...]:
        """The gap, missing where one of the two is; or the column itself."""
        if self.gap_name is None:
            return (source[self.column],)
        numbers_N = gap(self.grid.numbers(source[self.column]), self.grids[0].numbers(source[self.lower[0]]))
        whole = self.grid.whole and self.grids[0].whole
        return (Grid(decimals=0, whole=whole).array(numbers_N),)

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """Not below any lower column, not beyond the greatest value of training unless one of those is."""
        lower = [grid.numbers(frame[name]) for name, grid in zip(self.lower, self.grids, strict=True)]
        if self.gap_name is None:
            numbers_N = self.grid.numbers(frame[self.column])
        else:
            gap_N = Grid().numbers(frame[self.gap_name])
            numbers_N = np.minimum(lower[0] + np.maximum(gap_N, 0.0), np.maximum(self.greatest, lower[0]))
        held_N = numbers_N
        for values_N in lower:
            held_N = np.where(values_N > held_N, values_N, held_N)
        changed = self.gap_name is not None or bool((held_N > numbers_N).any())
        return self.grid.array(self.grid.snapped(held_N, up=True)) if changed else frame[self.column]

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        how = f"learned as {self.gap_name}" if self.gap_name else "held from below"
        return f"{self.column} ≥ {', '.join(self.lower)}; {how}"


def gap(upper_N: FloatArray, lower_N: FloatArray) -> FloatArray:
    """The distance, (N,), rounded to 9 digits behind the point, which frees decimals of noise."""
    return np.asarray(np.round(upper_N - lower_N, 9), dtype=np.float64)
