"""What passes between the steps of preparation: plain columns by name, and which rows are being made.

A plain column is an Arrow array of float64, int64, string or bool, with nulls for what is missing: rules see only
these, whatever the source's type was.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Frame = Mapping[str, pa.Array]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
WordArray = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """The rows that are being restored: values that are made, not learned, depend on seed and row number only."""

    seed: int
    first_row: int
    rows: int

    def numbers(self) -> WordArray:
        """Each row's number in its dataset, (rows,)."""
        return np.arange(self.first_row, self.first_row + self.rows, dtype=np.uint64)

    def words(self, purpose: str, numbers: WordArray | None = None) -> WordArray:
        """64 well mixed bits a row, others for every purpose (SplitMix64, Steele et al. 2014)."""
        salt = np.uint64(number_of(f"{self.seed}:{purpose}"))
        with np.errstate(over="ignore"):
            z = (self.numbers() if numbers is None else numbers) * _GOLDEN + salt
            z = (z ^ (z >> np.uint64(30))) * _MIX_1
            z = (z ^ (z >> np.uint64(27))) * _MIX_2
            return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)

    def shares(self, purpose: str) -> FloatArray:
        """One number in [0, 1) a row."""
        return np.asarray((self.words(purpose) >> np.uint64(11)).astype(np.float64) * 2.0**-53, dtype=np.float64)


class Rule(Protocol):
    """How one source column is learned, if at all, and brought back."""

    name: ClassVar[str]
    """What it is called in documents."""

    @property
    def column(self) -> str:
        """The source column it brings back."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Source columns that must be back before it."""

    def fields(self) -> tuple[pa.Field, ...]:
        """What is learned instead of the column; empty where nothing is."""

    def learned(self, source: Frame) -> tuple[pa.Array, ...]:
        """The arrays of `fields`, from all plain source columns."""

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """The plain column, from learned columns and those it needs."""

    def document(self) -> dict[str, Any]:
        """All of it, JSON-able."""


class MadeAnew:
    """What rules share whose column depends on no other and is not learned: it is made anew for every row."""

    __slots__ = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def fields(self) -> tuple[pa.Field, ...]:
        """Nothing is learned."""
        return ()

    def learned(self, source: Frame) -> tuple[pa.Array, ...]:
        """Nothing is learned."""
        return ()


def number_of(text: str) -> int:
    """64 bits that depend on a text only."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def with_missing(array: pa.Array, missing: BoolArray) -> pa.Array:
    """The array with nulls where `missing`."""
    if not missing.any():
        return array
    return pa.compute.if_else(pa.array(~missing), array, pa.nulls(len(array), array.type))
