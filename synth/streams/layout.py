"""What each learned column of a keyed stream is to the generator.

Shape legend: N events, K keys.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, Role, kind_of, names_with_role, roles_of
from detectors.errors import UnusableDataError
from synth.streams.clock import tick_of
from synth.streams.histories import FloatArray, Histories, Int64Array, codes
from synth.streams.settings import StreamSettings

RETURNING_LEVELS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLayout:
    """The learned columns by what is done with them; every column of events is in one of the first two."""

    events: tuple[str, ...]
    """Learned as they are, event by event, each with a view to the event before."""
    references: tuple[str, ...]
    """Names of many things, learned by recency."""
    returning: tuple[str, ...]
    """Of `events`, names of so many levels that whether one comes again is learned apart from which."""
    levels: tuple[tuple[str, str | None], ...]
    """Of `events`, those whose mean over a key's events makes keys differ: numbers, or None; else the level counted."""
    habits: tuple[str, ...]
    """Of `events`, names whose most frequent level makes keys differ."""
    own: tuple[str, ...]
    """Columns of the key itself."""
    tick_us: int
    begin_us: int
    end_us: int

    @property
    def ranked(self) -> tuple[str, ...]:
        """The columns that have a place in the key's list of what it used last."""
        return (*self.references, *self.returning)

    def document(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "StreamLayout":
        """The layout that `document` described."""
        made: dict[str, Any] = {f.name: document[f.name] for f in fields(cls)}
        made = {name: tuple(value) if isinstance(value, list) else value for name, value in made.items()}
        made["levels"] = tuple((column, level) for column, level in made["levels"])
        return cls(**made)


def column_with(schema: pa.Schema, role: Role, named: str | None) -> str:
    """The column named, else the one that has the role, the first of several."""
    names = [named] if named else names_with_role(schema, role)
    if not names:
        raise UnusableDataError(f"no column has the role {role.value!r}: name it, or make rows without keys instead")
    if names[0] not in schema.names:
        raise UnusableDataError(f"there is no column {names[0]!r}: name one of {', '.join(schema.names)}")
    return names[0]


def layout_of(histories: Histories, own: pa.Table, *, label: str | None, settings: StreamSettings) -> StreamLayout:
    """How the learned columns of histories, and those of their keys, are learned."""
    table = histories.table
    number_of = {name: codes(table[name]) for name in table.column_names}
    references = [
        name
        for name, code_N in number_of.items()
        if name != label and _refers(table.schema.field(name), code_N, settings)
    ]
    events = [name for name in table.column_names if name not in references]
    levels = [(name, _counted_level(table, name, number_of[name])) for name in events]
    chosen = [(name, level) for name, level in levels if level is not None or _is_number(table.schema.field(name))]
    return StreamLayout(
        events=tuple(events),
        references=tuple(references),
        returning=tuple(
            name for name in events if name != label and _returns(table.schema.field(name), number_of[name])
        ),
        levels=tuple(chosen),
        habits=tuple(name for name in events if name not in dict(chosen)),
        own=tuple(own.column_names),
        tick_us=tick_of(histories.time_us_N),
        begin_us=int(histories.time_us_N.min()),
        end_us=int(histories.time_us_N.max()),
    )


def _refers(field: pa.Field, code_N: Int64Array, settings: StreamSettings) -> bool:
    """Whether a column names so many things that they are learned by recency."""
    if kind_of(field) is not Kind.CATEGORICAL and Role.KEY not in roles_of(field):
        return False
    levels = int(code_N.max()) + 1
    many = levels > settings.reference_levels or levels * settings.events_a_level > len(code_N)
    return many and settings.few_levels < levels <= len(code_N) // 2


def _returns(field: pa.Field, code_N: Int64Array) -> bool:
    return kind_of(field) is Kind.CATEGORICAL and int(code_N.max()) >= RETURNING_LEVELS


def _is_number(field: pa.Field) -> bool:
    return kind_of(field) in (Kind.NUMERIC, Kind.BOOLEAN)


def _counted_level(table: pa.Table, name: str, code_N: Int64Array) -> str | None:
    """Of a column of two names the rarer one, which is then counted."""
    if _is_number(table.schema.field(name)) or int(code_N.max()) != 1:
        return None
    rarer_N = pa.array(code_N == np.argmin(np.bincount(code_N)))
    value = pc.min(table[name].filter(rarer_N).cast(pa.string())).as_py()
    return None if value is None else str(value)


def values_of(column: pa.ChunkedArray, level: str | None) -> FloatArray:
    """A column as numbers: its values, or 1 where it has the level and 0 elsewhere; NaN where missing."""
    numbers = column if level is None else pc.equal(column.cast(pa.string()), level)
    if pa.types.is_boolean(numbers.type):
        numbers = numbers.cast(pa.int8())
    doubles = pc.fill_null(numbers.cast(pa.float64(), safe=False), float("nan"))
    return np.asarray(doubles.to_numpy(), dtype=np.float64)
