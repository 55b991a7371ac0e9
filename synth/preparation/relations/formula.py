"""A number computed from others: a multiple and an offset, sums and differences of up to three, products.

Shape legend: N rows.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from synth.preparation.frame import Draw, FloatArray, Frame
from synth.preparation.relations.grid import Grid


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

    @property
    def needs(self) -> tuple[str, ...]:
        """The sources."""
        return self.sources

    def fields(self) -> tuple[pa.Field, ...]:
        """Nothing is learned."""
        return ()

    def learned(self, source: Frame) -> tuple[pa.Array, ...]:
        """Nothing is learned."""
        return ()

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """Computed anew; missing where a source is."""
        numbers = [grid.numbers(frame[name]) for name, grid in zip(self.sources, self.grids, strict=True)]
        return self.grid.array(self.grid.snapped(evaluated(numbers, self.factors, self.offset)))

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        if not self.factors:
            return f"{self.column} = {' × '.join(self.sources)}"
        terms = [name if f == 1 else f"{f:g} · {name}" for name, f in zip(self.sources, self.factors, strict=True)]
        return f"{self.column} = {' + '.join(terms)}" + (f" + {self.offset:g}" if self.offset else "")


def evaluated(numbers: Sequence[FloatArray], factors: tuple[float, ...], offset: float) -> FloatArray:
    """The formula's value before it is rounded, NaN where a source is, (N,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        if not factors:
            return np.asarray(np.prod(np.stack(numbers), axis=0), dtype=np.float64)
        total = numbers[0] * factors[0]
        for values, factor in zip(numbers[1:], factors[1:], strict=True):
            total = total + values * factor
        return np.asarray(total + offset if offset else total, dtype=np.float64)
