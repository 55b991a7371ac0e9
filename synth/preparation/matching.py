"""Conditions read as plain values, and which rows fit them.

Shape legend: N rows.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.conditions import Condition, Operator
from synth.errors import ImpossibleConditionsError
from synth.preparation.frame import BoolArray
from synth.preparation.plain import is_clockwise, is_moment, plain_type, unit_nanoseconds, value_type

MISSING = "null"
_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no"}
_EPOCH = dt.datetime(1970, 1, 1)
_COMPARE = {
    Operator.GREATER: pc.greater,
    Operator.AT_LEAST: pc.greater_equal,
    Operator.LESS: pc.less,
    Operator.AT_MOST: pc.less_equal,
}


def plain_values(condition: Condition, field: pa.Field) -> list[Any]:
    """The condition's values as a plain column of this source field would hold them; None for `null`.

    Raises ImpossibleConditionsError for a value that the column's type cannot hold.
    """
    return [_plain_value(text, condition, field) for text in condition.values]


def fitting(array: pa.Array, condition: Condition, field: pa.Field) -> BoolArray:
    """Which values of a plain column fit a condition, (N,); missing ones fit `= null`, and `!=` of a value."""
    values = plain_values(condition, field)
    missing = array.is_null().to_numpy(zero_copy_only=False)
    if condition.operator in _COMPARE:
        if values[0] is None:
            return np.zeros(len(array), dtype=np.bool_)
        compared = _COMPARE[condition.operator](array, pa.scalar(values[0]))
        return np.asarray(pc.fill_null(compared, False).to_numpy(zero_copy_only=False), dtype=np.bool_)
    present = pa.array([v for v in values if v is not None], array.type)
    among = pc.is_in(array, value_set=present).to_numpy(zero_copy_only=False) & ~missing
    among = among | (missing & (None in values))
    return np.asarray(among if condition.operator is Operator.EQUAL else ~among, dtype=np.bool_)


def refuse_beyond(condition: Condition, field: pa.Field, bounds: tuple[Any, Any]) -> None:
    """Raises ImpossibleConditionsError where no value between the bounds (a plain column's) fits."""
    low, high = bounds
    values = [v for v in plain_values(condition, field) if v is not None]
    beyond = {
        Operator.EQUAL: bool(values)
        and len(values) == len(condition.values)
        and not any(low <= v <= high for v in values),
        Operator.UNEQUAL: False,
        Operator.GREATER: bool(values) and values[0] >= high,
        Operator.AT_LEAST: bool(values) and values[0] > high,
        Operator.LESS: bool(values) and values[0] <= low,
        Operator.AT_MOST: bool(values) and values[0] < low,
    }
    if beyond[condition.operator]:
        raise ImpossibleConditionsError(
            f"{condition} fits no row: {condition.column!r} lies between {shown(low, field)} and {shown(high, field)}; "
            "ask for values within"
        )


def shown(value: Any, field: pa.Field) -> str:
    """A plain value as people write it."""
    found = value_type(field.type)
    if value is not None and is_moment(found):
        nanoseconds = int(value) * unit_nanoseconds(found)
        try:
            moment = _EPOCH + dt.timedelta(microseconds=nanoseconds // 1000)
        except OverflowError:
            return str(value)
        return moment.date().isoformat() if moment.time() == dt.time() else moment.isoformat()
    return f"{value:,.10g}" if isinstance(value, float) else str(value)


def all_fitting(frame: Mapping[str, pa.Array], schema: pa.Schema, where: tuple[Condition, ...], rows: int) -> BoolArray:
    """Which rows fit all conditions, (N,); `frame` holds the plain columns that they name."""
    fits: BoolArray = np.ones(rows, dtype=np.bool_)
    for condition in where:
        fits &= fitting(frame[condition.column], condition, schema.field(condition.column))
    return fits


def _plain_value(text: str, condition: Condition, field: pa.Field) -> Any:
    if text == MISSING:
        return None
    found, plain = value_type(field.type), plain_type(field)
    try:
        if plain == pa.string():
            return text
        if plain == pa.bool_():
            return _truth(text)
        if is_moment(found):
            return _moment(text, unit_nanoseconds(found))
        if is_clockwise(found) and ":" in text:
            moment = dt.time.fromisoformat(text)
            seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
            return (seconds * 10**9 + moment.microsecond * 1000) // unit_nanoseconds(found)
        return _number(text, condition, plain)
    except ValueError as error:
        raise ImpossibleConditionsError(
            f"{condition}: {text!r} is no value of {field.name!r}, which holds {field.type}: write one that it can hold"
        ) from error


def _number(text: str, condition: Condition, plain: pa.DataType) -> int | float:
    if plain == pa.float64():
        return float(text)
    number = float(text)
    if number != int(number) and condition.operator in (Operator.EQUAL, Operator.UNEQUAL):
        raise ValueError(text)
    return int(text) if text.strip().lstrip("+-").isdecimal() else number


def _truth(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError(text)


def _moment(text: str, unit: int) -> int:
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000) // unit
