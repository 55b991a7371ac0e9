"""One row for each entity of a stream: its own columns, when it is seen and how often, what it tends to do.

A row model learns this table; each of its draws is an entity whose events are then drawn one after another. Its columns
fix the whole of a history that the steps must add up to: first and last moment, number of events, means of its numbers.

Shape legend: N events, K keys, E entities drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, kind_of
from synth.codec.levels import OTHER
from synth.streams.clock import DAY_US, SHORT_US, moment_of_week, second_of_day, week, weekday, whole_ticks
from synth.streams.fields import integer_column, number_column, numbers_of, renamed, table_of
from synth.streams.histories import FloatArray, Histories, Int64Array, codes
from synth.streams.layout import StreamLayout, values_of

FIRST_WEEK, FIRST_WEEKDAY, FIRST_SECOND = "first_week", "first_weekday", "first_second"
EVENTS, REACH, LAST_WEEKDAY, LAST_SECOND = "events", "reach", "last_weekday", "last_second"
LEAST_LEVEL_KEYS = 5
"""As `CodecSettings.least_rows`, of the table of entities."""


def own_column(name: str) -> str:
    """What a column of the source is called where the entity has one value of it."""
    return f"own:{name}"


def level_column(name: str) -> str:
    """What the mean of a column over an entity's events is called."""
    return f"level:{name}"


def habit_column(name: str) -> str:
    """What the most frequent level of a column over an entity's events is called."""
    return f"habit:{name}"


def distinct_column(name: str) -> str:
    """What the number of different references is called."""
    return f"distinct:{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """When entities are seen, and how often."""

    first_us_E: Int64Array
    span_us_E: Int64Array
    count_E: Int64Array


def entity_table(
    histories: Histories,
    layout: StreamLayout,
    own: pa.Table,
    distinct: Mapping[str, FloatArray],
    again: Mapping[str, FloatArray],
) -> pa.Table:
    """The table, one row a key, (K rows); of each key `distinct` is the mean number of names in a piece, `again` the
    share of events that have the name of the one before."""
    table = histories.table
    columns = [(renamed(own.schema.field(name), own_column(name)), own[name]) for name in layout.own]
    first_K = histories.first_us_K
    columns += [
        integer_column(FIRST_WEEK, week(first_K) - week(np.array([layout.begin_us]))[0]),
        integer_column(FIRST_WEEKDAY, weekday(first_K)),
        number_column(FIRST_SECOND, second_of_day(first_K)),
        integer_column(EVENTS, histories.count_K),
        number_column(REACH, _reach(histories, layout)),
        integer_column(LAST_WEEKDAY, _of_last(weekday(histories.last_us_K), histories)),
        number_column(LAST_SECOND, _of_last(second_of_day(histories.last_us_K), histories)),
    ]
    for name, level in layout.levels:
        values_N = values_of(table[name], level)
        columns.append(number_column(level_column(name), means(values_N, histories.key_N, histories.keys)))
    columns += [number_column(level_column(name), share_K) for name, share_K in again.items()]
    for name in layout.habits:
        habit = table[name].take(pa.array(_habit_places(histories, name)))
        columns.append((renamed(table.schema.field(name), habit_column(name)), habit))
    columns = [(field, shared(field, values)) for field, values in columns]
    columns += [integer_column(distinct_column(name), np.round(count_K)) for name, count_K in distinct.items()]
    return table_of(columns)


def lives_of(entities: pa.Table, layout: StreamLayout) -> Lives:
    """When drawn entities are seen: within the time of the source, in whole ticks."""
    count_E = np.maximum(np.round(numbers_of(entities, EVENTS, missing=1.0)), 1).astype(np.int64)
    week_E = numbers_of(entities, FIRST_WEEK, missing=0.0) + week(np.array([layout.begin_us]))[0]
    weekday_E, second_E = (numbers_of(entities, name, missing=0.0) for name in (FIRST_WEEKDAY, FIRST_SECOND))
    first_E = whole_ticks(moment_of_week(week_E, weekday_E, second_E), layout.tick_us)
    first_E = np.clip(first_E, layout.begin_us, layout.end_us)
    room_E = (layout.end_us - first_E) // layout.tick_us
    share_E = 1.0 / (1.0 + np.exp(-numbers_of(entities, REACH, missing=-np.inf)))
    span_E = np.clip(np.round(share_E * (room_E + 1) - 0.5), 0, room_E).astype(np.int64) * layout.tick_us
    last_E = np.clip(_nearest(first_E + span_E, entities, layout), first_E, layout.end_us)
    return Lives(first_us_E=first_E, span_us_E=np.where(count_E > 1, last_E - first_E, 0), count_E=count_E)


def _nearest(last_us_E: Int64Array, entities: pa.Table, layout: StreamLayout) -> Int64Array:
    """The nearest moments to these that have the weekday and second of the day that entities are seen last at."""
    weekday_E, second_E = numbers_of(entities, LAST_WEEKDAY), numbers_of(entities, LAST_SECOND)
    known_E = np.isfinite(weekday_E) & np.isfinite(second_E)
    near_E = moment_of_week(week(last_us_E), np.nan_to_num(weekday_E), np.nan_to_num(second_E))
    near_E -= np.round((near_E - last_us_E) / (7 * DAY_US)) * 7 * DAY_US
    return np.where(known_E, whole_ticks(near_E, layout.tick_us), last_us_E)


def _of_last(values_K: FloatArray | Int64Array, histories: Histories) -> FloatArray:
    """What is said of the last event; NaN where that is soon after the first."""
    return np.where(histories.last_us_K - histories.first_us_K > SHORT_US, values_K, np.nan)


def means(values_N: FloatArray, key_N: Int64Array, keys: int) -> FloatArray:
    """Each key's mean, (K,); NaN where all values are missing."""
    present_N = np.isfinite(values_N)
    count_K = np.bincount(key_N[present_N], minlength=keys)
    total_K = np.bincount(key_N[present_N], weights=values_N[present_N], minlength=keys)
    mean_K: FloatArray = np.divide(total_K, count_K, out=np.full(keys, np.nan), where=count_K > 0)
    return mean_K


