"""Where each column lies in a nested JSON event, and the Arrow types it is first read as.

A column is read *raw* (times as text or numbers, everything else under its own type) and finished afterwards by
`finish.py`, so that the vectorised reader and the strict one share every rule about values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from detectors.columns import Kind
from pipeline.config import ColumnSpec, TimeUnit
from pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class RawColumn:
    """One column of the stream as it is first read."""

    index: int
    """Place in the stream's schema."""
    spec: ColumnSpec
    path: tuple[str, ...]
    """Names from the outermost object inwards."""
    raw_type: pa.DataType

    @property
    def shown(self) -> str:
        """How messages name it."""
        return self.spec.path or self.spec.name


@dataclass(slots=True)
class Node:
    """An object of the event: what the stream reads of it, by name."""

    children: "dict[str, Node | RawColumn]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns in schema order, and as the tree they form."""

    columns: tuple[RawColumn, ...]
    root: Node

    def raw_schema(self) -> pa.Schema:
        """Flat: one raw field per column, by its place in the stream's schema."""
        return pa.schema([pa.field(c.spec.name, c.raw_type) for c in self.columns])

    def nested_schema(self) -> pa.Schema:
        """As the event nests them."""
        return pa.schema(list(_nested_fields(self.root)))


def raw_type_of(column: ColumnSpec) -> pa.DataType:
    """The type a column is read as before `finish` makes it what the schema says."""
    if column.kind is Kind.TIME:
        return {
            TimeUnit.ISO8601: pa.string(),
            TimeUnit.MICROSECONDS: pa.int64(),
        }.get(column.unit, pa.float64())
    return column.arrow_field().type


def path_of(column: ColumnSpec) -> tuple[str, ...]:
    """A column's path; without one, its name is a top-level field, dots and all."""
    return tuple(column.path.split(".")) if column.path is not None else (column.name,)


def layout_of(columns: Sequence[ColumnSpec]) -> Layout:
    """Lay the columns out. Raises ConfigError where two columns claim one place."""
    raw = tuple(RawColumn(index=i, spec=c, path=path_of(c), raw_type=raw_type_of(c)) for i, c in enumerate(columns))
    root = Node()
    for column in raw:
        _place(root, column)
    return Layout(columns=raw, root=root)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """No rows under a schema."""
    return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)


def _place(root: Node, column: RawColumn) -> None:
    if not all(column.path):
        raise ConfigError(f"column {column.spec.name}: the path {column.shown!r} has an empty part; write it as a.b.c")
    node = root
    for part in column.path[:-1]:
        below = node.children.setdefault(part, Node())
        if isinstance(below, RawColumn):
            raise ConfigError(
                f"column {column.spec.name}: the path {column.shown!r} leads through {below.shown!r}, which is the "
                f"column {below.spec.name}; a field is either a value or an object: change one of the two paths"
            )
        node = below
    if column.path[-1] in node.children:
        raise ConfigError(
            f"column {column.spec.name}: the path {column.shown!r} is read by another column too; "
            "drop one of the two, or change its path"
        )
    node.children[column.path[-1]] = column


def _nested_fields(node: Node) -> Iterator[pa.Field]:
    for name, child in node.children.items():
        yield pa.field(name, child.raw_type if isinstance(child, RawColumn) else pa.struct(list(_nested_fields(child))))
