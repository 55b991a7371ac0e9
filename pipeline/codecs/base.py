"""The codec port: a partition's raw values in, one typed batch and the rejected ones out. Rejects are values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.codecs.reject_reason import RejectReason as RejectReason  # part of the port

Int32Array = npt.NDArray[np.int32]


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
