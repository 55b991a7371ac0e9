"""What is wrong with a table before anything is learned, and what of it will not come back."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from detectors.errors import UnusableDataError
from synth.preparation.frame import Frame
from synth.preparation.plain import Casting, from_plain, is_moment, value_type


def refuse_unusable(table: pa.Table, label: str | None) -> None:
    """Raise UnusableDataError for a table or a label that nothing could be learned of."""
    names = table.column_names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UnusableDataError(f"two columns are named {twice!r}: rename one")
    if not names or not table.num_rows:
        raise UnusableDataError("the table has no rows or no columns: widen the time range, or give another table")
    if label is None:
        return
    if label not in names:
        raise UnusableDataError(f"there is no column {label!r} to be the label: name one of {', '.join(names)}")
    if table[label].null_count == table.num_rows:
        raise UnusableDataError(f"the label {label!r} is missing in every row: fill it, or train without a label")
    if is_moment(value_type(table.schema.field(label).type)):
        raise UnusableDataError(f"the label {label!r} holds moments: name a column of classes or numbers")


def losses(source: pa.Table, frame: Frame, castings: Mapping[str, Casting]) -> list[str]:
    """What casting to a plain column and back does not keep."""
    notes = []
    for column in source.schema:
        array, casting = frame[column.name], castings[column.name]
        missing = array.null_count - source[column.name].null_count
        if missing and not casting.missing_is_nan:
            notes.append(f"{column.name}: {missing:,} values are NaN or infinite; treated as missing")
        if pa.types.is_decimal(value_type(column.type)):
            back = pa.chunked_array([from_plain(array, column, casting)])
            if not back.equals(source[column.name]):
                notes.append(f"{column.name}: decimals of more than 15 digits; learned to double precision")
    return notes


def bounds_of(frame: Frame, schema: pa.Schema) -> dict[str, tuple[Any, Any]]:
    """The least and greatest value of every column of numbers or moments that has one."""
    found = {}
    for name in schema.names:
        array = frame[name]
        if array.type in (pa.int64(), pa.float64()) and array.null_count < len(array):
            low, high = pc.min_max(array).values()
            found[name] = (low.as_py(), high.as_py())
    return found
