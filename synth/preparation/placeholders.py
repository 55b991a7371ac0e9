"""Free text is never learned: placeholders of words of ours stand for it, as long as the texts were.

Only how many words a text has is kept, and only of counts that enough rows share.

Shape legend: N rows, C counts.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.preparation.frame import Draw, Frame, MadeAnew, with_missing

WORDS = (
    "bank", "bar", "basin", "bay", "beck", "bend", "bight", "boulder", "brook", "canal", "cascade", "channel",
    "cove", "creek", "current", "delta", "drift", "eddy", "estuary", "fall", "fen", "ferry", "floe", "flow",
    "foam", "ford", "gorge", "gravel", "gully", "harbour", "inlet", "island", "lagoon", "lake", "levee", "lock",
    "marsh", "meander", "mill", "mist", "moor", "narrows", "oxbow", "pebble", "pier", "pool", "rapid", "reach",
    "reed", "reef", "ripple", "river", "rill", "sandbar", "shoal", "shore", "sluice", "spring", "stream", "tide",
    "tributary", "wave", "weir", "willow",
)  # fmt: skip
"""64 words, so that six random bits choose one."""
LONGEST_WORDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder(MadeAnew):
    """Texts of random words; each with its row's number where the source's texts were all different."""

    name: ClassVar[str] = "placeholder"
    column: str
    counts: tuple[int, ...]
    """C, numbers of words."""
    weights: tuple[float, ...]
    """C, how often each comes; in all 1."""
    distinct: bool
    missing_share: float

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """A text for each row, by its place in the dataset."""
        bounds_C = np.cumsum(self.weights)
        place_N = np.searchsorted(bounds_C, draw.shares(f"{self.column} words") * bounds_C[-1], side="right")
        count_N = np.array(self.counts)[np.minimum(place_N, len(self.counts) - 1)]
        stock = pa.array(WORDS)
        parts = []
        for at in range(int(count_N.max(initial=0))):
            word_N = (draw.words(f"{self.column} {at}") & np.uint64(63)).astype(np.int64)
            parts.append(pc.if_else(pa.array(at < count_N), stock.take(pa.array(word_N)), pa.scalar(None, pa.string())))
        if self.distinct:
            parts.append(pc.cast(pa.array(draw.numbers()), pa.string()))
        if not parts:
            return pa.repeat(pa.scalar("" if draw.rows else None, pa.string()), draw.rows)
        texts = pc.binary_join_element_wise(*parts, " ", null_handling="skip")
        return with_missing(texts, draw.shares(f"{self.column} missing") < self.missing_share)

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def placeholder_of(column: str, array: pa.Array, *, least_rows: int) -> Placeholder:
    """The rule for a column of texts; counts of words that too few rows share become the nearest shared one."""
    present = array.drop_null()
    spaces = pc.count_substring_regex(present, r"\S+").to_numpy(zero_copy_only=False)
    counts_N = np.clip(spaces, 1, LONGEST_WORDS)
    counts, rows = np.unique(counts_N, return_counts=True)
    shared = rows >= least_rows
    if not shared.any():
        shared = rows == rows.max(initial=0)
    weights = rows[shared] / max(rows[shared].sum(), 1)
    distinct = bool(len(present)) and pc.count_distinct(present).as_py() == len(present)
    return Placeholder(
        column=column,
        counts=tuple(counts[shared].tolist()) or (1,),
        weights=tuple(weights.tolist()) or (1.0,),
        distinct=distinct,
        missing_share=array.null_count / max(len(array), 1),
    )
