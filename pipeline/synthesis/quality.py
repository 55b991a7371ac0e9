"""A first look at a generator right after training: its rows held against rows it never saw."""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from detectors.errors import DetectorError

if TYPE_CHECKING:
    from synth.base import Generator

MOST_ROWS, MOST_DRAWN = 5_000, 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutQuality:
    """How made rows compare with held-out ones; 1 is as good as real."""

    rows: int
    shape: float
    """Mean over columns of 1 − KS or 1 − TV."""
    trend: float | None
    """Mean over pairs of columns; None for a single column."""
    c2st: float
    """Whether gradient boosting can tell them apart: 1 = it cannot."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def held_out_quality(generator: "Generator", held_out: pa.Table, *, seed: int) -> HeldOutQuality | None:
    """Measured on at most `MOST_ROWS` rows of each; None where they cannot be compared (the gates will say why)."""
    # Imported late: measuring brings scikit-learn.
    from synth.fidelity import c2st, column_shapes, pair_trends

    rows = min(held_out.num_rows, MOST_ROWS)
    # of keyed streams, few rows would be those of a handful of keys
    made = _some(generator.sample(min(held_out.num_rows, MOST_DRAWN), seed=seed), rows, seed)
    real = _some(held_out, rows, seed)
    try:
        return HeldOutQuality(
            rows=rows,
            shape=float(np.mean(list(column_shapes(real, made).values()))),
            trend=None if math.isnan(trend := pair_trends(real, made).mean) else trend,
            c2st=c2st(real, made, seed=seed),
        )
    except DetectorError:
        return None


def _some(table: pa.Table, rows: int, seed: int) -> pa.Table:
    """So many of a table's rows, evenly."""
    return table.take(pa.array(np.sort(np.random.default_rng(seed).permutation(table.num_rows)[:rows])))
