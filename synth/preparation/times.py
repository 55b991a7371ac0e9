"""Moments as integers that a model can learn rhythms from, and back, exactly on the column's own grid.

A moment is a day (or, over many days, a week counted from the Monday before 1970 and a weekday, 0 for Monday) and,
where not all moments are midnights, the steps of its grid since midnight UTC. The grid is the coarsest unit that all
values keep.

Shape legend: N rows.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, make_field
from synth.preparation.frame import Draw, Frame, IntArray

_DAYS_PER_WEEK = 7
_THURSDAY = 3
"""The weekday of 1 January 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitTime:
    """One time column as day (or week and weekday) and time of day."""

    name: ClassVar[str] = "split time"
    column: str
    steps_per_day: int
    """How many units of the plain column a day has."""
    grid: int
    """Units that every time of day is a multiple of."""
    weekly: bool
    least_day: int
    greatest_day: int
    names: tuple[str, ...]
    """The learned columns: day, or week and weekday, then the time of day unless all are midnights."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def clocked(self) -> bool:
        """Whether the time of day is learned."""
        return self.grid < self.steps_per_day

    def fields(self) -> tuple[pa.Field, ...]:
        """Integers."""
        return tuple(make_field(name, Kind.NUMERIC, arrow_type=pa.int64()) for name in self.names)

    def learned(self, source: Frame) -> tuple[pa.Array, ...]:
        """Day (week, weekday) and time of day, missing where the moment is."""
        array = source[self.column]
        missing = array.is_null().to_numpy(zero_copy_only=False)
        moments_N = array.fill_null(0).to_numpy(zero_copy_only=False)
        day_N, step_N = np.divmod(moments_N, self.steps_per_day)
        parts = list(np.divmod(day_N + _THURSDAY, _DAYS_PER_WEEK)) if self.weekly else [day_N]
        if self.clocked:
            parts.append(step_N // self.grid)
        return tuple(pa.array(part, pa.int64(), mask=missing) for part in parts)

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """Moments within the days of the source; missing where any part is."""
        arrays = [frame[name] for name in self.names]
        missing = np.logical_or.reduce([a.is_null().to_numpy(zero_copy_only=False) for a in arrays])
        parts = [_integers(array) for array in arrays]
        day_N = parts[0] * _DAYS_PER_WEEK + np.clip(parts[1], 0, 6) - _THURSDAY if self.weekly else parts[0]
        moments_N = np.clip(day_N, self.least_day, self.greatest_day) * self.steps_per_day
        if self.clocked:
            moments_N = moments_N + np.clip(parts[-1] * self.grid, 0, self.steps_per_day - self.grid)
        return pa.array(moments_N, pa.int64(), mask=missing)

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def split_time(
    column: str, array: pa.Array, *, steps_per_day: int, longest_exact_days: int, taken: set[str]
) -> SplitTime:
    """The rule for a plain time column with at least one value; its learned names are added to `taken`."""
    moments_N: IntArray = array.drop_null().to_numpy(zero_copy_only=False)
    day_N, step_N = np.divmod(moments_N, steps_per_day)
    grid = math.gcd(steps_per_day, int(np.gcd.reduce(step_N)))
    least, greatest = int(day_N.min()), int(day_N.max())
    weekly = greatest - least >= longest_exact_days
    parts = ["week", "weekday"] if weekly else ["day"]
    if grid < steps_per_day:
        parts.append("time of day")
    names = tuple(free_name(f"{column} {part}", taken) for part in parts)
    return SplitTime(
        column=column,
        steps_per_day=steps_per_day,
        grid=grid,
        weekly=weekly,
        least_day=least,
        greatest_day=greatest,
        names=names,
    )


def free_name(wanted: str, taken: set[str]) -> str:
    """The name, with an apostrophe for every column that has it already; it is taken from now on."""
    while wanted in taken:
        wanted += "'"
    taken.add(wanted)
    return wanted


def _integers(array: pa.Array) -> IntArray:
    filled = pc.fill_null(array, 0)
    return np.asarray(np.rint(filled.to_numpy(zero_copy_only=False)), dtype=np.int64)
