"""Collective anomalies: rows that are usual one by one, added where their number or order is strange.

`burst`: copies of one key's recent rows, many times faster than the key's usual pace. `replay`: a sequence of the key
again, long after. `duplicate`: a sequence twice in a row, at the same moments. Added rows get ids of their own
(duplicates keep theirs) and times of their own; without a clock they follow their anchor.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Role, names_with_role
from detectors.injection.edits import Edits
from detectors.injection.ledger import Ledger
from detectors.injection.plan import AnomalyKind, Family
from detectors.injection.truth import BoolArray, FloatArray, IntArray
from detectors.injection.view import TableView

TRIES = 30
USUAL_GAP_MS = 60_000.0
"""The pace of a key that has one row only."""


@dataclass(frozen=True, slots=True)
class _Addition:
    """Rows to add: made from `source`, after row `anchor` or at `times_ms`."""

    family: int
    source: IntArray
    anchor: int
    times_ms: FloatArray | None
    severity: float
    keeps_id: bool


def add_collective(
    view: TableView, ledger: Ledger, families: tuple[Family, ...], generators: list[np.random.Generator]
) -> tuple[pa.Table, Ledger, IntArray, BoolArray]:
    """The table with all collective families' rows in it, the account of it, each row's source, and which are new."""
    additions = [
        addition
        for at, family in enumerate(families)
        if family.kind is AnomalyKind.COLLECTIVE
        for addition in _additions(view, ledger, at, family, generators[at])
    ]
    if not additions:
        return view.table, ledger, np.arange(view.rows), np.zeros(view.rows, dtype=np.bool_)
    source_A = np.concatenate([addition.source for addition in additions])
    place_A = np.concatenate([_places(view, addition) for addition in additions])
    event_A = np.repeat(np.arange(len(additions)), [len(addition.source) for addition in additions])
    place_N = np.concatenate([np.arange(view.rows, dtype=np.float64), place_A])
    order = np.argsort(place_N, kind="stable")
    source = np.concatenate([np.arange(view.rows), source_A])[order]
    added = order >= view.rows
    longer = ledger.spread_to(source, added)
    row_of_A = np.empty(len(source_A), dtype=np.int64)
    row_of_A[order[added] - view.rows] = np.flatnonzero(added)
    edits = Edits(view.table.take(pa.array(source)))
    strange_by = tuple(dict.fromkeys([*view.key, *view.clock]))
    for number, addition in enumerate(additions):
        rows = row_of_A[event_A == number]
        longer.run(addition.family, rows, strange_by, addition.severity)
        _write(view, edits, addition, rows, number)
    return edits.finish(), longer, source, added


def _additions(view: TableView, ledger: Ledger, at: int, family: Family, g: np.random.Generator) -> list[_Addition]:
    left, found = max(1, round(family.share * view.rows)), []
    for _ in range(TRIES * (1 + left // family.rows) if view.rows else 0):
        start = int(g.integers(0, view.rows))
        key = int(view.group_N[view.order_N[start]])
        first, stop = int(view.bounds_G[key]), int(view.bounds_G[key + 1])
        addition = _addition(view, at, family, (first, start, stop), min(left, family.rows), g)
        if addition is None or not ledger.free(addition.source):
            continue
        found.append(addition)
        left -= len(addition.source)
        if left <= 0:
            break
    return found


def _addition(
    view: TableView, at: int, family: Family, span: tuple[int, int, int], rows: int, g: np.random.Generator
) -> _Addition | None:
    first, start, stop = span
    order, times, severity = view.order_N, view.times_ms, float(g.uniform(*family.strength))
    if family.way == "burst":
        recent = order[max(first, start - 9) : start + 1]
        source, anchor = recent[g.integers(0, len(recent), rows)], int(order[start])
        when = None if times is None else _burst_times(times[order[first:stop]], times[anchor], rows, severity, g)
        return _Addition(at, source, anchor, when, severity, False)
    source = order[start : min(stop, start + rows)]
    if len(source) < min(rows, 3):
        return None
    anchor = int(order[stop - 1] if family.way == "replay" else source[-1])
    when = None if times is None else times[source]
    if family.way == "replay" and when is not None:
        when = when - when[0] + times[anchor] + _pace(times[order[first:stop]])  # type: ignore[index]
    return _Addition(at, source, anchor, when, float(len(source)), family.way == "duplicate")


def _pace(times: FloatArray) -> float:
    """A key's usual gap between rows, in milliseconds."""
    gaps = np.diff(times)
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if len(gaps) else USUAL_GAP_MS


def _burst_times(own: FloatArray, anchor: float, rows: int, severity: float, g: np.random.Generator) -> FloatArray:
    gaps = np.maximum(1.0, g.exponential(_pace(own) / severity, rows))
    return np.asarray(anchor + np.cumsum(np.round(gaps)), dtype=np.float64)


def _places(view: TableView, addition: _Addition) -> FloatArray:
    """Where added rows go between the old ones: by time, where the table has a clock, else after the anchor."""
    reached = view.reached_ms
    if reached is None or addition.times_ms is None or np.isnan(addition.times_ms).any():
        return np.full(len(addition.source), addition.anchor + 0.5)
    return np.asarray(np.searchsorted(reached, addition.times_ms, side="right") - 0.5, dtype=np.float64)


def _write(view: TableView, edits: Edits, addition: _Addition, rows: IntArray, number: int) -> None:
    """Times and ids of added rows."""
    if addition.times_ms is not None and not np.isnan(addition.times_ms).any():
        milliseconds = pa.array(addition.times_ms.astype(np.int64)).cast(pa.timestamp("ms", tz="UTC"))
        for name in view.clock:
            edits.put(name, rows, pc.cast(milliseconds, view.table.schema.field(name).type, safe=False))
    if addition.keeps_id:
        return
    for name in names_with_role(view.table.schema, Role.ID):
        edits.put(name, rows, _new_ids(view.table, name, addition.source, number))


def _new_ids(table: pa.Table, name: str, source: IntArray, number: int) -> pa.Array:
    """Ids that no row has: the old one with a suffix, or numbers beyond the greatest."""
    field = table.schema.field(name)
    if pa.types.is_integer(field.type):
        greatest = pc.max(table[name]).as_py() or 0
        return pa.array(greatest + 1 + number * 1_000_000 + np.arange(len(source))).cast(field.type)
    if pa.types.is_string(field.type):
        old = table[name].take(pa.array(source)).to_pylist()
        return pa.array([None if o is None else f"{o}+{number}.{n}" for n, o in enumerate(old)], pa.string())
    return pa.nulls(len(source), field.type)
