"""Where the calibration part of an archive begins: the moment that its newest quarter is at or after.

Only times are read for it. Beyond `MOST_TIMES` rows every second time is let go of, again and again, so that memory
stays bounded; the moment is then off by less than a hundred-thousandth of the rows.

Shape legend: B rows of a batch.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.kafka.port import Int64Array

MOST_TIMES = 4_000_000
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How the rows of a window are shared out. Times are milliseconds since the epoch."""

    rows: int
    start_ms: int
    end_ms: int
    """Of the newest row."""
    cut_ms: int
    """Rows before are fitted on, rows after are held out."""
    ties_fitted: int
    """Of the rows at exactly that moment, how many, first read first, are fitted on."""

    def divider(self) -> "Divider":
        """For one pass over all rows."""
        return Divider(self)


class Divider:
    """Says which rows are held out, in one pass over them."""

    def __init__(self, split: Split) -> None:
        self._split = split
        self._ties = 0

    def held_out(self, times_B: Int64Array) -> Mask:
        """Which of the next rows are held out, (B,)."""
        held_out = times_B >= self._split.cut_ms
        if self._ties < self._split.ties_fitted:
            ties = np.flatnonzero(times_B == self._split.cut_ms)
            held_out[ties[: self._split.ties_fitted - self._ties]] = False
            self._ties += len(ties)
        return held_out


def split_at(batches: Iterable[Int64Array], *, share: float) -> Split | None:
    """The split that holds out the newest `share` of rows with these times; None where there is no row."""
    kept: list[Int64Array] = []
    rows, every, low, high = 0, 1, 0, 0
    for times_B in batches:
        if not len(times_B):
            continue
        low = int(times_B.min()) if not rows else min(low, int(times_B.min()))
        high = int(times_B.max()) if not rows else max(high, int(times_B.max()))
        kept.append(times_B[-rows % every :: every])
        rows += len(times_B)
        if sum(map(len, kept)) > MOST_TIMES:
            kept, every = [np.concatenate(kept)[::2]], 2 * every
    if not rows:
        return None
    times = np.concatenate(kept)
    first = min(len(times) - round(len(times) * share), len(times) - 1)
    cut = int(np.partition(times, first)[first])
    ties_fitted = (first - int(np.count_nonzero(times < cut))) * every
    return Split(rows=rows, start_ms=low, end_ms=high, cut_ms=cut, ties_fitted=ties_fitted)
