"""Names, codes and truths: a class for every level seen often enough, one for all the others together.

Levels seen fewer than `least_rows` times are never handed out: they come out as `OTHER` (texts) or as missing (codes).

Shape legend: N rows, K classes.
"""

from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.codec.column import Allowed, CodeArray, ColumnCodec, FloatArray
from synth.conditions import Condition, Operator
from synth.errors import ImpossibleConditionsError

OTHER = "other"
"""What merged levels come out as."""


class LevelsCodec(ColumnCodec):
    """See the module's head. Classes lie in order of falling count, then "other", then "missing"."""

    way: ClassVar[str] = "levels"

    def __init__(
        self, column: str, *, levels: list[Any], counts: FloatArray, has_other: bool, has_missing: bool,
        arrow_type: str, merged_levels: int = 0, merged_rows: int = 0,
    ) -> None:  # fmt: skip
        self.column, self.counts_K, self.has_missing = column, counts, has_missing
        self.levels, self.has_other, self.arrow_type = levels, has_other, arrow_type
        self.merged_levels, self.merged_rows = merged_levels, merged_rows
        self._level_set = pa.array(levels, _TYPES[arrow_type])

    @classmethod
    def fit(cls, column: str, values: pa.Array, *, least_rows: int, keep_all: bool) -> Self:
        """Learn the levels of a string, int64 or bool column; with `keep_all` (a label) none is merged."""
        counted = values.drop_null().value_counts()
        levels, counts = counted.field("values").to_pylist(), counted.field("counts").to_numpy()
        order = sorted(range(len(levels)), key=lambda i: (-int(counts[i]), str(levels[i])))
        kept = [i for i in order if keep_all or counts[i] >= least_rows]
        merged = len(values) - values.null_count - int(sum(counts[i] for i in kept))
        names = [levels[i] for i in kept]
        arrow_type = next(name for name, kind in _TYPES.items() if kind == values.type)
        in_missing = merged if arrow_type != "string" else 0
        found = [float(counts[i]) for i in kept]
        has_other = merged > 0 and not in_missing
        has_missing = values.null_count + in_missing > 0 or not (names or has_other)
        if has_other:
            found.append(float(merged))
        if has_missing:
            found.append(float(values.null_count + in_missing))
        return cls(
            column, levels=names, counts=np.array(found), has_other=has_other, has_missing=has_missing,
            arrow_type=arrow_type, merged_levels=len(order) - len(kept), merged_rows=merged,
        )  # fmt: skip

    @property
    def position_K(self) -> FloatArray | None:
        """None: levels have no order."""
        return None

    def encode(self, values: pa.Array) -> CodeArray:
        """See `ColumnCodec.encode`."""
        found = pc.index_in(values.cast(self._level_set.type), value_set=self._level_set)
        unknown = pc.and_(found.is_null(), values.is_valid())
        rest = len(self.levels) if self.has_other else self.classes - 1
        if not (self.has_other or self.has_missing) and pc.any(found.is_null(), min_count=0).as_py():
            raise ImpossibleConditionsError(
                f"{self.column!r} holds a value that training never showed: it knows {self._shown()}"
            )
        codes = pc.if_else(unknown, pa.scalar(rest, pa.int32()), found)
        return np.array(pc.fill_null(codes, self.classes - 1).to_numpy(zero_copy_only=False), dtype=np.int32)

    def decode(self, codes_N: CodeArray, generator: np.random.Generator, allowed: Allowed | None = None) -> pa.Array:
        """See `ColumnCodec.decode`; nothing is left to draw."""
        more: list[Any] = [OTHER] * self.has_other + [None] * self.has_missing
        return pa.array(self.levels + more, self._level_set.type).take(pa.array(codes_N))

    def allowed(self, condition: Condition) -> Allowed:
        """See `ColumnCodec.allowed`."""
        if condition.operator not in (Operator.EQUAL, Operator.UNEQUAL):
            raise ImpossibleConditionsError(f"{condition}: {self.column!r} has no order: use = or !=")
        shown = {_text(level): code for code, level in enumerate(self.levels)}
        if self.has_other:
            shown.setdefault(OTHER, len(self.levels))
        if self.has_missing:
            shown.setdefault("null", self.classes - 1)
        asked = [shown[value] for value in condition.values if value in shown]
        if condition.operator is Operator.EQUAL and not asked:
            raise ImpossibleConditionsError(f"{condition}: no row can have that; {self.column!r} knows {self._shown()}")
        weight = np.zeros(self.classes)
        weight[asked] = 1.0
        if condition.operator is Operator.EQUAL:
            return Allowed(weight)
        weight = 1.0 - weight
        if self.has_missing and "null" not in condition.values:
            weight[-1] = 0.0
        return Allowed(weight)

    def _shown(self) -> str:
        shown = ", ".join(_text(level) for level in self.levels[:12])
        return shown + (f" and {len(self.levels) - 12} more" if len(self.levels) > 12 else "")

    def document(self) -> dict[str, Any]:
        """Everything the codec is, as JSON."""
        return {
            "levels": self.levels,
            "counts": self.counts_K.tolist(),
            "has_other": self.has_other,
            "has_missing": self.has_missing,
            "arrow_type": self.arrow_type,
            "merged_levels": self.merged_levels,
            "merged_rows": self.merged_rows,
        }

    @classmethod
    def from_document(cls, column: str, document: dict[str, Any]) -> Self:
        """The codec that `document` described."""
        return cls(column, **{**document, "counts": np.array(document["counts"], dtype=np.float64)})


_TYPES = {"string": pa.string(), "int64": pa.int64(), "bool": pa.bool_()}


def _text(level: Any) -> str:
    return str(level).lower() if isinstance(level, bool) else str(level)
