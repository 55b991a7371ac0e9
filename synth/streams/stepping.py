"""Draws the events of many entities at once: all take their first step together, then those that go on the next.

Pieces are ordered by their number of steps, so that those that go on are always the first ones of every array.

Shape legend: S pieces, A of them that go on (the first A), R rows drawn in all.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.base import Generator
from synth.conditions import Conditions
from synth.streams.clock import Steps, moments_of, whole_ticks
from synth.streams.entities import distinct_column, level_column
from synth.streams.events import (
    GAP,
    SECOND,
    WEEKDAY,
    WEEKS,
    Known,
    again_column,
    before_column,
    rank_column,
    seen_of_entities,
)
from synth.streams.fields import numbers_of, renamed, table_of
from synth.streams.histories import BoolArray, FloatArray, Int64Array
from synth.streams.layout import StreamLayout, values_of
from synth.streams.pieces import Plan
from synth.streams.pools import LevelPool
from synth.streams.recency import NEW, RecentLevels
from synth.streams.row_model import GivenFirstGenerator, Recent


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnEvents:
    """Events in the order they were drawn."""

    table: pa.Table
    """Columns of events and of references."""
    time_us_R: Int64Array
    entity_R: Int64Array
    position_R: Int64Array
    """Events of the entity before."""


@dataclass(slots=True)
class _Going:
    """Where all pieces stand."""

    before_us_S: Int64Array
    last_gap_us_S: FloatArray
    means: dict[str, FloatArray]
    """What the numbers of each piece average."""
    off: dict[str, FloatArray]
    """By how much the numbers so far were above that, summed."""
    recent: dict[str, RecentLevels]
    seeds: dict[str, Int64Array]
    previous: pa.Table


class Stepper:
    """Draws the events of a plan."""

    def __init__(
        self,
        layout: StreamLayout,
        model: Generator,
        pools: Mapping[str, LevelPool],
        levels: Mapping[str, pa.Array],
        ranges: Mapping[str, tuple[float, float]],
    ) -> None:
        self.layout, self.model, self.pools, self.levels, self.ranges = layout, model, pools, levels, ranges

    def draw(self, plan: Plan, entities: pa.Table, *, seed: int, first_row: int) -> DrawnEvents:
        """Every step of every piece; `entities` has a row for each entity of the plan."""
        rng = np.random.default_rng([seed, 1])
        table = entities.take(pa.array(plan.entity_S))
        going = self._start(plan, entities, rng)
        parts: list[tuple[pa.Table, Int64Array]] = []
        rows = 0
        for step in range(int(plan.stop_S.max(initial=0))):
            active = int(np.searchsorted(-plan.stop_S, -step, side="left"))
            known = self._known(plan, table.slice(0, active), going, step)
            drawn = self._drawn(known, going, int(rng.integers(2**31)), first_row + rows)
            time_us_A = self._moments(plan, going, drawn, step, rng)
            parts.append((self._go_on(going, drawn, time_us_A, rng, first=step == 0), time_us_A))
            rows += active
        return _together(plan, parts)

    def _start(self, plan: Plan, entities: pa.Table, rng: np.random.Generator) -> _Going:
        pieces = len(plan.entity_S)
        return _Going(
            before_us_S=whole_ticks(plan.first_us_S, self.layout.tick_us),
            last_gap_us_S=np.full(pieces, np.nan),
            means={name: numbers_of(entities, level_column(name))[plan.entity_S] for name in self._averaged},
            off={name: np.zeros(pieces) for name in self._averaged},
            recent={name: RecentLevels(pieces) for name in self.layout.ranked},
            seeds={name: pool.seeds(entities.num_rows, rng)[plan.entity_S] for name, pool in self.pools.items()},
            previous=self._missing(pieces),
        )

    def _missing(self, rows: int) -> pa.Table:
        """The event before first events."""
        fields = [renamed(self.model.schema.field(name), before_column(name)) for name in self._remembered]
        return table_of((field, pa.nulls(rows, field.type)) for field in fields)

    @property
    def _averaged(self) -> list[str]:
        """What is drawn with a view to its mean over the history."""
        return [*(name for name, _ in self.layout.levels), *map(again_column, self.layout.ranked)]

    @property
    def _remembered(self) -> list[str]:
        """What the next event is drawn with a view to."""
        return [*self.layout.events, *map(rank_column, self.layout.ranked)]

    def _known(self, plan: Plan, table: pa.Table, going: _Going, step: int) -> Known:
        active = table.num_rows
        left_A = plan.count_S[:active] - step
        return Known(
            entity=seen_of_entities(table, self.layout),
            previous=going.previous.slice(0, active),
            position_N=plan.offset_S[:active] + step,
            left_N=left_A,
            first_N=np.full(active, step == 0),
            before_us_N=going.before_us_S[:active],
            last_us_N=plan.last_us_S[:active],
            last_gap_us_N=going.last_gap_us_S[:active],
            levels={name: self._left_mean(name, going, left_A) for name in going.means},
            unseen={
                name: np.maximum(numbers_of(table, distinct_column(name)) - recent.distinct_E[:active], 0.0)
                for name, recent in going.recent.items()
            },
        )

    def _left_mean(self, name: str, going: _Going, left_A: Int64Array) -> FloatArray:
        """The mean of what is left, within the range of the values themselves."""
        mean_A, off_A = going.means[name][: len(left_A)], going.off[name][: len(left_A)]
        return np.clip(mean_A - off_A / left_A, *self.ranges.get(name, (0.0, 1.0)))

    def _drawn(self, known: Known, going: _Going, seed: int, first_row: int) -> pa.Table:
        """What the model draws, without what it is given."""
        given = known.table(self.layout)
        if isinstance(self.model, GivenFirstGenerator):
            self.model.recent = {
                name: Recent(self.levels[name], going.recent[name].recent_ES[: given.num_rows])
                for name in self.layout.returning
            }
        asked = Conditions(given=given)
        drawn = self.model.sample(given.num_rows, seed=seed, conditions=asked, first_row=first_row)
        return drawn.drop_columns(given.column_names)

    def _moments(self, plan: Plan, going: _Going, drawn: pa.Table, step: int, rng: np.random.Generator) -> Int64Array:
        """Where the steps lead; the last one to the end, and others that would lead beyond it to before it."""
        active = drawn.num_rows
        before_A, last_A = going.before_us_S[:active], plan.last_us_S[:active]
        if step == 0:
            return before_A.copy()
        weekday_A, weeks_A, second_A, gap_A = (numbers_of(drawn, name) for name in (WEEKDAY, WEEKS, SECOND, GAP))
        steps = Steps(weekday_N=weekday_A, weeks_N=weeks_A, second_N=second_A, gap_N=gap_A)
        time_A, useful_A = moments_of(before_A, steps, tick_us=self.layout.tick_us)
        left_A = plan.count_S[:active] - step
        useful_A &= (time_A <= last_A) & (left_A > 1)
        share_A = _first_of(left_A, rng)
        even_A = whole_ticks(before_A + (last_A - before_A) * share_A, self.layout.tick_us)
        return np.clip(np.where(useful_A, time_A, even_A), before_A, np.maximum(last_A, before_A))

    def _go_on(
        self, going: _Going, drawn: pa.Table, time_us_A: Int64Array, rng: np.random.Generator, *, first: bool
    ) -> pa.Table:
        """Take the step; the events with their references."""
        active = drawn.num_rows
        if not first:
            going.last_gap_us_S[:active] = time_us_A - going.before_us_S[:active]
        going.before_us_S[:active] = time_us_A
        found = {name: self._referred(name, going, drawn, rng) for name in self.layout.ranked}
        columns = {name: found.get(name, drawn[name]) for name in self.layout.events}
        ranks = {rank_column(name): drawn[rank_column(name)] for name in self.layout.ranked}
        going.previous = table_of(
            (renamed(drawn.schema.field(name), before_column(name)), values)
            for name, values in (columns | ranks).items()
        )
        for name, level in self.layout.levels:
            going.off[name][:active] += np.nan_to_num(values_of(drawn[name], level) - going.means[name][:active])
        for name in () if first else self.layout.ranked:
            again_A = numbers_of(drawn, rank_column(name)) == 0
            going.off[again_column(name)][:active] += np.nan_to_num(again_A - going.means[again_column(name)][:active])
        made = columns | {name: found[name] for name in self.layout.references}
        return pa.table(list(made.values()), names=list(made)) if made else pa.table({})

    def _referred(self, name: str, going: _Going, drawn: pa.Table, rng: np.random.Generator) -> pa.Array:
        """The names of a ranked column: one used before, or one that is new."""
        recent, levels = going.recent[name], self.levels[name]
        level_A = recent.recalled(numbers_of(drawn, rank_column(name)))
        new_A: BoolArray = level_A == NEW
        if name in self.pools:
            near_A = going.seeds[name][: drawn.num_rows][new_A]
            level_A[new_A] = self.pools[name].new(near_A, recent.recent_ES[: drawn.num_rows][new_A], rng)
        else:
            found = pc.fill_null(pc.index_in(drawn[name], value_set=levels), len(levels) - 1)
            level_A[new_A] = found.to_numpy()[new_A]
        recent.use(level_A)
        return levels.take(pa.array(level_A))


def _together(plan: Plan, parts: list[tuple[pa.Table, Int64Array]]) -> DrawnEvents:
    counts = [len(time_us_A) for _, time_us_A in parts]
    piece_R = np.concatenate([np.arange(count) for count in counts])
    step_R = np.repeat(np.arange(len(counts)), counts)
    return DrawnEvents(
        table=pa.concat_tables([table for table, _ in parts]),
        time_us_R=np.concatenate([time_us_A for _, time_us_A in parts]),
        entity_R=plan.entity_S[piece_R],
        position_R=plan.offset_S[piece_R] + step_R,
    )


def _first_of(moments_A: Int64Array, rng: np.random.Generator) -> FloatArray:
    """The least of so many uniform draws, the last of which is the end itself."""
    share_A = 1.0 - rng.random(len(moments_A)) ** (1.0 / np.maximum(moments_A - 1, 1))
    return np.where(moments_A <= 1, 1.0, share_A)
