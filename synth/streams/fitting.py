"""Fits the two row models of a stream and what goes with them.

Shape legend: N events, K keys, S pieces, C curves, G given columns.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.errors import UnusableDataError
from synth.base import Checkpoint, FitReport, Generator, Progress
from synth.codec.levels import OTHER
from synth.streams.entities import entity_table, means, own_column
from synth.streams.events import References, again_column, event_table, known_columns
from synth.streams.histories import BoolArray, FloatArray, Histories, codes
from synth.streams.layout import StreamLayout, layout_of, values_of
from synth.streams.names import Names
from synth.streams.pieces import Pieces, curves_of, pieces_of
from synth.streams.pools import LevelPool, pool_of
from synth.streams.recency import ranks_of
from synth.streams.settings import StreamSettings
from synth.streams.sources import Columns, columns_of

LEAST_KEYS = 2
LEAST_LEVEL_EVENTS = 5
"""As `CodecSettings.least_rows`, of the table of events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedStream:
    """All that sampling needs."""

    columns: Columns
    layout: StreamLayout
    entity_model: Generator
    event_model: Generator
    keys: Names
    pools: Mapping[str, LevelPool]
    """Of references."""
    levels: Mapping[str, pa.Array]
    """What the levels of ranked columns are called; the last one stands for all that are not handed out."""
    ranges: Mapping[str, tuple[float, float]]
    """Of numbers whose means are kept."""
    curve_CQ: FloatArray
    longest_piece: int
    events_a_key: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to learn."""

    schema: pa.Schema
    key: str
    time: str
    label: str | None
    settings: StreamSettings
    seed: int
    new_models: tuple[Callable[[], Generator], Callable[[int, Sequence[str]], Generator]]
    """Of entities; of events, from G, the columns that will always be given, and the names of those that come again."""


def fit_stream(
    histories: Histories, task: Task, *, progress: Progress | None, checkpoint: Checkpoint | None
) -> tuple[FittedStream, FitReport]:
    """Learn histories.

    The model of entities is fitted first and has no checkpoint: a resumed fit repeats it.
    """
    begun, cpu = time.monotonic(), time.process_time()
    whole, notes = _limited(histories, task.settings, task.seed, key=task.key)
    found = _tables(whole, task)
    layout, share = found.layout, task.settings.entity_share
    models = task.new_models[0](), task.new_models[1](len(known_columns(layout)), layout.returning)
    own_label = own_column(task.label) if task.label is not None and task.label in layout.own else None
    first = models[0].fit(found.entities, label=own_label, progress=_part(progress, 0.0, share))
    second = models[1].fit(
        event_table(found.pieces, layout, found.entities, found.references),
        label=task.label if task.label in layout.events else None,
        progress=_part(progress, share, 1.0 - share),
        checkpoint=checkpoint,
    )
    fitted = _fitted(whole, found, task, models)
    seconds = (time.monotonic() - begun, time.process_time() - cpu)
    return fitted, _report(fitted, len(whole.key_N), (first, second), seconds, notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """What is learned from."""

    columns: Columns
    learned: Histories
    """Histories of learned columns."""
    layout: StreamLayout
    pieces: Pieces
    references: Mapping[str, References]
    entities: pa.Table


def _tables(whole: Histories, task: Task) -> _Tables:
    columns = columns_of(whole, task.schema, key=task.key, time=task.time, label=task.label, seed=task.seed)
    own, learned = columns.learned_own(whole), replace(whole, table=columns.learned_events(whole))
    layout = layout_of(learned, own, label=task.label, settings=task.settings)
    pieces = pieces_of(learned, task.settings.longest_piece)
    references = {name: _references(pieces, name) for name in layout.ranked}
    distinct = {
        name: means(r.distinct_S.astype(np.float64), pieces.key_S, whole.keys) for name, r in references.items()
    }
    again = {
        again_column(name): means(r.again_N(pieces.histories.first_N), whole.key_N, whole.keys)
        for name, r in references.items()
    }
    entities = entity_table(learned, layout, own, distinct, again)
    return _Tables(
        columns=columns, learned=learned, layout=layout, pieces=pieces, references=references, entities=entities
    )


def _fitted(whole: Histories, found: _Tables, task: Task, models: tuple[Generator, Generator]) -> FittedStream:
    layout, table, settings = found.layout, found.learned.table, task.settings
    pools = {name: _pool(found.learned, name, settings, task.seed) for name in layout.references}
    known = _known_levels(found.learned, layout, pools)
    return FittedStream(
        columns=found.columns,
        layout=layout,
        entity_model=models[0],
        event_model=models[1],
        keys=_keys(whole, task.key, task.seed),
        pools=pools,
        levels={name: _levels(found.learned, name, known_V) for name, known_V in known.items()},
        ranges={name: _range(values_of(table[name], level)) for name, level in layout.levels},
        curve_CQ=curves_of(whole, settings.longest_piece, seed=task.seed),
        longest_piece=settings.longest_piece,
        events_a_key=float(whole.count_K.mean()),
    )


def _limited(histories: Histories, settings: StreamSettings, seed: int, *, key: str) -> tuple[Histories, list[str]]:
    """At most so many events, of whole histories drawn at random."""
    notes = []
    if histories.left_out:
        notes.append(f"{histories.left_out:,} events without a key or a time are left out")
    if histories.keys < LEAST_KEYS:
        raise UnusableDataError(f"{key!r} has a single value, so there is no stream of keys: use a generator of rows")
    events = len(histories.key_N)
    if events <= settings.most_events:
        return histories, notes
    order_K = np.random.default_rng([seed, 3]).permutation(histories.keys)
    fits_K = np.cumsum(histories.count_K[order_K]) <= settings.most_events
    fits_K[:LEAST_KEYS] = True
    chosen_K = np.zeros(histories.keys, dtype=np.bool_)
    chosen_K[order_K[fits_K]] = True
    notes.append(
        f"learned from {int(chosen_K.sum()):,} of {histories.keys:,} keys, drawn at random, of {events:,} events"
    )
    return histories.of_keys(chosen_K), notes


def _references(pieces: Pieces, name: str) -> References:
    h = pieces.histories
    rank_N, distinct_N = ranks_of(codes(h.table[name]), h.begin_K, h.count_K)
    last_S = h.begin_K + h.count_K - 1
    return References(rank_N=rank_N, distinct_N=distinct_N, distinct_S=distinct_N[last_S] + (rank_N[last_S] < 0))


def _pool(histories: Histories, name: str, settings: StreamSettings, seed: int) -> LevelPool:
    code_N = codes(histories.table[name])
    levels = int(code_N.max()) + 1
    return pool_of(code_N, histories.key_N, levels=levels, seed=seed, least_keys=settings.least_level_keys)


def _levels(histories: Histories, name: str, known_V: BoolArray) -> pa.Array:
    """The values that codes stand for; those that must not be known are what rare ones are called."""
    _, place_V = np.unique(codes(histories.table[name]), return_index=True)
    values = histories.table[name].take(pa.array(place_V)).combine_chunks()
    rare = pa.scalar(OTHER if pa.types.is_string(values.type) else None, values.type)
    return pa.concat_arrays(
        [*pa.chunked_array(pc.if_else(pa.array(known_V), values, rare)).chunks, pa.array([rare.as_py()], values.type)]
    )


def _known_levels(histories: Histories, layout: StreamLayout, pools: Mapping[str, LevelPool]) -> dict[str, BoolArray]:
    """Of ranked columns, the levels that may be handed out: of references by keys, of the others by events."""
    found = {name: pool.keys_V > 0 for name, pool in pools.items()}
    for name in layout.returning:
        found[name] = np.bincount(codes(histories.table[name])) >= LEAST_LEVEL_EVENTS
    return found


def _keys(histories: Histories, key: str, seed: int) -> Names:
    """How new keys are made, from each key once."""
    field = histories.table.schema.field(key)
    return Names.of(histories.table[key].take(pa.array(histories.begin_K)), field, seed=seed)


def _range(values_N: FloatArray) -> tuple[float, float]:
    known_N = values_N[np.isfinite(values_N)]
    return (float(known_N.min()), float(known_N.max())) if len(known_N) else (0.0, 0.0)


def _part(progress: Progress | None, begin: float, share: float) -> Progress | None:
    if progress is None:
        return None
    return lambda done, text: progress(begin + share * done, text)


def _report(
    fitted: FittedStream,
    rows: int,
    reports: tuple[FitReport, FitReport],
    seconds: tuple[float, float],
    notes: list[str],
) -> FitReport:
    """One report of both fits; the figures are the events', those of the entities are named so."""
    entities, events = reports
    columns, layout = fitted.columns, fitted.layout
    if columns.own:
        notes.append(f"belong to the whole key: {', '.join(columns.own)}")
    notes.append(f"entities are drawn by {fitted.entity_model.name}, their events by {fitted.event_model.name}")
    if layout.references:
        notes.append(f"learned by when the key used them last, not by name: {', '.join(layout.references)}")
    for preparation in (columns.own_preparation, columns.event_preparation):
        notes += preparation.notes if preparation is not None else ()
    notes += [f"entities: {note}" for note in entities.notes] + [f"events: {note}" for note in events.notes]
    return FitReport(
        rows=rows,
        seconds=seconds[0],
        cpu_seconds=seconds[1],
        epochs=events.epochs,
        steps=events.steps,
        stopped_because=events.stopped_because,
        resumed=events.resumed,
        figures={**events.figures, **{f"entity_{name}": value for name, value in entities.figures.items()}},
        notes=tuple(notes),
    )
