"""Identifiers and codes of a few lengths: for each length that enough rows share, new ones by a pattern of its own.

Shape legend: N rows, S shapes.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth.preparation.frame import Draw, Frame, MadeAnew, with_missing
from synth.preparation.patterns import Pattern, pattern_of

MOST_SHAPES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes(MadeAnew):
    """Texts of several lengths, as often as the source has them."""

    name: ClassVar[str] = "shapes"
    column: str
    patterns: tuple[Pattern, ...]
    """S"""
    weights: tuple[float, ...]
    """S, in all 1."""
    missing_share: float

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """A text for each row, by its place in the dataset."""
        missing = draw.shares(f"{self.column} missing") < self.missing_share
        return with_missing(self.texts(draw, draw.numbers()), missing)

    def texts(self, draw: Draw, numbers_N: npt.NDArray[np.uint64]) -> pa.Array:
        """The texts of the rows with these numbers, (N,)."""
        word_N = draw.words(f"{self.column} shape", numbers_N) >> np.uint64(11)
        bounds_S = np.cumsum(self.weights)
        at_N = np.searchsorted(bounds_S, word_N.astype(np.float64) * 2.0**-53 * bounds_S[-1], side="right")
        at_N = np.minimum(at_N, len(self.patterns) - 1)
        order = np.argsort(at_N, kind="stable")
        made = [
            pattern.texts(draw, numbers_N[at_N == place])
            for place, pattern in enumerate(self.patterns)
            if (at_N == place).any()
        ]
        if not made:
            return pa.array([], pa.string())
        return pa.concat_arrays(made).take(pa.array(np.argsort(order, kind="stable")))

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        patterns = [{"rule": pattern.name, **pattern.document()} for pattern in self.patterns]
        return {**asdict(self), "patterns": patterns}


def shapes_of(column: str, array: pa.Array, *, seed: int, least_rows: int) -> Shapes | None:
    """The rule for texts of which enough share a length; None where few do, or a length has no pattern."""
    present = array.drop_null()
    lengths_N = pc.binary_length(present).to_numpy(zero_copy_only=False)
    lengths, rows = np.unique(lengths_N, return_counts=True)
    shared = np.flatnonzero(rows >= least_rows)
    shared = shared[np.argsort(-rows[shared], kind="stable")][:MOST_SHAPES]
    if rows[shared].sum() < 0.5 * len(present):
        return None
    found = [
        (pattern_of(column, present.filter(pa.array(lengths_N == lengths[s])), seed=seed), rows[s]) for s in shared
    ]
    patterns = [(pattern, count) for pattern, count in found if pattern is not None]
    if not patterns:
        return None
    total = float(sum(count for _, count in patterns))
    return Shapes(
        column=column,
        patterns=tuple(pattern for pattern, _ in patterns),
        weights=tuple(float(count / total) for _, count in patterns),
        missing_share=array.null_count / max(len(array), 1),
    )
