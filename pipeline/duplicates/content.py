"""What makes two rows the same: which columns are an event's id, which its content, and both as 64-bit hashes.

Two rows are
- **delivered again** where they have the same id (every column with the role `id`; a row without one has none), and
- **the same content** where every other column of the stream is equal, the event's time and the label included.

Columns that begin with an underscore are the archive's own, or say which synthetic rows are injected anomalies: they
are no content. Two different values meet in one hash with a chance of 2⁻⁶⁴: 3·10⁻⁶ for any two among ten million.

Shape legend: B rows of a batch.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.columns import Role, names_with_role
from detectors.context.hashing import hash_columns
from pipeline.synthesis.fingerprint import hashable

UInt64Array = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentColumns:
    """Which columns tell rows apart, by name."""

    id: tuple[str, ...]
    content: tuple[str, ...]
    """All others of the stream, the time among them."""
    time: str | None
    """The column with the event's time."""

    @classmethod
    def of(cls, schema: pa.Schema) -> "ContentColumns":
        """By the roles in a schema's metadata."""
        ids = names_with_role(schema, Role.ID)
        times = names_with_role(schema, Role.TIME)
        content = [name for name in schema.names if name not in ids and not name.startswith("_")]
        return cls(id=tuple(ids), content=tuple(content), time=times[0] if times else None)

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return {"id": list(self.id), "content": list(self.content), "time": self.time}


def content_hashes(batch: pa.RecordBatch, columns: ContentColumns) -> UInt64Array:
    """A hash of each row's content, (B,)."""
    return hash_columns([hashable(batch[name]) for name in columns.content], batch.num_rows)


def id_hashes(batch: pa.RecordBatch, columns: ContentColumns) -> tuple[UInt64Array, Mask]:
    """A hash of each row's id, and whether it has one: (B,) and (B,)."""
    ids = [hashable(batch[name]) for name in columns.id]
    known = np.full(batch.num_rows, bool(ids))
    for column in ids:
        if column.null_count:
            known &= column.is_valid().to_numpy(zero_copy_only=False)
    return hash_columns(ids, batch.num_rows), known


def place_hashes(partition: Any, offsets: Any, rows: Any, times_ms: Any) -> UInt64Array:
    """A hash of where each row lies in an archive, (B,): arrays of shape (B,), or a number that holds for all.

    The time tells rows of one offset in two incarnations of a topic apart.
    """
    size = np.broadcast(partition, offsets, rows, times_ms).size
    numbers = (np.broadcast_to(np.asarray(values, np.int64), size) for values in (partition, offsets, rows, times_ms))
    return hash_columns([pa.array(values) for values in numbers], size)
