"""Arrow IPC records, many events each: one stream per record, columns matched by name (or by the spec's path).

A record whose types fit goes through as it is; castable types are cast (`adapt.py`); anything else rejects the whole
record. Within a record that is read, single rows are rejected for infinite numbers and impossible times; NaN is
missing. What a record claims to unpack to is checked before anything is allocated for it (`ipc_limits.py`), and
every batch is validated in full, so that no bytes can crash or fill the process.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.codecs.adapt import Adapter
from pipeline.codecs.base import Decoded, Int32Array, Reject, RejectReason
from pipeline.codecs.finish import finish
from pipeline.codecs.ipc_limits import claims
from pipeline.codecs.json_strict import RecordError
from pipeline.codecs.layout import RawColumn, empty_batch, layout_of
from pipeline.config import CodecFormat, StreamSpec

DEFAULT_MAX_RECORD_BYTES = 16 * 1024 * 1024
MAX_ROWS = 1_000_000
"""Rows of one record at most."""
MAX_UNPACKED_BYTES = 256 * 1024 * 1024
_UNPACKED_PER_BYTE = 100
"""How many times its own size a record may unpack to, beyond the first few megabytes."""
_UNPACKED_FREE_BYTES = 4 * 1024 * 1024
_ROWS_PER_RECORD = 1_000


@dataclass(frozen=True, slots=True)
class _Piece:
    """The rows of one record, under raw types."""

    record: int
    raw: pa.RecordBatch


class ArrowCodec:
    """The codec of one stream's Arrow records. For use from one thread at a time; lets go of the interpreter lock."""

    format = CodecFormat.ARROW

    def __init__(self, spec: StreamSpec, *, max_record_bytes: int = DEFAULT_MAX_RECORD_BYTES) -> None:
        self._schema = spec.schema()
        self._layout = layout_of(spec.columns)
        self._max_record_bytes = max_record_bytes

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Typed rows and rejects of a block's values. Raises nothing, whatever the bytes."""
        rejects: list[Reject] = []
        unknown: set[str] = set()
        pieces: list[_Piece] = []
        for record, value in enumerate(values):
            try:
                raw = self._read(value, unknown)
            except RecordError as error:
                rejects.append(Reject(record=record, row=None, reason=error.reason, detail=error.detail))
            else:
                pieces.append(_Piece(record, raw))
        batches, origins = [], []
        for _, group in groupby(pieces, key=lambda piece: piece.raw.schema.types):
            batch, origin = self._finish(list(group), rejects)
            batches.append(batch)
            origins.append(origin)
        record_row = np.concatenate([np.empty((2, 0), np.int32), *origins], axis=1)
        return Decoded(
            batch=pa.concat_batches(batches) if batches else empty_batch(self._schema),
            record=record_row[0],
            row=record_row[1],
            rejects=tuple(sorted(rejects, key=lambda reject: (reject.record, reject.row or 0))),
            unknown_fields=frozenset(unknown),
        )

    def encode(self, table: pa.Table, *, rows_per_record: int = _ROWS_PER_RECORD) -> list[bytes]:
        """IPC streams of `rows_per_record` rows. Raises pa.ArrowInvalid where a column fits the spec by no cast."""
        present = [f for f in self._schema if f.name in table.column_names]
        typed = pa.table([table.column(f.name).cast(f.type) for f in present], schema=pa.schema(present))
        parts = (typed.slice(at, rows_per_record) for at in range(0, typed.num_rows, rows_per_record))
        return [_stream(part.combine_chunks().to_batches()[0]) for part in parts]

    def _finish(self, pieces: list[_Piece], rejects: list[Reject]) -> tuple[pa.RecordBatch, Int32Array]:
        """Typed rows of records that came under the same types, and (2, B) the record and row of each."""
        raw = pieces[0].raw if len(pieces) == 1 else pa.concat_batches([piece.raw for piece in pieces])
        sizes = [piece.raw.num_rows for piece in pieces]
        record = np.repeat(np.array([piece.record for piece in pieces], np.int32), sizes)
        row = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])
        finished = finish(raw, self._layout, self._schema)
        origin = np.stack([record, row])
        if not finished.bad:
            return finished.batch, origin
        for bad in finished.bad:
            at = int(record[bad.row]), int(row[bad.row])
            rejects.append(Reject(record=at[0], row=at[1], reason=bad.reason, detail=bad.detail))
        keep = finished.keep()
        return finished.batch.filter(pa.array(keep)), origin[:, keep]

    def _read(self, value: bytes | None, unknown: set[str]) -> pa.RecordBatch:
        if value is None:
            raise RecordError(RejectReason.TOMBSTONE, "the record has no value (null)")
        if not value:
            raise RecordError(RejectReason.EMPTY, "the value has no bytes")
        if len(value) > self._max_record_bytes:
            detail = f"{len(value):,} bytes, more than the {self._max_record_bytes:,} that are read; send fewer rows"
            raise RecordError(RejectReason.TOO_LARGE, detail)
        limit = min(MAX_UNPACKED_BYTES, _UNPACKED_FREE_BYTES + _UNPACKED_PER_BYTE * len(value))
        batch = _open(value, limit, len(self._layout.columns))
        unknown.update(set(batch.schema.names) - self._layout.root.children.keys())
        adapter = Adapter(limit)
        arrays = [self._column(batch, column, adapter) for column in self._layout.columns]
        names = [column.spec.name for column in self._layout.columns]
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def _column(self, batch: pa.RecordBatch, column: RawColumn, adapter: Adapter) -> pa.Array:
        found = batch.schema.get_all_field_indices(column.path[0])
        if not found:
            return pa.nulls(batch.num_rows, column.raw_type)
        if len(found) > 1:
            detail = f"{column.path[0]}: two columns of this name in one record; send it once"
            raise RecordError(RejectReason.DUPLICATE_FIELD, detail)
        array = batch.column(found[0])
        for part in column.path[1:]:
            if pa.types.is_null(array.type):
                break
            if not pa.types.is_struct(array.type):
                detail = f"{column.shown}: {array.type} where a struct is expected; mend the sender or the path"
                raise RecordError(RejectReason.WRONG_TYPE, detail)
            if array.type.get_field_index(part) < 0:
                return pa.nulls(batch.num_rows, column.raw_type)
            array = pc.struct_field(array, [part])
        return adapter.adapt(array, column)


