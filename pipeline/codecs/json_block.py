"""Many JSON records in one vectorised read, or nothing at all: whatever is unusual is left to the strict reader.

Records are joined by newlines and read by `pyarrow.json` as one block. Rows can never shift between records:
every record begins with `{` and ends with `}`, so at each seam stands `}` newline `{`, which no JSON value can hold
(a raw newline within a string is refused by the parser); so documents begin and end with records, each record holds
at least one, and if as many rows as records come back each held exactly one. The seams are checked by position, so
newlines inside a record are no matter. A first byte of `{` also keeps away from the parser a leading top-level
null, at which pyarrow 26 crashes.

What is refused here must be refused, or read alike, by `json_strict.py`; never the other way round.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from pipeline.codecs.json_strict import MAX_DEPTH, WHITE_SPACE
from pipeline.codecs.layout import Layout, RawColumn

Lengths = npt.NDArray[np.int64]

_OPEN, _CLOSE = ord("{"), ord("}")
_CHUNK_BYTES = 1 << 18
"""Bytes looked at together where a pass makes temporaries, so that they stay in the processor's cache."""


class BlockReader:
    """Reads whole blocks under one layout. Holds no state between reads."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._schema = layout.nested_schema()
        self._raw_schema = layout.raw_schema()
        self._floats = [c.index for c in layout.columns if c.raw_type == pa.float64()]

    def read(self, values: Sequence[bytes], lengths: Lengths | None = None) -> pa.RecordBatch | None:
        """Raw columns, one row per value, in order; None where any value needs the strict reader.

        `lengths` are the values' where they are known already. White space around values costs a second look, not the
        vectorised read.
        """
        joined = b"\n".join((*values, b""))
        starts = _starts(lengths_of(values) if lengths is None else lengths)
        if not _seams_hold(joined, starts):
            values = [value.strip(WHITE_SPACE) for value in values]
            joined = b"\n".join((*values, b""))
            starts = _starts(lengths_of(values))
            if not _seams_hold(joined, starts):
                return None
        if not _readable(joined, starts):
            return None
        return self._parse(joined, len(values))

    def _parse(self, joined: bytes, rows: int) -> pa.RecordBatch | None:
        buffer = pa.py_buffer(joined)
        try:
            table = pj.read_json(
                pa.BufferReader(buffer),
                read_options=pj.ReadOptions(use_threads=False, block_size=len(joined) + 1),
                parse_options=pj.ParseOptions(explicit_schema=self._schema, unexpected_field_behavior="ignore"),
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None
        if table.num_rows != rows:
            return None
        batch = pa.RecordBatch.from_arrays([_column(table, c) for c in self._layout.columns], schema=self._raw_schema)
        return batch if all(_finite(batch.column(i)) for i in self._floats) else None


def lengths_of(values: Sequence[bytes]) -> Lengths:
    """Shape (N,): bytes of each value."""
    return np.fromiter(map(len, values), np.int64, len(values))


def _starts(lengths: Lengths) -> Lengths:
    """Shape (N + 1,): where each record begins in the joined bytes, and their whole length."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths + 1, out=starts[1:])
    return starts


def _seams_hold(joined: bytes, starts: Lengths) -> bool:
    """Whether every record begins with { and ends with } (so is at least two bytes long)."""
    text = np.frombuffer(joined, np.uint8)
    return (
        bool((starts[1:] - starts[:-1] >= 3).all())
        and bool((text[starts[:-1]] == _OPEN).all())
        and bool((text[starts[1:] - 2] == _CLOSE).all())
    )


def _readable(joined: bytes, starts: Lengths) -> bool:
    """Whether the parser's view of these bytes is sure to be the strict reader's: no NUL (it would end the parser's
    text), UTF-8 (the parser does not look), nesting within bounds (it has none)."""
    if b"\0" in joined or not _is_utf8(joined):
        return False
    return _shallow(joined, starts)


def _is_utf8(joined: bytes) -> bool:
    if joined.isascii():
        return True
    ends = pa.py_buffer(np.array([0, len(joined)], np.int64))
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(joined)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _shallow(joined: bytes, starts: Lengths) -> bool:
    """Whether no record has more opening brackets than MAX_DEPTH, hence none nests deeper."""
    text = np.frombuffer(joined, np.uint8)
    records = len(starts) - 1
    opening = sum(
        int(np.count_nonzero(_opening(text[at : at + _CHUNK_BYTES]))) for at in range(0, len(text), _CHUNK_BYTES)
    )
    if opening - records < MAX_DEPTH:
        return True
    per_record = np.diff(np.searchsorted(np.flatnonzero(_opening(text)), starts))
    return bool(per_record.max() <= MAX_DEPTH)


def _opening(text: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_] = (text | 0x20) == _OPEN
    return mask


def _column(table: pa.Table, column: RawColumn) -> pa.Array:
    chunked = table.column(column.path[0])
    if len(column.path) > 1:
        chunked = pc.struct_field(chunked, list(column.path[1:]))
    return chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()


def _finite(array: pa.Array) -> bool:
    return bool(pc.all(pc.is_finite(array), min_count=0).as_py())
