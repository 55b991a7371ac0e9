"""One hash of a table's values: tells whether rows read again are the rows that were learned from."""

import hashlib

import pyarrow as pa

from detectors.context.hashing import hash_columns


def fingerprint(table: pa.Table) -> str:
    """Names, types and values in their order, as sha256 in hex; however the table is chunked."""
    columns = [hashable(column.combine_chunks()) for column in table.columns]
    digest = hashlib.sha256(repr([(field.name, str(field.type)) for field in table.schema]).encode())
    digest.update(hash_columns(columns, table.num_rows).tobytes())
    return digest.hexdigest()


def hashable(column: pa.Array) -> pa.Array:
    """The column, or its values as text where they are of no type that is hashed."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    plain = pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if plain or pa.types.is_timestamp(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column
    if pa.types.is_duration(kind):
        return column.cast(pa.int64())
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.string())
    return column.cast(pa.string())
