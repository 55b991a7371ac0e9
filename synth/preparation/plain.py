"""Source columns of any Arrow type that Parquet files commonly have ↔ plain columns, exactly wherever that can be.

Numbers become float64 or int64, times int64 in their own unit, strings of all encodings string. What holds several
values, bytes or nothing at all is refused before anything is learned.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.errors import UnusableDataError

types = pa.types
_SIGN = 2**63
_UNIT_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
DAY_NANOSECONDS = 86_400 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Casting:
    """What a plain column does not say by itself about its source column."""

    missing_is_nan: bool = False
    """Missing numbers were NaN, none was null."""
    from_top: bool = False
    """Unsigned 64-bit numbers beyond the signed range: 2⁶³ is taken away, which keeps their order."""
    levels: tuple[str | int, ...] | None = None
    """The levels of an ordered dictionary, in their order."""

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Casting":
        """What `document` described."""
        levels = document["levels"]
        return cls(**{**document, "levels": None if levels is None else tuple(levels)})


def value_type(arrow_type: pa.DataType) -> pa.DataType:
    """The type of the values, without a dictionary around them."""
    return arrow_type.value_type if types.is_dictionary(arrow_type) else arrow_type


def is_text(arrow_type: pa.DataType) -> bool:
    """Whether values are strings, in any of Arrow's layouts."""
    return bool(types.is_string(arrow_type) or types.is_large_string(arrow_type) or types.is_string_view(arrow_type))


def is_moment(arrow_type: pa.DataType) -> bool:
    """Whether values are days or moments (not times of day, which are numbers)."""
    return bool(types.is_date(arrow_type) or types.is_timestamp(arrow_type))


def is_clockwise(arrow_type: pa.DataType) -> bool:
    """Whether values are stored as counts of a unit: times of day and durations."""
    return bool(types.is_time(arrow_type) or types.is_duration(arrow_type))


def unit_nanoseconds(arrow_type: pa.DataType) -> int:
    """The unit that a moment is counted in."""
    if types.is_date32(arrow_type):
        return DAY_NANOSECONDS
    return _UNIT_NANOSECONDS["ms" if types.is_date64(arrow_type) else arrow_type.unit]


def plain_type(field: pa.Field) -> pa.DataType:
    """The plain type of a source column. Raises UnusableDataError, with the fix, for what cannot be learned."""
    found = value_type(field.type)
    if types.is_boolean(found):
        return pa.bool_()
    if is_text(found):
        return pa.string()
    if types.is_floating(found) or types.is_decimal(found):
        return pa.float64()
    if types.is_integer(found) or is_moment(found) or is_clockwise(found):
        return pa.int64()
    raise UnusableDataError(f"column {field.name!r} holds {field.type}, which cannot be learned: {_fix(found)}")


def _fix(found: pa.DataType) -> str:
    if types.is_null(found):
        return "it has no values at all: drop it, or give it a type"
    if types.is_nested(found):
        return "put each part into a column of its own, or drop it"
    return "cast it to string, or drop it"


def casting_of(column: pa.ChunkedArray, field: pa.Field) -> Casting:
    """What must be remembered of a column to bring it back."""
    found = value_type(field.type)
    levels = None
    if types.is_dictionary(field.type) and field.type.ordered and (is_text(found) or types.is_integer(found)):
        chunks = column.unify_dictionaries().chunks
        levels = tuple(chunks[0].dictionary.to_pylist()) if chunks else ()
    if types.is_uint64(found):
        greatest = pc.max(_decoded(column, field.type)).as_py()
        return Casting(from_top=greatest is not None and greatest >= _SIGN, levels=levels)
    if types.is_floating(found):
        values = _decoded(column, field.type)
        has_nan = bool(pc.any(pc.is_nan(pc.cast(values, pa.float64()))).as_py())
        return Casting(missing_is_nan=has_nan and values.null_count == 0, levels=levels)
    return Casting(levels=levels)


