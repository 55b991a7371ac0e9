"""Conditions on a stream: what the entity model can be asked for, what events are held against, what cannot be.

Conditions on the entity's own columns hold for whole histories: they are asked of the model of the entities. Those on
events (and on the time) leave of each history the events that fit.
"""

from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, kind_of
from synth.conditions import Condition, Conditions, Operator
from synth.errors import ImpossibleConditionsError
from synth.streams.entities import own_column
from synth.streams.sources import Columns

_COMPARED = {
    Operator.GREATER: pc.greater,
    Operator.AT_LEAST: pc.greater_equal,
    Operator.LESS: pc.less,
    Operator.AT_MOST: pc.less_equal,
}
NULL = "null"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """Conditions by where they are met."""

    of_entities: Conditions | None
    of_events: tuple[Condition, ...]


def request_of(conditions: Conditions | None, columns: Columns) -> StreamRequest:
    """Conditions taken apart. Raises ImpossibleConditionsError for what a stream cannot be asked."""
    asked = conditions or Conditions()
    if asked.given is not None:
        raise ImpossibleConditionsError(
            "values given row by row do not fit whole histories: leave them out, or use a generator of rows"
        )
    for name in [condition.column for condition in asked.where] + ([asked.balance] if asked.balance else []):
        _check(name, columns)
    learned = _learned_of_keys(columns)
    if asked.balance is not None and asked.balance not in learned:
        raise ImpossibleConditionsError(
            f"{asked.balance!r} changes within a history, and histories whose every level comes equally often do not "
            f"occur: balance one of {', '.join(learned) or 'no column (none belongs to the whole key)'}, or ask for "
            f"the events of one level with --where"
        )
    own = tuple(replace(c, column=own_column(c.column)) for c in asked.where if c.column in learned)
    balance = own_column(asked.balance) if asked.balance else None
    return StreamRequest(
        of_entities=Conditions(where=own, balance=balance) if own or balance else None,
        of_events=tuple(c for c in asked.where if c.column not in learned),
    )


def _learned_of_keys(columns: Columns) -> tuple[str, ...]:
    """Columns of the key that its model knows as they are."""
    preparation = columns.own_preparation
    if preparation is None:
        return ()
    return tuple(name for name in columns.own if name not in preparation.rule_of)


def _check(name: str, columns: Columns) -> None:
    if name not in columns.schema.names:
        raise ImpossibleConditionsError(f"there is no column {name!r}: name one of {', '.join(columns.schema.names)}")
    if name == columns.key:
        raise ImpossibleConditionsError(f"{name!r} names entities, which are made anew: ask for columns of theirs")


def fitting(table: pa.Table, conditions: tuple[Condition, ...]) -> pa.Array:
    """Which rows fit all conditions."""
    fits = pa.array([True] * table.num_rows) if not conditions else None
    for condition in conditions:
        one = _fits(table[condition.column], condition, kind_of(table.schema.field(condition.column)))
        fits = one if fits is None else pc.and_(fits, one)
    return fits


def _fits(column: pa.ChunkedArray, condition: Condition, kind: Kind | None) -> pa.ChunkedArray:
    values = [value for value in condition.values if value != NULL]
    try:
        wanted = [_scalar(value, _compared_type(column.type)) for value in values]
        plain = column.cast(_compared_type(column.type), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ImpossibleConditionsError(
            f"{condition} cannot be compared with {column.type}: write a value of that type"
        ) from error
    if condition.operator in _COMPARED:
        if not wanted:
            raise ImpossibleConditionsError(f"{condition}: a missing value has no order: use = or !=")
        return pc.fill_null(_COMPARED[condition.operator](plain, wanted[0]), False)
    named = pc.fill_null(pc.is_in(plain, value_set=pa.array([w.as_py() for w in wanted], plain.type)), False)
    named = pc.and_(named, pc.is_valid(plain))
    if NULL in condition.values:
        named = pc.or_(named, pc.is_null(plain))
    if condition.operator is Operator.EQUAL:
        return named
    return pc.invert(named) if NULL in condition.values else pc.and_(pc.invert(named), pc.is_valid(plain))


def _scalar(value: str, kind: pa.DataType) -> pa.Scalar:
    """What was written, as a type; moments without a zone are UTC."""
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pa.scalar(value.removesuffix("Z")).cast(pa.timestamp(kind.unit)).cast(pa.int64()).cast(kind)
    return pa.scalar(value).cast(kind)


def _compared_type(kind: pa.DataType) -> pa.DataType:
    """The type in which values of a column are compared with what was written."""
    value_type = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_integer(value_type) or pa.types.is_floating(value_type) or pa.types.is_decimal(value_type):
        return pa.float64()
    if pa.types.is_date(value_type) or pa.types.is_timestamp(value_type):
        return pa.timestamp("us", tz=getattr(value_type, "tz", None))
    return pa.bool_() if pa.types.is_boolean(value_type) else pa.string()
