"""Which of many hashes were seen before: sorted once, so memory is a few times the hashes', however many are equal.

Shape legend: N rows, in the order in which the earliest of several stays.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.duplicates.content import Mask, UInt64Array

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Repeats:
    """Rows that repeat an earlier one. M of them."""

    rows: Int64Array
    """Their places, ascending, (M,)."""
    first: Int64Array
    """The place of the earliest row that each repeats, (M,)."""

    @property
    def groups(self) -> int:
        """How many rows are there more than once."""
        return len(np.unique(self.first))

    @property
    def largest(self) -> int:
        """Rows of the largest group, the first one counted; 0 where there is none."""
        return int(np.unique(self.first, return_counts=True)[1].max()) + 1 if len(self.first) else 0

    def without(self, mask_N: Mask) -> "Repeats":
        """Those whose row is not marked."""
        kept = ~mask_N[self.rows]
        return Repeats(self.rows[kept], self.first[kept])

    def mask(self, rows: int) -> Mask:
        """Which of so many rows repeat an earlier one, (rows,)."""
        found = np.zeros(rows, np.bool_)
        found[self.rows] = True
        return found


def repeats(hashes_N: UInt64Array, counted_N: Mask | None = None) -> Repeats:
    """Every row whose hash an earlier one has; rows that are not counted are neither."""
    places = np.arange(len(hashes_N)) if counted_N is None else np.flatnonzero(counted_N)
    hashes = hashes_N if counted_N is None else hashes_N[places]
    order = np.argsort(hashes)
    ordered = hashes[order]
    same_as_next = ordered[1:] == ordered[:-1]
    several = np.zeros(len(ordered), np.bool_)
    several[1:] |= same_as_next
    several[:-1] |= same_as_next
    members, keys = order[several], ordered[several]
    members = members[np.lexsort((members, keys))]
    starts = np.ones(len(members), np.bool_)
    starts[1:] = keys[1:] != keys[:-1]
    first = members[np.maximum.accumulate(np.where(starts, np.arange(len(members)), 0))] if len(members) else members
    found = np.sort(np.flatnonzero(~starts))
    rows, firsts = places[members[found]], places[first[found]]
    by_place = np.argsort(rows)
    return Repeats(rows[by_place].astype(np.int64), firsts[by_place].astype(np.int64))