def to_plain(column: pa.ChunkedArray, field: pa.Field, casting: Casting) -> pa.Array:
    """A source column as a plain one; NaN and infinities become missing."""
    found, target = value_type(field.type), plain_type(field)
    whole = _whole(_decoded(column, field.type))
    if types.is_uint64(found):
        if not casting.from_top:
            return pc.cast(whole, target)
        shifted = whole.fill_null(0).to_numpy(zero_copy_only=False) - np.uint64(_SIGN)
        return pa.array(shifted.astype(np.int64), mask=whole.is_null().to_numpy(zero_copy_only=False))
    if types.is_date32(found) or types.is_time32(found):
        return pc.cast(pc.cast(whole, pa.int32()), target)
    if types.is_floating(found):
        values = np.asarray(pc.cast(whole, target).to_numpy(zero_copy_only=False), dtype=np.float64)
        return pa.array(values, mask=~np.isfinite(values))
    return pc.cast(whole, target)


def from_plain(array: pa.Array, field: pa.Field, casting: Casting) -> pa.Array:
    """A plain column as its source's type; numbers are kept within what the type can hold."""
    found = value_type(field.type)
    if types.is_integer(found):
        made = _as_integer(array, found, casting)
    elif types.is_floating(found):
        made = _as_floating(array, found, casting)
    elif types.is_decimal(found):
        made = _as_decimal(array, found)
    elif types.is_date32(found) or types.is_time32(found):
        made = pc.cast(pc.cast(array, pa.int32()), found)
    else:
        made = pc.cast(array, found)
    return _encoded(made, field.type, casting) if types.is_dictionary(field.type) else made


def _decoded(column: pa.ChunkedArray, arrow_type: pa.DataType) -> pa.ChunkedArray:
    return pc.cast(column, arrow_type.value_type) if types.is_dictionary(arrow_type) else column


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        return pa.concat_arrays(combined.chunks) if combined.num_chunks else pa.array([], column.type)
    return combined


def _as_integer(array: pa.Array, found: pa.DataType, casting: Casting) -> pa.Array:
    if casting.from_top:
        missing = array.is_null().to_numpy(zero_copy_only=False)
        signed = array.fill_null(0).to_numpy(zero_copy_only=False)
        return pa.array(signed.astype(np.uint64) + np.uint64(_SIGN), mask=missing)
    if types.is_int64(found):
        return array
    signed_type = types.is_signed_integer(found)
    low = -(2 ** (found.bit_width - 1)) if signed_type else 0
    high = min(2 ** (found.bit_width - int(signed_type)) - 1, _SIGN - 1)
    return pc.cast(
        pc.max_element_wise(pc.min_element_wise(array, high, skip_nulls=False), low, skip_nulls=False), found
    )


def _as_floating(array: pa.Array, found: pa.DataType, casting: Casting) -> pa.Array:
    values = np.array(array.to_numpy(zero_copy_only=False), dtype=np.float64)
    missing = np.isnan(values)
    with np.errstate(over="ignore"):
        narrowed = values.astype(found.to_pandas_dtype())
    return pa.array(narrowed, found, mask=None if casting.missing_is_nan else missing, from_pandas=False)


def _as_decimal(array: pa.Array, found: pa.DataType) -> pa.Array:
    limit = float(10 ** (found.precision - found.scale)) * (1.0 - 2.0**-52) - 0.5 * 10.0**-found.scale
    held = pc.max_element_wise(pc.min_element_wise(array, limit, skip_nulls=False), -limit, skip_nulls=False)
    if types.is_decimal32(found) or types.is_decimal64(found):
        wide = pa.decimal128(found.precision, found.scale)
        return pc.cast(pc.cast(held, wide, safe=False), found)
    return pc.cast(held, found, safe=False)


def _encoded(array: pa.Array, arrow_type: pa.DataType, casting: Casting) -> pa.Array:
    if casting.levels is not None:
        levels = pa.array(casting.levels, arrow_type.value_type)
        codes = pc.cast(pc.index_in(array, value_set=levels), arrow_type.index_type)
        return pa.DictionaryArray.from_arrays(codes, levels, ordered=arrow_type.ordered)
    if types.is_string_view(arrow_type.value_type):
        array = pc.cast(array, pa.string())
    made = pc.dictionary_encode(array)
    levels = pc.cast(made.dictionary, arrow_type.value_type)
    codes = pc.cast(made.indices, arrow_type.index_type)
    return pa.DictionaryArray.from_arrays(codes, levels, ordered=arrow_type.ordered)