def row_of(value: bytes, row: int) -> bytes:
    """One row of a record as an IPC stream of its own, columns as the sender typed them."""
    return _stream(open_record(value).slice(row, 1))


def open_record(value: bytes) -> pa.RecordBatch:
    """All rows of a record, validated, columns as the sender typed them. Raises RecordError where they are unfit."""
    return _open(value, MAX_UNPACKED_BYTES, 1)


def _stream(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def _open(value: bytes, most_unpacked_bytes: int, columns: int) -> pa.RecordBatch:
    """All rows of a record as one validated batch."""
    try:
        _check_claims(value, most_unpacked_bytes, columns)
        with pa.ipc.open_stream(pa.BufferReader(value)) as reader:
            _check_names(reader.schema)
            batches = list(reader)
            for batch in batches:
                batch.validate(full=True)
            if len(batches) == 1:
                return batches[0]
            return pa.concat_batches(batches) if batches else empty_batch(reader.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowKeyError, OSError) as error:
        detail = f"not a whole Arrow IPC stream ({type(error).__name__}); send one complete stream a record"
        raise RecordError(RejectReason.MALFORMED, detail) from None
    except (struct.error, UnicodeDecodeError):
        detail = "an Arrow IPC stream with contradictory metadata; send one complete stream a record"
        raise RecordError(RejectReason.MALFORMED, detail) from None


def _check_names(schema: pa.Schema) -> None:
    """Raises UnicodeDecodeError where a name or zone is not text: pyarrow finds out only when it is asked."""
    for field in schema:
        field.name.encode()
        if pa.types.is_timestamp(field.type) and field.type.tz is not None:
            field.type.tz.encode()


def _check_claims(value: bytes, most_unpacked_bytes: int, columns: int) -> None:
    rows = unpacked = 0
    for message in _messages(value):
        claimed = claims(message)
        rows += claimed.rows
        unpacked += claimed.unpacked_bytes
        if not 0 <= claimed.rows <= MAX_ROWS or rows > MAX_ROWS:
            raise RecordError(RejectReason.TOO_LARGE, f"more than {MAX_ROWS:,} rows in one record; send fewer")
        if max(unpacked, rows * columns * 8) > most_unpacked_bytes:
            detail = f"unpacks to more than {most_unpacked_bytes:,} bytes; send fewer rows a record"
            raise RecordError(RejectReason.TOO_LARGE, detail)


def _messages(value: bytes) -> Iterator[pa.ipc.Message]:
    yield from pa.ipc.MessageReader.open_stream(pa.BufferReader(value))
