"""Names from a set: the most frequent levels are classes of their own, rarer ones share a class.

Vocabulary in order of frequency, capped, so that memory is bounded whatever the column holds. The first
`HEAD_LEVELS` are classes that a model predicts. The rest of the vocabulary, levels beyond the cap and levels never
seen share one class; within it a level costs −log of its share of the training rows there, and "not in the
vocabulary" has the share of its rows plus the levels seen once, by Good and Turing's estimate (Good 1953) of how
often the next event brings a new name. So a new name is dear where names repeat, and cheap where each is new.
Fails to see: which of two unseen levels is the stranger.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.channels.base import Channel, FloatArray, Outlook, Part, Rows, Value

HEAD_LEVELS = 30
VOCABULARY_LIMIT = 1_000
LARGEST_LIMIT = 32_000
"""Codes are 16-bit."""
TYPES = {"string": pa.string(), "int64": pa.int64(), "bool": pa.bool_()}


class LevelsChannel(Channel):
    """A categorical (string or int64) or boolean column.

    Codes: 0 … V−1 the vocabulary's levels, V anything else, V+1 missing. Classes: 0 … H−1 the head's levels,
    H everything else, H+1 missing.
    """

    way = "levels"

    def __init__(self, column: str, *, arrow_type: str, levels: Sequence[Any], counts: Sequence[float], outside: float,
                 missing: float) -> None:  # fmt: skip
        self.column, self.type_name = column, arrow_type
        self.levels = list(levels)
        self.counts = np.asarray(counts, dtype=np.float64)
        """Training rows of each level."""
        self.outside, self.missing_rows = outside, missing
        """Training rows outside the vocabulary (levels beyond the cap), and missing."""
        self.input_count = 0
        self.head = min(len(self.levels), HEAD_LEVELS)
        self._value_set = pa.array(self.levels, type=TYPES[arrow_type])
        unseen = float(np.count_nonzero(self.counts == 1)) + 1.0
        rest = float(self.counts[self.head :].sum()) + outside
        counts_K = np.concatenate([self.counts[: self.head], [rest, missing]])
        pseudo_K = np.concatenate([np.ones(self.head), [unseen, 1.0]])
        self.parts = (Part(counts_K=counts_K, pseudo_K=pseudo_K, embedded=True),)
        self._extra_of_code = self._extra(rest, unseen)
        codes = np.arange(len(self.levels) + 2)
        class_of_code = np.where(codes > len(self.levels), self.head + 1, np.minimum(codes, self.head))
        self._class_of_code = class_of_code.astype(np.int16)

    def _extra(self, rest: float, unseen: float) -> npt.NDArray[np.float32]:
        extra = np.zeros(len(self.levels) + 2, dtype=np.float32)
        if rest > 0:
            total = rest + unseen
            extra[self.head : -2] = -np.log(self.counts[self.head :] / total)
            extra[-2] = -np.log((self.outside + unseen) / total)
        return extra

    @property
    def arrow_type(self) -> pa.DataType:
        """string, int64 or bool."""
        return TYPES[self.type_name]

    @classmethod
    def fit(cls, column: str, values: pa.Array, *, limit: int = VOCABULARY_LIMIT) -> "LevelsChannel":
        """Count levels, most frequent first (ties by value), and keep `limit` of them."""
        arrow_type = next((name for name, t in TYPES.items() if t == values.type), "string")
        tally = pc.value_counts(_cast(values, TYPES[arrow_type]).drop_null())
        counted = pa.table({"level": tally.field(0), "rows": tally.field(1)})
        order = pc.sort_indices(counted, sort_keys=[("rows", "descending"), ("level", "ascending")])
        kept = counted.take(order[: min(limit, LARGEST_LIMIT)])
        counts = kept["rows"].to_pylist()
        outside = len(values) - values.null_count - sum(counts)
        return cls(column, arrow_type=arrow_type, levels=kept["level"].to_pylist(), counts=counts,
                   outside=float(outside), missing=float(values.null_count))  # fmt: skip

    def write(self, values: pa.Array | None, rows: Rows) -> None:
        """Look every value up in the vocabulary; see the class for codes and classes."""
        if values is None:
            rows.codes_PB[0] = len(self.levels) + 1
        else:
            rows.codes_PB[0] = self._codes(values)
        np.take(self._class_of_code, rows.codes_PB[0], out=rows.classes_PB[0], mode="clip")
        np.take(self._extra_of_code, rows.codes_PB[0], out=rows.extra_PB[0], mode="clip")

    def _codes(self, values: pa.Array) -> npt.NDArray[np.int32]:
        values = _cast(values, self._value_set.type)
        found = pc.fill_null(pc.index_in(values, value_set=self._value_set), len(self.levels))
        codes: npt.NDArray[np.int32] = found.to_numpy(zero_copy_only=False)
        if values.null_count:
            codes = codes + pc.is_null(values).to_numpy(zero_copy_only=False)
        return codes

    def read(self, rows: Rows) -> pa.Array:
        """The levels; a value outside the vocabulary was not kept and comes back null, like a missing one."""
        codes = pa.array(rows.codes_PB[0], mask=rows.codes_PB[0] >= len(self.levels))
        return self._value_set.take(codes)

    def outlook(self, chances: Sequence[FloatArray]) -> Outlook:
        """The likeliest level; where that is the shared class, its most frequent level."""
        return self._likely(int(np.argmax(chances[0])))

    def outlooks(self, chances: Sequence[npt.NDArray[Any]]) -> list[Outlook]:
        """Many rows at once; each class's outlook is made once."""
        best_B = np.argmax(chances[0], axis=0)
        made = {int(best): self._likely(int(best)) for best in np.unique(best_B)}
        return [made[best] for best in best_B.tolist()]

    def _likely(self, best: int) -> Outlook:
        if best > self.head or best >= len(self.levels):
            return Outlook(expected=None)
        return Outlook(expected=self.shown(self.levels[best]))

    def shown(self, value: Any) -> Value:
        """Names stay names, also where they are written as numbers."""
        return value if value is None or isinstance(value, bool) else str(value)

    def note(self, value: Any) -> str:
        """ "missing" or "never seen in training"."""
        if value is None:
            return "missing"
        if value in self.levels:
            return ""
        return "rare in training or never seen" if self.outside else "never seen in training"

    def document(self) -> dict[str, Any]:
        """Everything the channel is, as JSON."""
        return {
            "arrow_type": self.type_name,
            "levels": self.levels,
            "counts": self.counts.tolist(),
            "outside": self.outside,
            "missing": self.missing_rows,
        }


def _cast(values: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    return values if values.type == arrow_type else pc.cast(values, arrow_type)
