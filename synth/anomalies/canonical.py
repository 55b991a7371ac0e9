"""A table as injection wants it: kinds and roles in every field, the few Arrow types it knows, rows in order of time.

Columns without roles are features, but for the label and for the first time column, which is the clock.

Shape legend: N rows.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import ARROW_TYPES, Kind, Role, kind_of, make_field, names_with_role, roles_of
from synth.preparation import with_kinds
from synth.preparation.frame import IntArray
from synth.preparation.kinds import learned_kind
from synth.preparation.plain import Casting, casting_of, from_plain, is_moment, to_plain, unit_nanoseconds, value_type
from synth.preparation.relations.grid import Grid, grid_of

_MOMENT = ARROW_TYPES[Kind.TIME][0]


@dataclass(slots=True)
class Canonical:
    """The table to inject into, and the way back for its columns."""

    table: pa.Table
    order_N: IntArray
    """Which row of the source each row is."""
    fields: dict[str, pa.Field]
    """Source fields, with kinds."""
    castings: dict[str, Casting]
    grids: dict[str, Grid] = field(default_factory=dict)
    """Of numeric columns, so that a value does not give itself away by its digits."""

    def back(self, name: str, array: pa.Array) -> pa.Array:
        """Values of one canonical column as the source's type."""
        source, casting = self.fields[name], self.castings[name]
        if is_moment(value_type(source.type)):
            return _from_moment(array, source)
        if name in self.grids and array.type == pa.float64():
            values = np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.float64)
            array = self.grids[name].array(self.grids[name].snapped(values))
        if casting.levels is not None:
            new = tuple(v for v in array.unique().to_pylist() if v is not None and v not in casting.levels)
            casting = Casting(levels=(*casting.levels, *new))
        return from_plain(array, source, casting)


def with_roles(schema: pa.Schema, *, label: str | None = None) -> pa.Schema:
    """A schema whose fields all carry a kind, with roles where none are stated: see the module's head."""
    clocked = bool(names_with_role(schema, Role.TIME))
    fields = []
    for column in schema:
        kind, roles = kind_of(column) or Kind.NUMERIC, set(roles_of(column))
        if not roles and column.name == label:
            roles = {Role.LABEL}
        elif not roles and kind is Kind.TIME:
            roles, clocked = {Role.FEATURE} if clocked else {Role.TIME}, True
        elif not roles and kind is not Kind.TEXT:
            roles = {Role.FEATURE}
        fields.append(make_field(column.name, kind, roles, arrow_type=column.type))
    return pa.schema(fields)


def canonical_schema(schema: pa.Schema, *, label: str | None = None) -> pa.Schema:
    """The schema that a table of this one is injected under; kinds must be in it."""
    return pa.schema([_canonical_field(column) for column in with_roles(schema, label=label)])


def canonical(table: pa.Table, *, label: str | None = None) -> Canonical:
    """A table to inject into. Raises UnusableDataError for types that cannot be learned either."""
    table = with_kinds(table, label=label)
    schema = with_roles(table.schema, label=label)
    made = Canonical(table, np.arange(table.num_rows), {}, {})
    arrays = []
    for column in schema:
        casting = casting_of(table[column.name], column)
        plain = to_plain(table[column.name], column, casting)
        made.fields[column.name], made.castings[column.name] = table.schema.field(column.name), casting
        if is_moment(value_type(column.type)):
            arrays.append(_as_moment(plain, column))
            continue
        if plain.type == pa.float64():
            single = value_type(column.type) in (pa.float32(), pa.float16())
            made.grids[column.name] = grid_of(plain, single=single)
        arrays.append(plain)
    target = pa.schema([_canonical_field(column) for column in schema])
    whole = pa.Table.from_arrays(arrays, schema=target)
    made.order_N = _order(whole)
    made.table = whole.take(pa.array(made.order_N))
    return made


def _canonical_field(column: pa.Field) -> pa.Field:
    found = value_type(column.type)
    if is_moment(found):
        return make_field(column.name, Kind.TIME, roles_of(column), arrow_type=_MOMENT)
    stated, kind = kind_of(column), learned_kind(column)
    plain = to_plain(pa.chunked_array([pa.array([], column.type)]), column, Casting()).type
    return make_field(column.name, Kind.TEXT if stated is Kind.TEXT else kind, roles_of(column), arrow_type=plain)


def _order(table: pa.Table) -> IntArray:
    """Rows in order of the clock, those without a moment last, equal ones as they stand; as they stand without one."""
    clock = names_with_role(table.schema, Role.TIME)
    if not clock:
        return np.arange(table.num_rows)
    moments = table[clock[0]].combine_chunks().cast(pa.int64())
    return np.argsort(pc.fill_null(moments, np.iinfo(np.int64).max).to_numpy(), kind="stable").astype(np.int64)


def _as_moment(plain: pa.Array, column: pa.Field) -> pa.Array:
    unit = unit_nanoseconds(value_type(column.type))
    values = plain.fill_null(0).to_numpy(zero_copy_only=False)
    micro = values * (unit // 1000) if unit >= 1000 else values // (1000 // unit)
    return pa.array(micro, pa.int64(), mask=plain.is_null().to_numpy(zero_copy_only=False)).cast(_MOMENT)


def _from_moment(array: pa.Array, column: pa.Field) -> pa.Array:
    unit = unit_nanoseconds(value_type(column.type))
    micro = array.cast(pa.int64())
    values = micro.fill_null(0).to_numpy(zero_copy_only=False)
    plain = values // (unit // 1000) if unit >= 1000 else values * (1000 // unit)
    made = pa.array(plain, pa.int64(), mask=array.is_null().to_numpy(zero_copy_only=False))
    return from_plain(made, column, Casting())
