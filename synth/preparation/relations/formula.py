"""A number computed from others: a multiple and an offset, sums and differences of up to three, products.

Shape legend: N rows.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, make_field
from synth.preparation.frame import Draw, FloatArray, Frame
from synth.preparation.relations.grid import Grid

PARTLY = ", where all have values"


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """`column` = offset + Σ factor · source, or the product of two sources, rounded to the column's grid."""

    name: ClassVar[str] = "formula"
    column: str
    sources: tuple[str, ...]
    factors: tuple[float, ...]
    """One a source; empty for a product."""
    offset: float
    grid: Grid
    grids: tuple[Grid, ...]
    """Of the sources."""
    partly: bool = False
    """Values are missing elsewhere than in the sources: the column is learned too, overruled where all have values."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The sources."""
        return self.sources

    def fields(self) -> tuple[pa.Field, ...]:
        """Nothing, or the column itself."""
        kind = pa.int64() if self.grid.whole else pa.float64()
        return (make_field(self.column, Kind.NUMERIC, arrow_type=kind),) if self.partly else ()

    def learned(self, source: Frame) -> tuple[pa.Array, ...]:
        """Nothing, or the column itself."""
        return (source[self.column],) if self.partly else ()

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """Computed anew; missing where a source is."""
        numbers = [grid.numbers(frame[name]) for name, grid in zip(self.sources, self.grids, strict=True)]
        made = self.grid.array(self.grid.snapped(evaluated(numbers, self.factors, self.offset)))
        if not self.partly:
            return made
        kept = frame[self.column]
        return pc.if_else(pc.and_(made.is_valid(), kept.is_valid()), made, kept)

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.factors:
            return f"{self.column} = {' × '.join(self.sources)}" + (PARTLY if self.partly else "")
        terms = [name if f == 1 else f"{f:g} · {name}" for name, f in zip(self.sources, self.factors, strict=True)]
        return (
            f"{self.column} = {' + '.join(terms)}"
            + (f" + {self.offset:g}" if self.offset else "")
            + (PARTLY if self.partly else "")
        )


def evaluated(numbers: Sequence[FloatArray], factors: tuple[float, ...], offset: float) -> FloatArray:
    """The formula's value before it is rounded, NaN where a source is, (N,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        if not factors:
            return np.asarray(np.prod(np.stack(numbers), axis=0), dtype=np.float64)
        total = numbers[0] * factors[0]
        for values, factor in zip(numbers[1:], factors[1:], strict=True):
            total = total + values * factor
        return np.asarray(total + offset if offset else total, dtype=np.float64)
