"""The codec port: a partition's raw values in, one typed batch and the rejected ones out. Rejects are values."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Int32Array = npt.NDArray[np.int32]


class RejectReason(StrEnum):
    """Why an event went to the dead-letter topic."""

    TOMBSTONE = "tombstone"
    """The record has no value (null)."""
    EMPTY = "empty"
    """The value has no bytes, or only white space."""
    TOO_LARGE = "too_large"
    """The value is larger than the codec reads."""
    NOT_UTF8 = "not_utf8"
    MALFORMED = "malformed"
    """Not a JSON object / not an Arrow stream; NaN and Infinity literals are not JSON."""
    DUPLICATE_FIELD = "duplicate_field"
    WRONG_TYPE = "wrong_type"
    """A value does not fit its column's kind."""
    OUT_OF_RANGE = "out_of_range"
    """A number beyond 64 bits, or not finite."""
    MISSING_VALUE = "missing_value"
    """A column that must have a value has none."""
    FUTURE_TIME = "future_time"
    """Dated later than its append time by more than the tolerance."""
    POISON = "poison"
    """The process died at this record three times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One event that cannot be used."""

    record: int
    """Index of its record in the block."""
    row: int | None
    """Row within that record, where the record itself could be read; None when the whole record is rejected."""
    reason: RejectReason
    detail: str
    """Names the field, the value's shape and the fix; never the value itself (it may be personal)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What a codec made of a block's values. B rows."""

    batch: pa.RecordBatch
    """Valid rows under the stream's schema, in record and row order."""
    record: Int32Array
    """Shape (B,): index in the block of the record each row came from."""
    row: Int32Array
    """Shape (B,): row within that record; 0 where a record is one event."""
    rejects: tuple[Reject, ...]
    unknown_fields: frozenset[str] = frozenset()
    """Fields seen that the schema does not have (looked for in a sample of the block)."""


class Codec(Protocol):
    """Turns bytes into columns and back. Made for one stream schema; safe to use from one thread at a time."""

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode a block by the batch; only a batch that fails is read record by record."""

    def encode(self, table: pa.Table, *, rows_per_record: int = 1) -> list[bytes]:
        """The table's rows as record values, in order."""
