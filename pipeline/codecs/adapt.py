"""Columns as an Arrow sender typed them → the raw types of the stream, where that loses nothing."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind
from pipeline.codecs.base import RejectReason
from pipeline.codecs.json_strict import RecordError
from pipeline.codecs.layout import RawColumn
from pipeline.config import TimeUnit

_UTC_US = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Adapter:
    """Casts columns of one record.

    Widens numbers, unpacks dictionaries, takes times of any unit (without a zone they are UTC), and floats without
    fraction where integers are wanted. Raises RecordError for all else: no text becomes a number here.
    """

    most_text_bytes: int
    """Text a dictionary or view may unfold to."""

    def adapt(self, array: pa.Array, column: RawColumn) -> pa.Array:
        """The column under its raw type, or a time under timestamp[us, UTC] or text."""
        if pa.types.is_dictionary(array.type):
            array = self._unfold(array, column)
        if pa.types.is_null(array.type):
            return pa.nulls(len(array), column.raw_type)
        try:
            return self._cast(array, column)
        except (pa.ArrowInvalid, OverflowError):
            detail = f"{column.shown}: {array.type} values that {column.raw_type} cannot hold; mend the sender's type"
            raise RecordError(RejectReason.OUT_OF_RANGE, detail) from None
        except pa.ArrowNotImplementedError:
            detail = f"{column.shown}: {array.type} has no way to {column.raw_type}; mend the sender's type"
            raise RecordError(RejectReason.WRONG_TYPE, detail) from None

    def _cast(self, array: pa.Array, column: RawColumn) -> pa.Array:
        kind, types = array.type, pa.types
        if column.spec.kind is Kind.TIME and (types.is_timestamp(kind) or types.is_date(kind)):
            return _to_utc(array)
        if column.spec.kind is Kind.TIME and _is_text(kind):
            return self._text(array, column).cast(pa.string())
        epoch = column.spec.kind is Kind.TIME and column.spec.unit is not TimeUnit.ISO8601
        wanted = column.raw_type
        if types.is_string(wanted) and _is_text(kind):
            return self._text(array, column).cast(wanted)
        if types.is_boolean(wanted) and types.is_boolean(kind):
            return array
        if types.is_floating(wanted) and (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
            return array.cast(wanted, safe=False)
        if types.is_integer(wanted) and types.is_integer(kind):
            return array.cast(wanted)
        if types.is_integer(wanted) and types.is_floating(kind):
            return _whole(array, column)
        hint = " (a number needs the column's unit)" if column.spec.kind is Kind.TIME and not epoch else ""
        detail = f"{column.shown}: {kind} where {wanted} is expected{hint}; mend the sender or the column's kind"
        raise RecordError(RejectReason.WRONG_TYPE, detail)

    def _unfold(self, array: pa.DictionaryArray, column: RawColumn) -> pa.Array:
        if _is_text(array.type.value_type):
            self._bounded(pc.binary_length(array.dictionary).take(array.indices), column)
        return array.dictionary_decode()

    def _text(self, array: pa.Array, column: RawColumn) -> pa.Array:
        self._bounded(pc.binary_length(array), column)
        return array

    def _bounded(self, lengths: pa.Array, column: RawColumn) -> None:
        if (pc.sum(lengths.cast(pa.int64())).as_py() or 0) > self.most_text_bytes:
            detail = f"{column.shown}: text of more than {self.most_text_bytes:,} bytes; send fewer rows a record"
            raise RecordError(RejectReason.TOO_LARGE, detail)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _to_utc(array: pa.Array) -> pa.Array:
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("ms"))
    if array.type.unit == "ns":
        array = pc.floor_temporal(array, unit="microsecond").cast(pa.timestamp("us", tz=array.type.tz), safe=False)
    return array.cast(pa.timestamp("us", tz=array.type.tz)).cast(_UTC_US)


def _whole(array: pa.Array, column: RawColumn) -> pa.Array:
    known = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    if pc.all(pc.equal(pc.trunc(known), known)).as_py() is False:
        detail = f"{column.shown}: numbers with a fraction where integers are expected; drop `integer: true`"
        raise RecordError(RejectReason.WRONG_TYPE, detail)
    return known.cast(column.raw_type)
