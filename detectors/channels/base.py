"""The channel port: one Arrow column ↔ its rows in the tensors a detector sees.

A column becomes a few continuous *inputs* (what a model looks at) and zero or more *parts* (categorical variables
a model is asked to predict). The likelihood of a value is split in two, as in a hierarchical softmax: its class,
which a model predicts from the other columns, and the value within its class, whose cost in nats is fixed when the
channel is fitted (`extra`; 0 for most values). Both add up to −log p of the value.

Shape legend: B rows of a batch, I inputs and P parts of one column, K classes of one part.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
CodeArray = npt.NDArray[np.int16]
"""Small on purpose: codes are most of what a batch writes to memory. Vocabularies are capped well below 2¹⁵."""
Value = float | str | bool | None
PLAIN = (bool, str)
"""Values that reasons carry as they are; a tuple, since a union is made anew at every check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One categorical variable made from a column. Its last class is always "missing"."""

    counts_K: FloatArray
    """Training rows of each class."""
    pseudo_K: FloatArray
    """Rows credited to a class that training never showed: its cost is log((rows + 1) / pseudo)."""
    embedded: bool
    """Whether a model looks at the class itself (True) or at the column's continuous inputs (False)."""

    @property
    def classes(self) -> int:
        """K, the missing class included."""
        return len(self.counts_K)

    @property
    def unseen_nats_K(self) -> FloatArray:
        """What a class costs that training never showed, beyond the most frequent one; 0 for the others."""
        rows = float(self.counts_K.sum())
        return np.where(self.counts_K > 0, 0.0, np.log((rows + 1.0) / self.pseudo_K))


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one column in a batch's tensors: views that `Channel.write` fills (zeros on arrival)."""

    inputs_IB: Float32Array
    codes_PB: CodeArray
    """Full codes: every level of a vocabulary has its own, so that `read` can invert them."""
    classes_PB: CodeArray
    """What a model predicts: codes with the rare levels folded into one class."""
    extra_PB: Float32Array
    """Nats of the value within its class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a model held plausible for one value, in the user's units."""

    expected: Value
    low: float | None = None
    high: float | None = None


class Channel(ABC):
    """How one column is encoded; fitted once, immutable after."""

    way: ClassVar[str]
    """The name it has in saved documents."""
    column: str
    parts: tuple[Part, ...]
    input_count: int

    @property
    @abstractmethod
    def arrow_type(self) -> pa.DataType:
        """The Arrow type of the training column."""

    @abstractmethod
    def write(self, values: pa.Array | None, rows: Rows) -> None:
        """Encode a batch's values into `rows`; None (an absent column) means all missing."""

    @abstractmethod
    def read(self, rows: Rows) -> pa.Array:
        """The values that `rows` encode, as far as the encoding keeps them (see each channel)."""

    @abstractmethod
    def outlook(self, chances: Sequence[FloatArray]) -> Outlook:
        """The expected value and the 5–95 % range under one probability vector (K,) for each part."""

    def outlooks(self, chances: Sequence[npt.NDArray[Any]]) -> list[Outlook]:
        """The outlook of each of B rows, under (K, B) probabilities for each part (at least one). Channels that are
        often explained work it out for all rows at once."""
        return [self.outlook([chance_KB[:, b] for chance_KB in chances]) for b in range(chances[0].shape[1])]

    @abstractmethod
    def note(self, value: Any) -> str:
        """What a value's numbers cannot say: "missing", "never seen in training", or nothing."""

    def shown(self, value: Any) -> Value:
        """A value of `arrow_type` as a reason carries it: a number, a truth, or text."""
        if value is None or isinstance(value, PLAIN):
            return value
        number = float(value)
        return None if number != number else number

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """Everything the channel is, as JSON."""

    def marginal(self) -> Outlook:
        """The outlook of the training rows themselves, whatever the other columns say."""
        return self.outlook([part.counts_K / max(1.0, part.counts_K.sum()) for part in self.parts])
