"""Table rows → JSON objects, for replay: a column at a time up to the last step."""

from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind
from pipeline.codecs.layout import Layout, Node, RawColumn
from pipeline.config import TimeUnit

_PER_UNIT = {TimeUnit.SECONDS: 1_000_000, TimeUnit.MILLISECONDS: 1_000, TimeUnit.MICROSECONDS: 1}
Builder = Callable[[tuple[Any, ...]], dict[str, Any]]


def encode_rows(table: pa.Table, layout: Layout) -> list[bytes]:
    """One object per row; fields the table lacks are left out, nulls and non-finite numbers are written null.

    Raises pa.ArrowInvalid where a column cannot be cast to the stream's type.
    """
    present = [c for c in layout.columns if c.spec.name in table.column_names]
    columns = [_wire(table.column(c.spec.name), c) for c in present]
    build = _builder(layout.root, {c.index: i for i, c in enumerate(present)})
    encode = msgspec.json.Encoder().encode
    return [encode(build(row)) for row in zip(*columns, strict=True)]


def _wire(values: pa.ChunkedArray, column: RawColumn) -> list[Any]:
    """A column as the Python values its JSON has."""
    if column.spec.kind is not Kind.TIME:
        listed: list[Any] = values.cast(column.raw_type).to_pylist()
        return listed
    micros = values.cast(pa.timestamp("us", tz="UTC"), safe=False)
    if column.spec.unit is TimeUnit.ISO8601:
        return list(pc.replace_substring(micros.cast(pa.string()), " ", "T", max_replacements=1).to_pylist())
    per_unit = _PER_UNIT[column.spec.unit]
    number = micros.cast(pa.int64())
    whole = pc.divide(number, per_unit)
    if pc.all(pc.equal(pc.multiply(whole, per_unit), number)).as_py() is not False:
        return list(whole.to_pylist())
    return list(pc.divide(number.cast(pa.float64()), float(per_unit)).to_pylist())


def _builder(node: Node, places: dict[int, int]) -> Builder:
    """A function that nests one row's values as `node` does."""
    flat: list[tuple[str, int]] = []
    nested: list[tuple[str, Builder]] = []
    for name, child in node.children.items():
        if not isinstance(child, RawColumn):
            nested.append((name, _builder(child, places)))
        elif child.index in places:
            flat.append((name, places[child.index]))
    names = [name for name, _ in flat]
    if not nested and [place for _, place in flat] == list(range(len(flat))) and len(flat) == len(places):
        return lambda row: dict(zip(names, row, strict=True))

    def build(row: tuple[Any, ...]) -> dict[str, Any]:
        event: dict[str, Any] = {name: row[place] for name, place in flat}
        for name, below in nested:
            event[name] = below(row)
        return event

    return build
