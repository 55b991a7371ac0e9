"""Numbers that are the time between two moments: durations, delays, ages of things.

Shape legend: N rows.
"""

from dataclasses import asdict, dataclass
from itertools import permutations
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from synth.preparation.frame import Draw, FloatArray, Frame
from synth.preparation.plain import unit_nanoseconds, value_type
from synth.preparation.relations.graph import Graph
from synth.preparation.relations.grid import Grid

UNITS = {"seconds": 10**9, "milliseconds": 10**6, "minutes": 60 * 10**9, "hours": 3600 * 10**9, "days": 86_400 * 10**9}
_LEAST_VALUES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Elapsed:
    """`column` = (`end` − `start`) in a unit, rounded to the column's grid, or down to whole units."""

    name: ClassVar[str] = "elapsed"
    column: str
    start: str
    end: str
    unit: str
    floored: bool
    grid: Grid
    nanoseconds: tuple[int, int]
    """Of a unit of the two time columns."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The two moments."""
        return (self.start, self.end)

    def fields(self) -> tuple[pa.Field, ...]:
        """Nothing is learned."""
        return ()

    def learned(self, source: Frame) -> tuple[pa.Array, ...]:
        """Nothing is learned."""
        return ()

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """Computed anew; missing where a moment is."""
        return self.grid.array(self.numbers(frame))

    def numbers(self, frame: Frame) -> FloatArray:
        """The same as doubles, (N,)."""
        first_N, last_N = (
            _seconds(frame[name], unit) for name, unit in zip((self.start, self.end), self.nanoseconds, strict=True)
        )
        elapsed_N = (last_N - first_N) * (10**9 / UNITS[self.unit])
        return self.grid.snapped(np.floor(elapsed_N + 1e-9) if self.floored else elapsed_N)

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.column} is the {self.unit} from {self.start} to {self.end}"


def find_elapsed(graph: Graph) -> None:
    """Accept every number that is the time between two moments in all rows."""
    names = [name for name in graph.free(graph.measurable) if graph.codes(name)[1] >= _LEAST_VALUES]
    for start, end in permutations(graph.moments, 2):
        for column in graph.free(names):
            rule = next((rule for rule in _rules(graph, column, start, end) if _holds(graph, rule)), None)
            if rule is not None:
                graph.accept(rule)


def _rules(graph: Graph, column: str, start: str, end: str) -> list[Elapsed]:
    if not graph.may(column, (start, end)):
        return []
    units = (unit_nanoseconds(value_type(graph.fields[name].type)) for name in (start, end))
    first, last = units
    return [
        Elapsed(
            column=column, start=start, end=end, unit=unit, floored=floored, grid=graph.grids[column],
            nanoseconds=(first, last),
        )
        for unit in UNITS
        for floored in (False, True)
    ]  # fmt: skip


def _holds(graph: Graph, rule: Elapsed) -> bool:
    """Whether the screened rows, and then all, are just so; enough of them must have a value."""
    for rows in (graph.screened[:200], graph.screened, None):
        frame = graph.frame if rows is None else {n: graph.frame[n].take(pa.array(rows)) for n in rule.needs}
        known = graph.numbers(rule.column)
        known = known if rows is None else known[rows]
        if not np.array_equal(rule.numbers(frame), known, equal_nan=True):
            return False
    return bool((~np.isnan(graph.numbers(rule.column))).sum() >= min(graph.settings.least_rows, graph.rows // 4))


def _seconds(array: pa.Array, unit: int) -> FloatArray:
    """Moments in seconds, NaN where missing, exact to a microsecond, (N,)."""
    missing = array.is_null().to_numpy(zero_copy_only=False)
    moments = array.fill_null(0).to_numpy(zero_copy_only=False)
    whole, rest = np.divmod(moments, max(10**9 // unit, 1)) if unit < 10**9 else (moments * (unit // 10**9), 0)
    return np.where(missing, np.nan, whole + rest * (unit / 10**9))
