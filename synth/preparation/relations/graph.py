"""The columns among which relations are looked for, and which of them already follow from others.

Shape legend: N rows, S screened rows, L levels of a column.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind
from synth.preparation.frame import FloatArray, Frame, IntArray, Rule
from synth.preparation.kinds import learned_kind
from synth.preparation.plain import is_moment, value_type
from synth.preparation.relations.grid import EXACT, Grid, grid_of
from synth.preparation.settings import PreparationSettings

SEED = 0x5EED
"""Of the rows that are screened: they decide nothing but how long the search takes."""


class Graph:
    """Columns that are still learned, what is known about them, and the relations accepted so far."""

    def __init__(
        self, frame: Frame, fields: Mapping[str, pa.Field], *, label: str | None, settings: PreparationSettings
    ) -> None:
        self.frame, self.fields, self.label, self.settings = frame, dict(fields), label, settings
        self.rows = len(next(iter(frame.values()))) if frame else 0
        self.rules: dict[str, Rule] = {}
        """By the column that follows."""
        self._codes: dict[str, tuple[IntArray, int]] = {}
        self._numbers: dict[str, FloatArray] = {}

    @cached_property
    def moments(self) -> tuple[str, ...]:
        """Time columns."""
        return tuple(name for name, f in self.fields.items() if is_moment(value_type(f.type)))

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """Numeric columns, times left out."""
        return tuple(
            name for name, f in self.fields.items() if name not in self.moments and learned_kind(f) is Kind.NUMERIC
        )

    @cached_property
    def measurable(self) -> tuple[str, ...]:
        """Quantities that doubles hold exactly: all but columns with whole numbers beyond 2⁵³."""
        return tuple(name for name in self.quantities if not self._beyond(name))

    def _beyond(self, name: str) -> bool:
        array = self.frame[name]
        if array.type != pa.int64():
            return False
        low, high = (side.as_py() or 0 for side in pc.min_max(array).values())
        return bool(max(-low, high) >= EXACT)

    @cached_property
    def grids(self) -> dict[str, Grid]:
        """The grid of every numeric column."""
        single = {name: value_type(self.fields[name].type) for name in self.quantities}
        return {
            name: grid_of(self.frame[name], single=single[name] in (pa.float32(), pa.float16()))
            for name in self.quantities
        }

    @cached_property
    def screened(self) -> IntArray:
        """Rows on which candidates are tried first, (S,)."""
        rows = min(self.rows, self.settings.screened_rows)
        return np.sort(np.random.default_rng(SEED).choice(self.rows, rows, replace=False)).astype(np.int64)

    def numbers(self, name: str) -> FloatArray:
        """A numeric column on its grid, NaN where missing, (N,)."""
        if name not in self._numbers:
            self._numbers[name] = self.grids[name].numbers(self.frame[name])
        return self._numbers[name]

    def codes(self, name: str) -> tuple[IntArray, int]:
        """Which level each row holds, in order of first appearance, L for missing ones, (N,); and L."""
        if name not in self._codes:
            encoded = pc.dictionary_encode(self.frame[name])
            levels = len(encoded.dictionary)
            indices = pc.fill_null(encoded.indices, levels)
            self._codes[name] = (indices.to_numpy(zero_copy_only=False).astype(np.int64), levels)
        return self._codes[name]

    def levels(self, name: str) -> pa.Array:
        """The levels that `codes` counts, (L,)."""
        return pc.dictionary_encode(self.frame[name]).dictionary

    def free(self, names: Sequence[str]) -> list[str]:
        """Those that follow from nothing yet."""
        return [name for name in names if name not in self.rules]

    def may(self, column: str, sources: Sequence[str]) -> bool:
        """Whether a column may follow from others: it is not the label, follows from nothing yet, makes no circle."""
        if column == self.label or column in self.rules or column in sources:
            return False
        waiting, seen = list(sources), set()
        while waiting:
            name = waiting.pop()
            if name == column:
                return False
            if name not in seen and name in self.rules:
                waiting.extend(self.rules[name].needs)
            seen.add(name)
        return True

    def accept(self, rule: Rule) -> bool:
        """Keep a relation, where it may be kept."""
        if not self.may(rule.column, rule.needs):
            return False
        self.rules[rule.column] = rule
        return True

    def in_order(self) -> list[Rule]:
        """The relations, each after those that bring back what it needs."""
        placed: dict[str, Rule] = {}
        while len(placed) < len(self.rules):
            for name, rule in self.rules.items():
                ready = all(need in placed or need not in self.rules for need in rule.needs)
                if name not in placed and ready:
                    placed[name] = rule
        return list(placed.values())


def surprise(codes_N: IntArray, levels: int) -> FloatArray:
    """Each level's nats, −log of its share of the rows, (levels,); 0 for levels without rows."""
    counts = np.bincount(codes_N, minlength=levels).astype(np.float64)
    with np.errstate(divide="ignore"):
        return np.where(counts > 0, -np.log(counts / max(len(codes_N), 1)), 0.0)
