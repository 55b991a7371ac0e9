"""One row for each event of a stream, as a row model learns it: first what is known before the event, then the event.

Known before it: the entity's own columns and habits, the event before, the clock, and what is left of the history: its
events, its time for each of them, what its numbers must still average. So histories end when, where and as they should
without being told to: P(history) = P(first, last, count, means) ∏ P(event | before, what is left).

Shape legend: N events (while drawing: of one step, one for each piece that goes on), S pieces.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from synth.streams.clock import Steps, log_ticks, second_of_day, steps_of, weekday
from synth.streams.entities import habit_column, means, own_column
from synth.streams.fields import NamedColumn, integer_column, number_column, renamed, side_by_side, table_of
from synth.streams.histories import BoolArray, FloatArray, Histories, Int64Array
from synth.streams.layout import StreamLayout, values_of
from synth.streams.pieces import Pieces

ERAS = 16
"""Parts of the source's time, for what changes slowly."""
WEEKDAY, WEEKS, SECOND, GAP = "step:weekday", "step:weeks", "step:second", "step:gap"


def rank_column(name: str) -> str:
    """What a reference is called where it is learned by recency."""
    return f"rank:{name}"


def again_column(name: str) -> str:
    """What it is called whether an event has the name of the one before, of a column that has ranks."""
    return f"again:{name}"


