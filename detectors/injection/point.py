"""Point anomalies: a number far from where its column lies, or a level that is rare or was never seen.

Shape legend: n rows to change, U usable columns.
"""

import numpy as np
import pyarrow as pa

from detectors.injection.edits import Edits
from detectors.injection.ledger import Ledger
from detectors.injection.plan import Family
from detectors.injection.truth import BoolArray, FloatArray, IntArray
from detectors.injection.view import TableView


def inject_points(
    view: TableView, edits: Edits, ledger: Ledger, at: int, family: Family, g: np.random.Generator
) -> None:
    """Change single values of free rows, `family.columns` a row at most."""
    usable = _usable(view, family)
    rows = np.flatnonzero(ledger.free_N)
    wanted = min(len(rows), max(1, round(family.share * view.rows)))
    if not usable or not len(rows):
        return
    present = np.stack([view.present(name)[rows] for name in usable], axis=1)
    rows = g.permutation(np.flatnonzero(present.any(axis=1)))[:wanted]
    chosen_nU = _choose(present[rows], family.columns, g)
    rows = np.flatnonzero(ledger.free_N)[rows]
    for u, name in enumerate(usable):
        mine = rows[chosen_nU[:, u]]
        if len(mine):
            severity = g.uniform(*family.strength, len(mine))
            if family.way == "number":
                _move(view, edits, ledger, at, name, mine, severity, g)
            else:
                _relabel(view, edits, ledger, at, name, mine, family, g)


def _usable(view: TableView, family: Family) -> list[str]:
    if family.way == "number":
        return [name for name in view.numbers if view.spread(name) > 0.0]
    if family.way == "rare_level":
        return [name for name in view.levels if len(_rare(view, name, family)[0])]
    return [name for name in view.levels if view.features[name].type != pa.bool_()]


def _choose(present_nU: BoolArray, columns: int, g: np.random.Generator) -> BoolArray:
    """At most `columns` of each row's present ones, at random, (n, U)."""
    lot_nU = np.where(present_nU, g.random(present_nU.shape), np.inf)
    rank_nU = np.argsort(np.argsort(lot_nU, axis=1, kind="stable"), axis=1, kind="stable")
    return np.asarray((rank_nU < columns) & present_nU, dtype=np.bool_)


def _move(
    view: TableView,
    edits: Edits,
    ledger: Ledger,
    at: int,
    name: str,
    rows: IntArray,
    severity: FloatArray,
    g: np.random.Generator,
) -> None:
    """Away from the median, from the value's own side, so that the end is `severity` deviations away at least.

    A column without a negative value gets none: there the value goes up.
    """
    values, spread = view.values(name), view.spread(name)
    old = values[rows]
    centre, least = np.nanmedian(values), np.nanmin(values)
    away = np.where(old == centre, g.choice([-1.0, 1.0], len(rows)), np.sign(old - centre))
    new = old + away * severity * spread
    below = (least >= 0.0) & (new < 0.0)
    new = np.where(below, centre + (centre - old) + severity * spread, new)
    if pa.types.is_integer(view.table.schema.field(name).type):
        new = np.where(new > old, np.ceil(new), np.floor(new))
        new = np.where((least >= 0.0) & (new < 0.0), old + np.ceil(severity * spread), new)
    edits.put_numbers(name, rows, new)
    ledger.single_rows(at, rows, name, np.abs(new - centre) / spread)


def _rare(view: TableView, name: str, family: Family) -> tuple[IntArray, FloatArray]:
    """A row that holds each rare level, and the level's nats; rare is what costs the family's least severity."""
    codes = view.codes(name)
    there = np.flatnonzero(codes >= 0)
    _, first, counts = np.unique(codes[there], return_index=True, return_counts=True)
    nats = -np.log(counts / max(len(there), 1))
    rare = nats >= family.strength[0]
    return there[first[rare]], nats[rare]


def _relabel(
    view: TableView,
    edits: Edits,
    ledger: Ledger,
    at: int,
    name: str,
    rows: IntArray,
    family: Family,
    g: np.random.Generator,
) -> None:
    """Rare levels by their own rows; levels never seen are made up, a few distinct ones for many rows."""
    if family.way == "rare_level":
        holders, nats = _rare(view, name, family)
        pick = g.integers(0, len(holders), len(rows))
        differs = view.codes(name)[holders[pick]] != view.codes(name)[rows]
        rows, pick = rows[differs], pick[differs]
        edits.copy(name, rows, holders[pick])
        ledger.single_rows(at, rows, name, nats[pick])
        return
    edits.put(name, rows, _new_levels(view, name, len(rows), g))
    ledger.single_rows(at, rows, name, np.full(len(rows), np.log(view.rows + 1.0)))


def _new_levels(view: TableView, name: str, count: int, g: np.random.Generator) -> pa.Array:
    """Levels that the column does not hold: numbers beyond its greatest, or names no one would choose."""
    field = view.features[name]
    which = g.integers(0, 1 + count // 4, count)
    if pa.types.is_integer(field.type):
        column = view.table[name]
        greatest = max((value for value in column.unique().to_pylist() if value is not None), default=0)
        limit = 2 ** (field.type.bit_width - 1) - 1
        start = min(greatest + 1, limit - int(which.max(initial=0)))
        return pa.array(start + which).cast(field.type)
    known = set(view.table[name].unique().to_pylist())
    tag = int(g.integers(0, 16**6))
    while any(f"unseen-{tag:06x}-{w}" in known for w in set(which.tolist())):
        tag += 1
    return pa.array([f"unseen-{tag:06x}-{w}" for w in which.tolist()], pa.string()).cast(field.type)
