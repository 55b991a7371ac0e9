"""Which records of a block that failed look wrong: a quick look at each, which decides nothing.

Records pointed out here are read by the strict reader, all others as a block; a wrong guess costs time only.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import pyarrow as pa

from pipeline.codecs.layout import Layout, Node, RawColumn

_TYPES: dict[pa.DataType, Any] = {
    pa.string(): str,
    pa.bool_(): bool,
    pa.float64(): float,
    pa.int64(): Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
}


class Suspects:
    """Looks at records of one layout."""

    def __init__(self, layout: Layout) -> None:
        self._decoder = msgspec.json.Decoder(_struct(layout.root))

    def find(self, values: Sequence[bytes]) -> list[int]:
        """Indices of the values that are not JSON, or do not fit their columns, as far as a quick look can tell."""
        decode = self._decoder.decode
        found = []
        for index, value in enumerate(values):
            try:
                decode(value)
            except (msgspec.DecodeError, ValueError, RecursionError):
                found.append(index)
        return found


def _struct(node: Node) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    for index, (name, child) in enumerate(node.children.items()):
        kind = _TYPES[child.raw_type] if isinstance(child, RawColumn) else _struct(child)
        fields.append((f"f{index}", kind | None, None))
        names[f"f{index}"] = name
    return msgspec.defstruct("Event", fields, rename=names, gc=False)
