"""JSON records, one event each: decoded a block at a time, and written for replay.

A block is read at once by `json_block.py`. Where it is refused, the records that look wrong are taken out and read one
by one by `json_strict.py`, the others as a block again, by halves if need be, so that a bad record costs its
neighbours time and nothing else. Both readers agree on every record, whatever lies beside it (a property the tests
hold).
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pyarrow as pa

from pipeline.codecs.base import Decoded, Int32Array, Reject, RejectReason
from pipeline.codecs.finish import finish
from pipeline.codecs.json_block import BlockReader
from pipeline.codecs.json_encode import encode_rows
from pipeline.codecs.json_strict import RecordError, read_record
from pipeline.codecs.json_suspects import Suspects
from pipeline.codecs.layout import empty_batch, layout_of
from pipeline.config import CodecFormat, StreamSpec

DEFAULT_MAX_RECORD_BYTES = 16 * 1024 * 1024
_FEWEST_FOR_A_BLOCK = 16
"""Fewer records than this are read one by one once a block of them has failed."""
_READ_BYTES = 64 * 1024 * 1024
"""Joined bytes of one vectorised read (one record more at most)."""
_SAMPLE_BYTES = 64 * 1024
"""Records larger than this are not looked at for unknown fields."""
_MOST_UNKNOWN = 200
_LONGEST_NAME = 200
_NONE: Int32Array = np.empty(0, np.int32)


@dataclass(slots=True)
class _Reading:
    """What has been read of one block so far."""

    rejects: list[Reject] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    pieces: list[pa.RecordBatch] = field(default_factory=list)
    records: list[Int32Array] = field(default_factory=list)

    def refuse(self, record: int, reason: RejectReason, detail: str) -> None:
        self.rejects.append(Reject(record=record, row=None, reason=reason, detail=detail))

    def rows(self, schema: pa.Schema) -> tuple[pa.RecordBatch, Int32Array]:
        """All raw rows in record order, and the record of each."""
        if not self.pieces:
            return empty_batch(schema), _NONE
        if len(self.pieces) == 1:
            return self.pieces[0], self.records[0]
        raw, record = pa.concat_batches(self.pieces), np.concatenate(self.records)
        if not (np.diff(record) < 0).any():
            return raw, record
        order = np.argsort(record)
        return raw.take(pa.array(order)), record[order]

    def saw_unknown(self, names: frozenset[str]) -> None:
        if names and len(self.unknown) < _MOST_UNKNOWN:
            self.unknown.update(sorted(name[:_LONGEST_NAME] for name in names)[:_MOST_UNKNOWN])


class JsonCodec:
    """The codec of one stream's JSON events. For use from one thread at a time; lets go of the interpreter lock."""

    format = CodecFormat.JSON

    def __init__(self, spec: StreamSpec, *, max_record_bytes: int = DEFAULT_MAX_RECORD_BYTES) -> None:
        self._schema = spec.schema()
        self._layout = layout_of(spec.columns)
        self._block = BlockReader(self._layout)
        self._suspects = Suspects(self._layout)
        self._max_record_bytes = max_record_bytes

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Typed rows and rejects of a block's values. Raises nothing, whatever the bytes."""
        reading = _Reading()
        readable, records = self._sizes(values, reading)
        for low, high in _spans(readable):
            raw = self._block.read(readable[low:high])
            if raw is None:
                self._sift(readable[low:high], records[low:high], reading)
            else:
                self._took(raw, readable[low:high], records[low:high], reading)
        raw, record = reading.rows(self._layout.raw_schema())
        finished = finish(raw, self._layout, self._schema, finite=True)
        batch = finished.batch
        if finished.bad:
            for bad in finished.bad:
                reading.refuse(int(record[bad.row]), bad.reason, bad.detail)
            keep = finished.keep()
            batch, record = batch.filter(pa.array(keep)), record[keep]
        return Decoded(
            batch=batch,
            record=record,
            row=np.zeros(len(record), np.int32),
            rejects=tuple(sorted(reading.rejects, key=lambda reject: reject.record)),
            unknown_fields=frozenset(reading.unknown),
        )

    def encode(self, table: pa.Table, *, rows_per_record: int = 1) -> list[bytes]:
        """One JSON object per row, nested as the spec's paths say. Raises ValueError for more rows a record."""
        if rows_per_record != 1:
            raise ValueError("JSON carries one event a record; use format: arrow for more")
        return encode_rows(table, self._layout)

    def _sizes(self, values: Sequence[bytes | None], reading: _Reading) -> tuple[list[bytes], Int32Array]:
        """Values that can be read at all, their record indices."""
        limit = self._max_record_bytes
        if None not in values:
            whole = cast(list[bytes], list(values))
            if min(map(len, whole), default=1) and max(map(len, whole), default=0) <= limit:
                return whole, np.arange(len(whole), dtype=np.int32)
        readable = [value for value in values if value and len(value) <= limit]
        kept = []
        for record, value in enumerate(values):
            if value is None:
                reading.refuse(record, RejectReason.TOMBSTONE, "the record has no value (null)")
            elif not value:
                reading.refuse(record, RejectReason.EMPTY, "the value has no bytes")
            elif len(value) > limit:
                detail = f"{len(value):,} bytes, more than the {limit:,} that are read; split the event"
                reading.refuse(record, RejectReason.TOO_LARGE, detail)
            else:
                kept.append(record)
        return readable, np.array(kept, np.int32)

    def _sift(self, values: list[bytes], records: Int32Array, reading: _Reading) -> None:
        """Read again a span that failed: the records that look wrong one by one, all others as a block."""
        wrong = set(self._suspects.find(values))
        if wrong and len(wrong) < len(values):
            right = [i for i in range(len(values)) if i not in wrong]
            singly = sorted(wrong)
            self._read_singly([values[i] for i in singly], records[singly], reading)
            values, records = [values[i] for i in right], records[right]
        self._read(values, records, reading)

    def _read(self, values: list[bytes], records: Int32Array, reading: _Reading) -> None:
        """Whole, else by halves, else one by one."""
        if len(values) > _FEWEST_FOR_A_BLOCK:
            raw = self._block.read(values)
            if raw is not None:
                self._took(raw, values, records, reading)
                return
            middle = len(values) // 2
            self._read(values[:middle], records[:middle], reading)
            self._read(values[middle:], records[middle:], reading)
        else:
            self._read_singly(values, records, reading)

    def _took(self, raw: pa.RecordBatch, values: list[bytes], records: Int32Array, reading: _Reading) -> None:
        reading.pieces.append(raw)
        reading.records.append(records)
        self._sample(values, reading)

    def _read_singly(self, values: list[bytes], records: Int32Array, reading: _Reading) -> None:
        rows: list[tuple[Any, ...]] = []
        kept: list[int] = []
        for record, value in zip(records.tolist(), values, strict=True):
            try:
                row, unknown = read_record(value, self._layout)
            except RecordError as error:
                reading.refuse(record, error.reason, error.detail)
                continue
            rows.append(row)
            kept.append(record)
            reading.saw_unknown(unknown)
        if rows:
            schema = self._layout.raw_schema()
            arrays = [pa.array(column, type=f.type) for column, f in zip(zip(*rows, strict=True), schema, strict=True)]
            reading.pieces.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
            reading.records.append(np.array(kept, np.int32))

    def _sample(self, values: list[bytes], reading: _Reading) -> None:
        """Look for fields the stream does not have in a few records of a block that was read whole."""
        count = min(8, 1 + len(values) // 64)
        for value in values[:: max(1, len(values) // count)]:
            if len(value) <= _SAMPLE_BYTES:
                with suppress(RecordError):
                    reading.saw_unknown(read_record(value, self._layout)[1])


def _spans(values: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Runs of records of about _READ_BYTES each, as half-open ranges."""
    if not values or sum(map(len, values)) <= _READ_BYTES:
        yield from [(0, len(values))] if values else []
        return
    run = np.cumsum([len(value) for value in values]) // _READ_BYTES
    edges = [0, *(np.flatnonzero(np.diff(run)) + 1).tolist(), len(values)]
    yield from pairwise(edges)
