"""A sample of events as columns of plain values, from JSON objects or a table: what a spec is inferred from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

Path = tuple[str, ...]
MAX_ROWS = 20_000
MAX_COLUMNS = 2_000
"""Events whose field names are data would make a column of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Columns by path, each with one value per event; None where an event has none."""

    rows: int
    columns: dict[Path, list[Any]]
    nested: bool
    """Whether a dot in a path is a step inwards (JSON), not part of a name."""
    dropped_columns: int = 0


def sample_events(events: Sequence[Mapping[str, Any]]) -> Sample:
    """Flatten JSON objects: objects within objects become longer paths, lists stay values."""
    events = events[:MAX_ROWS]
    columns: dict[Path, list[Any]] = {}
    dropped: set[Path] = set()
    for row, event in enumerate(events):
        for path, value in _leaves(event, ()):
            if path not in columns and len(columns) >= MAX_COLUMNS:
                dropped.add(path)
                continue
            column = columns.setdefault(path, [None] * len(events))
            column[row] = value
    inner = {path[:i] for path in columns for i in range(1, len(path))}
    for path in inner & columns.keys():  # an object here and null there
        if all(value is None for value in columns[path]):
            del columns[path]
    return Sample(rows=len(events), columns=columns, nested=True, dropped_columns=len(dropped))


def sample_table(table: pa.Table) -> Sample:
    """A table's first rows; structs become paths."""
    table = table.slice(0, MAX_ROWS)
    columns = {path: values.to_pylist() for path, values in _flat(table)}
    return Sample(rows=table.num_rows, columns=columns, nested=any(len(path) > 1 for path in columns))


def _leaves(event: Mapping[str, Any], prefix: Path) -> Iterator[tuple[Path, Any]]:
    for name, value in event.items():
        if isinstance(value, Mapping) and value and len(prefix) < 20:
            yield from _leaves(value, (*prefix, name))
        else:
            yield (*prefix, name), None if isinstance(value, Mapping) and not value else value


def _flat(table: pa.Table) -> Iterator[tuple[Path, pa.ChunkedArray]]:
    for name, column in zip(table.column_names, table.columns, strict=True):
        yield from _flat_column((name,), column)


def _flat_column(path: Path, column: pa.ChunkedArray) -> Iterator[tuple[Path, pa.ChunkedArray]]:
    kind = column.type
    if pa.types.is_struct(kind):
        for field, child in zip(kind, column.flatten(), strict=True):
            yield from _flat_column((*path, field.name), child)
        return
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        column = column.cast(pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False)
    elif pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    elif pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
    yield path, column
