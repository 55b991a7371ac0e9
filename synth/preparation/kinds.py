"""Kinds for tables that come without: plain Parquet files say types only.

The rule, where a field's metadata has no kind: booleans are BOOLEAN, dates and timestamps TIME, floats, decimals,
durations and times of day NUMERIC. Integers are NUMERIC, unless they are the label, a key, or the last word of their
name says that they are names (`customer_id`, `zip`): then CATEGORICAL. Strings are CATEGORICAL, unless their distinct
values are more than 12 and more than half of all: then TEXT.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import KIND_KEY, Kind, Role, kind_of, roles_of
from synth.preparation.plain import is_moment, is_text, plain_type, value_type

NAME_WORDS = {"id", "code", "zip", "postcode", "port", "mcc", "uuid", "guid", "key"}
FEW_LEVELS = 12
MOST_DISTINCT_SHARE = 0.5
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def with_kinds(table: pa.Table, *, label: str | None = None) -> pa.Table:
    """The same columns, every field with a kind in its metadata; kinds that are there are kept.

    Raises UnusableDataError for a column whose type cannot be learned.
    """
    fields = [_with_kind(table.column(at), field, label) for at, field in enumerate(table.schema)]
    return pa.Table.from_arrays(table.columns, schema=pa.schema(fields, metadata=table.schema.metadata))


def _with_kind(column: pa.ChunkedArray, field: pa.Field, label: str | None) -> pa.Field:
    plain_type(field)
    if kind_of(field) is not None:
        return field
    kind = inferred_kind(column, field, label)
    return field.with_metadata({**(field.metadata or {}), KIND_KEY: kind.value.encode()})


def inferred_kind(column: pa.ChunkedArray, field: pa.Field, label: str | None = None) -> Kind:
    """What a column's type, name and values say that it is."""
    found = value_type(field.type)
    if pa.types.is_boolean(found):
        return Kind.BOOLEAN
    if is_moment(found):
        return Kind.TIME
    if is_text(found):
        return Kind.TEXT if field.name != label and mostly_distinct(column) else Kind.CATEGORICAL
    if pa.types.is_integer(found):
        named = field.name == label or Role.KEY in roles_of(field) or last_word(field.name) in NAME_WORDS
        return Kind.CATEGORICAL if named else Kind.NUMERIC
    return Kind.NUMERIC


def mostly_distinct(column: pa.ChunkedArray | pa.Array) -> bool:
    """Whether so many texts differ that they cannot be the levels of a set."""
    column = column.cast(pa.string())
    present = len(column) - column.null_count
    distinct = pc.count_distinct(column, mode="only_valid").as_py()
    return bool(distinct > max(FEW_LEVELS, MOST_DISTINCT_SHARE * present))


def last_word(name: str) -> str:
    """The last word of a name, whatever its style: `customerID` ends in id."""
    words = _WORDS.findall(name)
    return words[-1].lower() if words else ""


def learned_kind(field: pa.Field) -> Kind:
    """NUMERIC, CATEGORICAL or BOOLEAN: what a plain column is learned as; the Arrow type wins over the metadata."""
    found = value_type(field.type)
    if pa.types.is_boolean(found):
        return Kind.BOOLEAN
    if is_text(found):
        return Kind.CATEGORICAL
    if pa.types.is_integer(found) and kind_of(field) in (Kind.CATEGORICAL, Kind.BOOLEAN, Kind.TEXT):
        return Kind.CATEGORICAL
    return Kind.NUMERIC
