"""One column a function of ranges of another: age groups, size classes, flags beyond a limit.

Shape legend: N rows, R ranges.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from synth.preparation.frame import Draw, Frame
from synth.preparation.relations.grid import Grid
from synth.preparation.relations.table_of_levels import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """`column` = values[r] where `source` lies from starts[r] up to, not with, starts[r + 1]."""

    name: ClassVar[str] = "steps"
    column: str
    source: str
    starts: tuple[float, ...]
    """R; the first range also holds what lies below."""
    values: tuple[Value, ...]
    """R"""
    for_missing: Value
    type_name: str
    grid: Grid
    """Of the source."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The determining column."""
        return (self.source,)

    def fields(self) -> tuple[pa.Field, ...]:
        """Nothing is learned."""
        return ()

    def learned(self, source: Frame) -> tuple[pa.Array, ...]:
        """Nothing is learned."""
        return ()

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """Looked up by range."""
        numbers_N = self.grid.numbers(frame[self.source])
        place_N = np.searchsorted(np.array(self.starts[1:]), numbers_N, side="right")
        place_N = np.where(np.isnan(numbers_N), len(self.values), place_N)
        stock = pa.array([*self.values, self.for_missing], pa.type_for_alias(self.type_name))
        return stock.take(pa.array(place_N))

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.column} follows from ranges of {self.source}"
