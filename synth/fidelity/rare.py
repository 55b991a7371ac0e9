"""Whether rare levels are there: names that few real rows have, and that a generator drops first (mode collapse).

A level is rare where less than 1% of the training rows have it, and at least `LEAST_ROWS`: rarer ones are merged on
purpose. The score is the share of the rare levels' weight that the synthetic rows have too, Σ min(p, q) / Σ p.

Shape legend: N rows.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from synth.fidelity.frames import FloatArray, Frame, frames
from synth.fidelity.intervals import NOT_KNOWN

RARE_SHARE = 0.01
LEAST_ROWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RareCoverage:
    """How much of what is rare in training rows synthetic rows have."""

    levels: int
    """Rare levels of all columns together."""
    found: int
    """Those that some synthetic row has; more rows find more."""
    overlap: float
    """0 to 1; NaN where no level is rare."""

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"overlap": None if np.isnan(self.overlap) else self.overlap}


def rare_coverage(real_train: pa.Table, synthetic: pa.Table) -> RareCoverage:
    """Of all categorical columns that are measured."""
    return rare_coverage_of(*frames(real_train, synthetic))


def rare_coverage_of(train: Frame, synthetic: Frame) -> RareCoverage:
    """As `rare_coverage`, of frames encoded together."""
    levels = found = 0
    weight = shared = 0.0
    for real, made in zip(train.columns, synthetic.columns, strict=True):
        if real.ordered:
            continue
        p, q = (_shares(c.values_N, len(c.levels)) for c in (real, made))
        rare = (p < RARE_SHARE) & (np.round(p * train.rows) >= LEAST_ROWS)
        levels, found = levels + int(rare.sum()), found + int((q[rare] > 0).sum())
        weight, shared = weight + float(p[rare].sum()), shared + float(np.minimum(p, q)[rare].sum())
    return RareCoverage(levels=levels, found=found, overlap=shared / weight if weight else NOT_KNOWN)


def _shares(codes_N: FloatArray | np.ndarray[Any, np.dtype[np.int64]], levels: int) -> FloatArray:
    return np.bincount(codes_N.astype(np.int64), minlength=levels) / len(codes_N)
