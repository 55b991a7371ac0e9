"""Draws histories from a fitted stream and puts them into the source's columns.

Shape legend: R rows, E entities.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from synth.conditions import Conditions
from synth.streams.entities import Lives, lives_of, own_column
from synth.streams.fitting import FittedStream
from synth.streams.histories import BoolArray, Int64Array, moments
from synth.streams.pieces import plan_of
from synth.streams.stepping import Stepper

MOST_ENTITIES = 65_536
"""Drawn at a time."""
_MADE = 0x5EED
"""The seed of what is made rather than drawn (identifiers, stand-ins for personal values): the row's number alone tells
rows apart, or chunks, each with its own seed, would make the same names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Events as they were learned: histories one after another, each in order of time."""

    learned: pa.Table
    """Columns of events; (R,)."""
    own: pa.Table
    """Columns of the keys, (E,)."""
    time_us_R: Int64Array
    entity_R: Int64Array
    """Which row of `own` each event belongs to."""

    @property
    def rows(self) -> int:
        """R."""
        return len(self.time_us_R)

    def only(self, chosen_R: BoolArray | Int64Array) -> "Drawn":
        """Some of the events."""
        learned = _taken(self.learned, np.arange(self.rows)[chosen_R])
        return replace(self, learned=learned, time_us_R=self.time_us_R[chosen_R], entity_R=self.entity_R[chosen_R])


def _taken(table: pa.Table, rows: Int64Array) -> pa.Table:
    """Some of the rows; a table without columns has none to take."""
    return table.take(pa.array(rows)) if table.column_names else table


def draw_events(fitted: FittedStream, rows: int, *, seed: int, conditions: Conditions | None, first_row: int) -> Drawn:
    """`rows` events; the last history is cut short where it would be too many."""
    rng = np.random.default_rng([seed, 0])
    entities, lives, wanted_E = _entities(fitted, rows, rng, conditions, first_row)
    plan = plan_of(
        lives.first_us_E,
        lives.span_us_E,
        lives.count_E,
        wanted_E,
        longest=fitted.longest_piece,
        curve_CQ=fitted.curve_CQ,
        rng=rng,
    )
    stepper = Stepper(fitted.layout, fitted.event_model, fitted.pools, fitted.levels, fitted.ranges)
    events = stepper.draw(plan, entities, seed=int(rng.integers(2**31)), first_row=first_row)
    order_R = np.lexsort((events.position_R, events.entity_R))
    own = entities.select([own_column(name) for name in fitted.layout.own])
    return Drawn(
        learned=_taken(events.table, order_R),
        own=own.rename_columns(list(fitted.layout.own)),
        time_us_R=events.time_us_R[order_R],
        entity_R=events.entity_R[order_R],
    )


def _entities(
    fitted: FittedStream, rows: int, rng: np.random.Generator, conditions: Conditions | None, first_row: int
) -> tuple[pa.Table, Lives, Int64Array]:
    """As many entities as have so many events, and how many events of each are wanted."""
    parts: list[pa.Table] = []
    events = drawn = 0
    while events < rows:
        count = min(int((rows - events) / fitted.events_a_key * 1.2) + 8, MOST_ENTITIES)
        seed = int(rng.integers(2**31))
        part = fitted.entity_model.sample(count, seed=seed, conditions=conditions, first_row=first_row + drawn)
        events, drawn = events + int(lives_of(part, fitted.layout).count_E.sum()), drawn + count
        parts.append(part)
    entities = pa.concat_tables(parts)
    count_E = lives_of(entities, fitted.layout).count_E
    entities = entities.slice(0, int(np.searchsorted(np.cumsum(count_E), rows)) + 1)
    lives = lives_of(entities, fitted.layout)
    return entities, lives, np.minimum(lives.count_E, rows - (np.cumsum(lives.count_E) - lives.count_E))


def together(parts: list[Drawn], rows: int) -> Drawn:
    """The first `rows` events of several draws; entities without an event are forgotten."""
    before = np.cumsum([0, *(part.own.num_rows for part in parts)])
    owned = bool(parts[0].own.column_names)
    entity_R = np.concatenate(
        [
            part.entity_R + (first if owned else 10**9 * at)
            for at, (part, first) in enumerate(zip(parts, before, strict=False))
        ]
    )[:rows]
    number_E, entity_R = np.unique(entity_R, return_inverse=True)
    own = pa.concat_tables([part.own for part in parts]).take(pa.array(number_E)) if owned else pa.table({})
    return Drawn(
        learned=pa.concat_tables([part.learned for part in parts]).slice(0, rows),
        own=own,
        time_us_R=np.concatenate([part.time_us_R for part in parts])[:rows],
        entity_R=entity_R,
    )


def in_order_of_time(drawn: Drawn) -> Drawn:
    """The same events by time; those of one key at one moment stay in their order."""
    order_R: Int64Array = np.argsort(drawn.time_us_R, kind="stable")
    return drawn.only(order_R)


def in_columns(fitted: FittedStream, drawn: Drawn, *, first_row: int) -> pa.Table:
    """The source's columns; keys and identifiers are numbered from `first_row` on."""
    columns = fitted.columns
    entity_R = pa.array(drawn.entity_R)
    number_E = first_row + np.arange(int(drawn.entity_R.max(initial=-1)) + 1)
    made: dict[str, Any] = {
        columns.key: fitted.keys.named(number_E).take(entity_R),
        columns.time: moments(drawn.time_us_R, columns.schema.field(columns.time).type),
    }
    for name, values in columns.restored_own(drawn.own, seed=_MADE, first_row=first_row).items():
        made[name] = values.take(entity_R)
    made |= columns.restored_events(drawn.learned, drawn.time_us_R, seed=_MADE, first_row=first_row)
    return pa.table([made[name] for name in columns.schema.names], schema=columns.schema)
