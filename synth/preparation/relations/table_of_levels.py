"""One column a function of another: looked up by the other's level.

Shape legend: N rows, L levels of the determining column.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, make_field
from synth.preparation.frame import Draw, Frame

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """`column` = values[level of `source`]; a missing source is a level of its own."""

    name: ClassVar[str] = "lookup"
    column: str
    source: str
    levels: tuple[Value, ...]
    """L, without null."""
    values: tuple[Value, ...]
    """L"""
    for_missing: Value
    for_unknown: Value
    """What levels get that training never showed, and those too rare to be learned by themselves."""
    type_name: str
    source_type: str
    numeric: bool = False
    """The column is a number; matters where it is learned too."""
    partly: bool = False
    """Levels are those seen often alone; the column is learned too, and stands where the source has another level."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The determining column."""
        return (self.source,)

    @property
    def one_to_one(self) -> bool:
        """Whether the other way round holds too."""
        every = [*self.values, self.for_missing] if self.for_missing is not None else list(self.values)
        return len(set(every)) == len(every) and None not in self.values

    def fields(self) -> tuple[pa.Field, ...]:
        """Nothing, or the column itself."""
        if not self.partly:
            return ()
        kind = pa.type_for_alias(self.type_name)
        named = Kind.BOOLEAN if kind == pa.bool_() else Kind.NUMERIC if self.numeric else Kind.CATEGORICAL
        return (make_field(self.column, named, arrow_type=kind),)

    def learned(self, source: Frame) -> tuple[pa.Array, ...]:
        """Nothing, or the column itself."""
        return (source[self.column],) if self.partly else ()

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """Looked up; numbers that training never showed get the value of the nearest that it did."""
        source = frame[self.source]
        levels = pa.array(self.levels, pa.type_for_alias(self.source_type))
        kind = pa.type_for_alias(self.type_name)
        stock = pa.array([*self.values, self.for_missing, self.for_unknown], kind)
        place = pc.index_in(source, value_set=levels)
        if self.partly:
            return pc.if_else(place.is_null(), frame[self.column], stock.take(pc.fill_null(place, 0)))
        unknown = pc.and_(place.is_null(), source.is_valid())
        if pc.any(unknown, min_count=0).as_py():
            place = pc.if_else(unknown, self._nearest(source), place)
        return stock.take(pc.fill_null(place, len(self.levels)))

    def _nearest(self, source: pa.Array) -> pa.Array:
        if pa.types.is_string(source.type) or pa.types.is_boolean(source.type) or not self.levels:
            return pa.repeat(pa.scalar(len(self.levels) + 1, pa.int32()), len(source))
        values_L = np.asarray(self.levels, dtype=np.float64)
        order_L = np.argsort(values_L, kind="stable")
        between = (values_L[order_L][1:] + values_L[order_L][:-1]) / 2.0
        at_N = pc.fill_null(source, 0).to_numpy(zero_copy_only=False).astype(np.float64)
        return pa.array(order_L[np.searchsorted(between, at_N)].astype(np.int32))

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.column} follows from {self.source}" + (", where that is seen often" if self.partly else "")