def _reach(histories: Histories, layout: StreamLayout) -> FloatArray:
    """The log odds of the share of the time left that an entity is seen for: fine near nothing and near all of it."""
    room_K = (layout.end_us - histories.first_us_K) / layout.tick_us + 1.0
    share_K = ((histories.last_us_K - histories.first_us_K) / layout.tick_us + 0.5) / room_K
    return np.where(histories.count_K > 1, np.log(share_K) - np.log1p(-share_K), np.nan)


def _habit_places(histories: Histories, name: str) -> Int64Array:
    """Of each key an event with its most frequent level, the first such level of equally frequent ones; (K,)."""
    code_N = codes(histories.table[name])
    pair_N = histories.key_N * (int(code_N.max()) + 1) + code_N
    _, place_P, count_P = np.unique(pair_N, return_index=True, return_counts=True)
    order_P = np.lexsort((pair_N[place_P], -count_P, histories.key_N[place_P]))
    best_P = order_P[np.diff(histories.key_N[place_P[order_P]], prepend=-1) != 0]
    return np.asarray(place_P[best_P], dtype=np.int64)


def shared(field: pa.Field, values: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """A column of names without those that too few keys have: the model of entities would merge them, and the model of
    events must know the names that it is given."""
    if kind_of(field) is not Kind.CATEGORICAL:
        return values
    counted = pc.value_counts(values)
    common = counted.field("values").filter(pc.greater_equal(counted.field("counts"), LEAST_LEVEL_KEYS))
    other = pa.scalar(OTHER if pa.types.is_string(values.type) else None, values.type)
    return pc.if_else(pc.or_(pc.is_null(values), pc.is_in(values, value_set=common)), values, other)
