"""What a condition on a column that is not learned as it is says about the columns it comes from, rule by rule."""

from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
import pyarrow as pa

from synth.conditions import Condition, Operator
from synth.errors import ImpossibleConditionsError
from synth.preparation.constants import Constant
from synth.preparation.frame import Rule
from synth.preparation.matching import fitting, plain_values, shown
from synth.preparation.plain import is_moment, value_type
from synth.preparation.relations.calendar import TimePart
from synth.preparation.relations.formula import Formula
from synth.preparation.relations.ordering import Ordered
from synth.preparation.relations.steps import Steps
from synth.preparation.relations.table_of_levels import Lookup
from synth.preparation.times import SplitTime

MIRRORED = {
    Operator.GREATER: Operator.LESS,
    Operator.AT_LEAST: Operator.AT_MOST,
    Operator.LESS: Operator.GREATER,
    Operator.AT_MOST: Operator.AT_LEAST,
}
_ABOVE = (Operator.GREATER, Operator.AT_LEAST)


@dataclass(frozen=True, slots=True)
class Meaning:
    """Conditions that follow from one."""

    conditions: tuple[Condition, ...] = ()
    exact: bool = False
    """They mean the same, so that nothing is left to look at."""


@singledispatch
def meaning(rule: Rule, condition: Condition, field: pa.Field) -> Meaning:
    """What a condition on the column that `rule` brings back says about the columns it comes from.

    Raises ImpossibleConditionsError where no row can fit.
    """
    if rule.needs or all(v is None for v in plain_values(condition, field)):
        return Meaning()
    raise ImpossibleConditionsError(
        f"{condition}: the values of {condition.column!r} are made anew and never learned, so none can be asked for; "
        "ask for another column's"
    )


@meaning.register
def _(rule: Constant, condition: Condition, field: pa.Field) -> Meaning:
    if fitting(pa.array([rule.value], pa.type_for_alias(rule.type_name)), condition, field)[0]:
        return Meaning(exact=True)
    raise ImpossibleConditionsError(
        f"{condition} fits no row: {condition.column!r} is {shown(rule.value, field)} in every row; leave it out"
    )


@meaning.register
def _(rule: Lookup, condition: Condition, field: pa.Field) -> Meaning:
    if rule.partly:
        return Meaning((condition,))
    values = pa.array([*rule.values, rule.for_missing], pa.type_for_alias(rule.type_name))
    fits = fitting(values, condition, field)
    levels = [
        str(level).lower() if isinstance(level, bool) else str(level)
        for level, fit in zip(rule.levels, fits[:-1], strict=True)
        if fit
    ]
    levels += ["null"] if fits[-1] else []
    if not fits[:-1].any() and not fits[-1]:
        raise ImpossibleConditionsError(
            f"{condition} fits no row: {condition.column!r} is one of {_few(rule.values)}; ask for those"
        )
    return Meaning((Condition(column=rule.source, operator=Operator.EQUAL, values=tuple(levels)),), exact=True)


@meaning.register
def _(rule: Steps, condition: Condition, field: pa.Field) -> Meaning:
    values = pa.array([*rule.values, rule.for_missing], pa.type_for_alias(rule.type_name))
    fits = fitting(values, condition, field)
    places = np.flatnonzero(fits[:-1])
    if fits[-1]:
        return Meaning()
    if not len(places):
        raise ImpossibleConditionsError(
            f"{condition} fits no row: {condition.column!r} is one of {_few(rule.values)}; ask for those"
        )
    found = []
    if places[0] > 0:
        found.append(_bound(rule.source, Operator.AT_LEAST, rule.starts[places[0]]))
    if places[-1] + 1 < len(rule.starts):
        found.append(_bound(rule.source, Operator.LESS, rule.starts[places[-1] + 1]))
    return Meaning(tuple(found))


