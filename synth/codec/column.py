"""The port of a column's codec: values ↔ classes, one class a row, fitted once and immutable after.

The last class is "missing" where the training column had missing values. A class may stand for one value, or for a
range of them; what is drawn within a range is `decode`'s business and needs no model.

Shape legend: N rows, K classes.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synth.conditions import Condition

FloatArray = npt.NDArray[np.float64]
CodeArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Allowed:
    """What conditions leave of a column."""

    weight_K: FloatArray
    """The share of each class's rows that fits, 0 to 1."""
    low: float = -np.inf
    """Numbers only: nothing below is drawn within a class …"""
    high: float = np.inf
    """… and nothing above."""

    @property
    def everything(self) -> bool:
        """Whether no row is left out."""
        return bool((self.weight_K >= 1.0).all())


class ColumnCodec(ABC):
    """How one column is encoded."""

    way: ClassVar[str]
    """The name it has in saved documents."""
    column: str
    counts_K: FloatArray
    """Training rows of each class."""
    has_missing: bool
    """Whether the last class is "missing"."""

    @property
    def classes(self) -> int:
        """K."""
        return len(self.counts_K)

    @property
    @abstractmethod
    def position_K(self) -> FloatArray | None:
        """Where each class lies in the column's order, 0 to 1, NaN for "missing"; None where there is no order."""

    @property
    def own_K(self) -> BoolArray:
        """Classes that their neighbours say nothing about; all of them where there is no order."""
        return np.ones(self.classes, dtype=np.bool_)

    @abstractmethod
    def encode(self, values: pa.Array) -> CodeArray:
        """The class of each value (N,). Numbers beyond the training range get the nearest class.

        Raises ImpossibleConditionsError for levels that training never showed, and missing values where it showed none.
        """

    @abstractmethod
    def decode(self, codes_N: CodeArray, generator: np.random.Generator, allowed: Allowed | None = None) -> pa.Array:
        """Values of those classes, drawn within each."""

    @abstractmethod
    def allowed(self, condition: Condition) -> Allowed:
        """What a condition leaves. Raises ImpossibleConditionsError where that is nothing, with what there would be."""

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """Everything the codec is, as JSON."""
