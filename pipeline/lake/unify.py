"""One schema over files of many schema versions."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ConfigError


def unified_type(older: pa.DataType, newer: pa.DataType) -> pa.DataType:
    """The type that holds both: the wider number, else text."""
    if older == newer:
        return newer
    try:
        pair = [pa.schema([pa.field("c", older)]), pa.schema([pa.field("c", newer)])]
        return pa.unify_schemas(pair, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.string()


def unified_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """All columns of all schemas, oldest version first; names in the newest's order, its metadata kept."""
    fields: dict[str, pa.Field] = {}
    for schema in reversed(schemas):
        for field in schema:
            seen = fields.setdefault(field.name, field)
            fields[field.name] = seen.with_type(unified_type(field.type, seen.type))
    stream = [f.with_nullable(True) for f in fields.values() if not f.name.startswith("_")]
    return pa.schema(stream + [f for f in fields.values() if f.name.startswith("_")])


def projected(schema: pa.Schema, columns: Sequence[str] | None, stream: str) -> pa.Schema:
    """The columns asked for, in the order asked. Raises ConfigError naming those that no file has."""
    if columns is None:
        return schema
    unknown = [name for name in columns if name not in schema.names]
    if unknown and len(schema):
        raise ConfigError(
            f"the archive of {stream} has no column {', '.join(map(repr, unknown))}; it has {', '.join(schema.names)}. "
            "Correct the name, or archive events that carry it first"
        )
    return pa.schema([schema.field(name) if name in schema.names else pa.field(name, pa.null()) for name in columns])


def conformed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table under another schema: absent columns null, others cast."""
    arrays = []
    for field in schema:
        if field.name in table.column_names:
            arrays.append(pc.cast(table[field.name], field.type, safe=False))
        else:
            arrays.append(pa.chunked_array([pa.nulls(table.num_rows, field.type)]))
    return pa.table(arrays, schema=schema)