def before_column(name: str) -> str:
    """What a column of the event before is called."""
    return f"before:{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known before events."""

    entity: pa.Table
    """`seen_of_entities`, a row for each event."""
    previous: pa.Table
    """`before_column`s of the event before, missing for first events."""
    position_N: Int64Array
    """Events of the key before."""
    left_N: Int64Array
    """Events of the piece from here on, this one included."""
    first_N: BoolArray
    """Which events are the first of their piece."""
    before_us_N: Int64Array
    """The event before; for first events their own moment."""
    last_us_N: Int64Array
    """When the piece ends."""
    last_gap_us_N: FloatArray
    """The gap before the event before; NaN where there is none."""
    levels: Mapping[str, FloatArray]
    """The mean of what is left of each number."""
    unseen: Mapping[str, FloatArray]
    """References the piece has still to use for the first time."""

    def table(self, layout: StreamLayout) -> pa.Table:
        """The columns that are given, in the order in which they are learned."""
        span_us = max(layout.end_us - layout.begin_us, 1)
        era_N = np.clip((self.before_us_N - layout.begin_us) * ERAS // span_us, 0, ERAS - 1)
        pace_us_N = (self.last_us_N - self.before_us_N) / np.maximum(self.left_N, 1)
        columns: list[NamedColumn] = [
            integer_column("era", era_N),
            integer_column("weekday", weekday(self.before_us_N)),
            number_column("second", second_of_day(self.before_us_N)),
            integer_column("position", _coarse(self.position_N)),
            integer_column("left", np.where(self.first_N, -1, 1) * _coarse(self.left_N)),
            number_column("pace", log_ticks(np.maximum(pace_us_N, 0.0), layout.tick_us)),
            number_column("last_gap", log_ticks(self.last_gap_us_N, layout.tick_us)),
        ]
        columns += [number_column(f"left:{name}", values_N) for name, values_N in self.levels.items()]
        columns += [integer_column(f"unseen:{name}", values_N) for name, values_N in self.unseen.items()]
        return side_by_side(self.entity, table_of(columns), self.previous)


def _coarse(count_N: Int64Array) -> Int64Array:
    """Counts up to 8 as they are, above that two steps for each doubling."""
    return np.where(count_N <= 8, count_N, 8 + np.floor(2 * np.log2(np.maximum(count_N, 8) / 8))).astype(np.int64)


def seen_of_entities(entities: pa.Table, layout: StreamLayout) -> pa.Table:
    """The columns of entities that their events are drawn with a view to."""
    return entities.select([*map(own_column, layout.own), *map(habit_column, layout.habits)])


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """A column of references as it is learned."""

    rank_N: Int64Array
    distinct_N: Int64Array
    """How many different ones the piece used before the event."""
    distinct_S: Int64Array
    """How many it uses in all."""

    def again_N(self, first_N: BoolArray) -> FloatArray:
        """1 where the name is that of the event before, 0 where not, NaN for first events of a piece."""
        return np.where(first_N, np.nan, self.rank_N == 0)


def event_table(
    pieces: Pieces, layout: StreamLayout, entities: pa.Table, references: Mapping[str, References]
) -> pa.Table:
    """The table that a row model learns, (N,): what is known before each event, and the event."""
    histories = pieces.histories
    steps = _steps(histories, layout)
    columns: list[NamedColumn] = [
        integer_column(WEEKDAY, steps.weekday_N),
        integer_column(WEEKS, steps.weeks_N),
        number_column(SECOND, steps.second_N),
        number_column(GAP, steps.gap_N),
    ]
    columns += [integer_column(rank_column(name), found.rank_N) for name, found in references.items()]
    columns += [(renamed(histories.table.schema.field(name), name), histories.table[name]) for name in layout.events]
    return side_by_side(known_before(pieces, layout, entities, references).table(layout), table_of(columns))


def known_columns(layout: StreamLayout) -> tuple[str, ...]:
    """The columns that are always given."""
    return (
        *map(own_column, layout.own),
        *map(habit_column, layout.habits),
        *("era", "weekday", "second", "position", "left", "pace", "last_gap"),
        *(f"left:{name}" for name, _ in layout.levels),
        *(f"left:{again_column(name)}" for name in layout.ranked),
        *(f"unseen:{name}" for name in layout.ranked),
        *map(before_column, layout.events),
        *(before_column(rank_column(name)) for name in layout.ranked),
    )


def known_before(
    pieces: Pieces, layout: StreamLayout, entities: pa.Table, references: Mapping[str, References]
) -> Known:
    """What was known before each event of real histories."""
    h = pieces.histories
    position_N, first_N, left_N = h.position_N, h.first_N, h.count_K[h.key_N] - h.position_N
    gap_us_N = np.where(first_N, np.nan, h.gap_us_N)
    key_N = pieces.key_S[h.key_N]
    return Known(
        entity=seen_of_entities(entities, layout).take(pa.array(key_N)),
        previous=_previous(h, layout, references),
        position_N=position_N + pieces.offset_S[h.key_N],
        left_N=left_N,
        first_N=first_N,
        before_us_N=h.time_us_N - h.gap_us_N,
        last_us_N=h.last_us_K[h.key_N],
        last_gap_us_N=np.where(first_N, np.nan, np.roll(gap_us_N, 1)),
        levels={
            **{name: _left_means(values_of(h.table[name], level), h) for name, level in layout.levels},
            **{again_column(name): _left_means(found.again_N(first_N), h) for name, found in references.items()},
        },
        unseen={
            name: (found.distinct_S[h.key_N] - found.distinct_N).astype(np.float64)
            for name, found in references.items()
        },
    )


def _steps(histories: Histories, layout: StreamLayout) -> Steps:
    """The step to each event; nothing for first events."""
    before_us_N = histories.time_us_N - histories.gap_us_N
    steps = steps_of(before_us_N, histories.time_us_N, tick_us=layout.tick_us)
    parts = (steps.weekday_N, steps.weeks_N, steps.second_N, steps.gap_N)
    weekday_N, weeks_N, second_N, gap_N = (np.where(histories.first_N, np.nan, part_N) for part_N in parts)
    return Steps(weekday_N=weekday_N, weeks_N=weeks_N, second_N=second_N, gap_N=gap_N)


def _previous(histories: Histories, layout: StreamLayout, references: Mapping[str, References]) -> pa.Table:
    """Of each event the one before, missing for first events."""
    columns = [
        (renamed(histories.table.schema.field(name), before_column(name)), histories.table[name])
        for name in layout.events
    ]
    columns += [integer_column(before_column(rank_column(name)), found.rank_N) for name, found in references.items()]
    before_N = np.maximum(np.arange(len(histories.key_N)) - 1, 0)
    return side_by_side(table_of(columns)).take(pa.array(before_N, mask=histories.first_N)) if columns else pa.table({})


def _left_means(values_N: FloatArray, histories: Histories) -> FloatArray:
    """The mean from each event to the end of its piece, missing values counted as the piece's mean."""
    mean_N = means(values_N, histories.key_N, histories.keys)[histories.key_N]
    off_N = np.where(np.isfinite(values_N), values_N - mean_N, 0.0)
    end_K = histories.begin_K + histories.count_K
    summed_N = np.concatenate([[0.0], np.cumsum(off_N)])
    left_N = end_K[histories.key_N] - np.arange(len(values_N))
    off_left_N = summed_N[end_K][histories.key_N] - summed_N[:-1]
    return mean_N + np.where(histories.first_N, 0.0, off_left_N / left_N)
