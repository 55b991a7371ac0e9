"""Columns that hold one value in every row, or none at all."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from synth.preparation.frame import Draw, Frame, MadeAnew


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(MadeAnew):
    """The same value, or a missing one, in every row."""

    name: ClassVar[str] = "constant"
    column: str
    value: str | int | float | bool | None
    type_name: str

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """The value, in every row."""
        return pa.repeat(pa.scalar(self.value, pa.type_for_alias(self.type_name)), draw.rows)

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def constant_of(name: str, array: pa.Array) -> Constant | None:
    """The rule, where a column has one value in all rows or is missing in all; else None."""
    if array.null_count not in (0, len(array)):
        return None
    if array.null_count == len(array):
        return Constant(column=name, value=None, type_name=str(array.type))
    low, high = pc.min_max(array).values() if array.type != pa.bool_() else (pc.all(array), pc.any(array))
    if low.as_py() != high.as_py():
        return None
    return Constant(column=name, value=low.as_py(), type_name=str(array.type))
