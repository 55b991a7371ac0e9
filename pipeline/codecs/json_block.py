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
from operator import itemgetter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from pipeline.codecs.finish import surely_finite
from pipeline.codecs.json_strict import MAX_DEPTH, WHITE_SPACE
from pipeline.codecs.layout import Layout, RawColumn

_OPEN, _CLOSE = ord("{"), ord("}")
_FIRST, _LAST = itemgetter(0), itemgetter(-1)
_CHUNK_BYTES = 1 << 23
"""Bytes counted at once, and the scratch kept for it: fresh memory costs more than the counting."""


class BlockReader:
    """Reads whole blocks under one layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._schema = layout.nested_schema()
        self._raw_schema = layout.raw_schema()
        self._floats = [c.index for c in layout.columns if c.raw_type == pa.float64()]
        self._scratch = np.empty((2, 0), np.uint8)

    def read(self, values: Sequence[bytes]) -> pa.RecordBatch | None:
        """Raw columns, one row per value, in order, numbers finite; None where any value needs the strict reader.

        White space around values costs a second look, not the vectorised read.
        """
        if not _seams_hold(values):
            values = [value.strip(WHITE_SPACE) for value in values]
            if not _seams_hold(values):
                return None
        joined = b"\n".join((*values, b""))
        return self._parse(joined, len(values)) if self._readable(joined, values) else None

    def _readable(self, joined: bytes, values: Sequence[bytes]) -> bool:
        """Whether the parser's view of these bytes is sure to be the strict reader's: no NUL (it would end the parser's
        text), UTF-8 (the parser does not look), nesting within bounds (it has none)."""
        if b"\0" in joined or not _is_utf8(joined):
            return False
        if self._opening_brackets(joined) - len(values) < MAX_DEPTH:
            return True
        return all(value.count(b"{") + value.count(b"[") <= MAX_DEPTH for value in values)

    def _opening_brackets(self, joined: bytes) -> int:
        """How many of { and [ there are; less than a record's first one and MAX_DEPTH more can nest no deeper."""
        text = np.frombuffer(joined, np.uint8)
        if self._scratch.shape[1] < min(len(text), _CHUNK_BYTES):
            self._scratch = np.empty((2, min(2 * len(text), _CHUNK_BYTES)), np.uint8)
        found = 0
        for at in range(0, len(text), _CHUNK_BYTES):
            chunk = text[at : at + _CHUNK_BYTES]
            folded, mask = self._scratch[0, : len(chunk)], self._scratch[1, : len(chunk)].view(np.bool_)
            np.bitwise_or(chunk, 0x20, out=folded)  # [ becomes {
            np.equal(folded, _OPEN, out=mask)
            found += int(np.count_nonzero(mask))
        return found

    def _parse(self, joined: bytes, rows: int) -> pa.RecordBatch | None:
        try:
            table = pj.read_json(
                pa.BufferReader(pa.py_buffer(joined)),
                read_options=pj.ReadOptions(use_threads=False, block_size=len(joined) + 1),
                parse_options=pj.ParseOptions(explicit_schema=self._schema, unexpected_field_behavior="ignore"),
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None
        if table.num_rows != rows:
            return None
        batch = pa.RecordBatch.from_arrays([_column(table, c) for c in self._layout.columns], schema=self._raw_schema)
        return batch if all(_finite(batch.column(i)) for i in self._floats) else None


def _seams_hold(values: Sequence[bytes]) -> bool:
    """Whether every record begins with { and ends with }."""
    if b"" in values:
        return False
    return set(map(_FIRST, values)) == {_OPEN} and set(map(_LAST, values)) == {_CLOSE}


def _is_utf8(joined: bytes) -> bool:
    if joined.isascii():
        return True
    ends = pa.py_buffer(np.array([0, len(joined)], np.int64))
    try:
        pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(joined)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _column(table: pa.Table, column: RawColumn) -> pa.Array:
    chunked = table.column(column.path[0])
    array = chunked.chunk(0) if chunked.num_chunks == 1 else chunked.combine_chunks()
    for part in column.path[1:]:
        array = pc.struct_field(array, [part]) if array.null_count else array.field(part)
    return array


def _finite(array: pa.Array) -> bool:
    return surely_finite(array) or bool(pc.all(pc.is_finite(array), min_count=0).as_py())
