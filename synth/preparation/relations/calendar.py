"""Columns that repeat a part of a time column: its hour, weekday, month, date.

Shape legend: N rows.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from synth.preparation.frame import Draw, Frame, IntArray
from synth.preparation.relations.table_of_levels import Value

PARTS = ("hour", "weekday", "day", "month", "quarter", "year", "day of year", "minute", "date")
_HOURS, _MINUTES = 24, 1440


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePart:
    """`column` = values[part of `source`], in UTC."""

    name: ClassVar[str] = "time part"
    column: str
    source: str
    part: str
    steps_per_day: int
    """Units of the source a day."""
    parts: tuple[int, ...]
    values: tuple[Value, ...]
    for_missing: Value
    type_name: str

    @property
    def needs(self) -> tuple[str, ...]:
        """The time column."""
        return (self.source,)

    def fields(self) -> tuple[pa.Field, ...]:
        """Nothing is learned."""
        return ()

    def learned(self, source: Frame) -> tuple[pa.Array, ...]:
        """Nothing is learned."""
        return ()

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """Looked up by part; parts that training never showed are counted on where values are numbers, else nearest."""
        part_N = time_part(frame[self.source], self.part, self.steps_per_day)
        known = np.array(self.parts, dtype=np.int64)
        place_N = np.clip(np.searchsorted(known, part_N), 0, len(known) - 1)
        missing_N = frame[self.source].is_null().to_numpy(zero_copy_only=False)
        stock = pa.array([*self.values, self.for_missing], pa.type_for_alias(self.type_name))
        found = stock.take(pa.array(np.where(missing_N, len(known), place_N)))
        unseen_N = (known[place_N] != part_N) & ~missing_N
        offset = self._offset()
        if offset is None or not unseen_N.any():
            return found
        counted = pa.array(part_N + offset).cast(found.type)
        return pa.compute.if_else(pa.array(unseen_N), counted, found)

    def _offset(self) -> int | None:
        """What must be added to the part to have the value, where that is one number."""
        if pa.type_for_alias(self.type_name) not in (pa.int64(), pa.float64()) or None in self.values:
            return None
        differences = {value - part for value, part in zip(self.values, self.parts, strict=True)}  # type: ignore[operator]
        only = differences.pop() if len(differences) == 1 else None
        return int(only) if only is not None and only == int(only) else None

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.column} is the {self.part} of {self.source}"


def time_part(array: pa.Array, part: str, steps_per_day: int) -> IntArray:
    """A part of plain moments as an integer, 0 where they are missing, (N,)."""
    moments_N = array.fill_null(0).to_numpy(zero_copy_only=False)
    day_N, step_N = np.divmod(moments_N, steps_per_day)
    if part == "hour":
        return np.asarray(step_N // max(steps_per_day // _HOURS, 1), dtype=np.int64)
    if part == "minute":
        return np.asarray(step_N // max(steps_per_day // _MINUTES, 1) % 60, dtype=np.int64)
    if part == "weekday":
        return np.asarray((day_N + 3) % 7, dtype=np.int64)
    if part == "date":
        return np.asarray(day_N, dtype=np.int64)
    days = day_N.astype("datetime64[D]")
    months, years = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    month_N = months.astype(np.int64) % 12 + 1
    parts: dict[str, IntArray] = {
        "day": (days - months).astype(np.int64) + 1,
        "month": month_N,
        "quarter": (month_N - 1) // 3 + 1,
        "year": years.astype(np.int64) + 1970,
        "day of year": (days - years).astype(np.int64) + 1,
    }
    return parts[part]