@meaning.register
def _(rule: Formula, condition: Condition, field: pa.Field) -> Meaning:
    if is_moment(value_type(field.type)):
        return Meaning(() if rule.offset else (replace(condition, column=rule.sources[0]),))
    if rule.partly:
        return Meaning((condition,))
    if len(rule.factors) != 1 or condition.operator is Operator.UNEQUAL or "null" in condition.values:
        return Meaning()
    factor = rule.factors[0]
    source = [(float(v) - rule.offset) / factor for v in plain_values(condition, field)]
    half = abs(0.5 * 10.0 ** -(rule.grid.decimals or 0) / factor) if rule.grid.decimals is not None else 0.0
    if condition.operator is Operator.EQUAL:
        low, high = min(source) - half, max(source) + half
        return Meaning(
            (_bound(rule.sources[0], Operator.AT_LEAST, low), _bound(rule.sources[0], Operator.AT_MOST, high))
        )
    operator = condition.operator if factor > 0 else MIRRORED[condition.operator]
    loose = Operator.AT_LEAST if operator in _ABOVE else Operator.AT_MOST
    return Meaning((_bound(rule.sources[0], loose, source[0] - half if operator in _ABOVE else source[0] + half),))


@meaning.register
def _(rule: Ordered, condition: Condition, field: pa.Field) -> Meaning:
    if condition.operator is Operator.UNEQUAL or "null" in condition.values:
        return Meaning()
    own = () if rule.gap_name else (condition,)
    if condition.operator in _ABOVE:
        return Meaning()
    values = plain_values(condition, field)
    text = condition.values[int(np.argmax(values))]
    lower = [Condition(column=name, operator=Operator.AT_MOST, values=(text,)) for name in rule.lower]
    return Meaning((*own, *lower))


@meaning.register
def _(rule: SplitTime, condition: Condition, field: pa.Field) -> Meaning:
    first = rule.names[0]
    if condition.operator is Operator.UNEQUAL:
        return Meaning()
    values = plain_values(condition, field)
    if None in values:
        return Meaning(
            (Condition(column=first, operator=Operator.EQUAL, values=("null",)),) if len(values) == 1 else ()
        )
    days = [value // rule.steps_per_day for value in values]
    units = [(day + 3) // 7 if rule.weekly else day for day in days]
    if condition.operator is Operator.EQUAL:
        wanted = tuple(dict.fromkeys(str(unit) for unit in units))
        return Meaning((Condition(column=first, operator=Operator.EQUAL, values=wanted),))
    below = condition.operator not in _ABOVE
    return Meaning((_bound(first, Operator.AT_MOST if below else Operator.AT_LEAST, units[0]),))


def part_meaning(rule: TimePart, source: SplitTime, condition: Condition, field: pa.Field) -> Meaning:
    """What a condition on a part of a time column says about the columns that the time is learned as.

    Raises ImpossibleConditionsError where no part fits.
    """
    values = pa.array([*rule.values, rule.for_missing], pa.type_for_alias(rule.type_name))
    fits = fitting(values, condition, field)
    parts = [part for part, fit in zip(rule.parts, fits[:-1], strict=True) if fit]
    if fits[-1]:
        return Meaning()
    if not parts:
        raise ImpossibleConditionsError(
            f"{condition} fits no row: {condition.column!r} is one of {_few(rule.values)}; ask for those"
        )
    if rule.part == "weekday" and source.weekly:
        wanted = Condition(column=source.names[1], operator=Operator.EQUAL, values=tuple(map(str, parts)))
        return Meaning((wanted,))
    if rule.part == "hour" and source.clocked:
        steps = source.steps_per_day // source.grid
        first, behind = parts[0] * steps // 24, -(-(parts[-1] + 1) * steps // 24)
        name = source.names[-1]
        return Meaning((_bound(name, Operator.AT_LEAST, first), _bound(name, Operator.LESS, behind)))
    return Meaning()


def _bound(column: str, operator: Operator, value: float) -> Condition:
    return Condition(
        column=column, operator=operator, values=(repr(value) if value != int(value) else str(int(value)),)
    )


def _few(values: tuple[object, ...]) -> str:
    names = list(dict.fromkeys(str(v) for v in values if v is not None))
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
