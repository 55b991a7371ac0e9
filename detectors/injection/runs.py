"""Faults of a sensor: a column of one key (or of the whole table) that drifts, sticks, gets noisy, spikes or shifts.

Rows of one key are taken to follow one another in the table's order. Strength is in the key's own spread where it
has values enough, so a quiet key gets a quiet fault. Nulls stay nulls.
"""

import numpy as np
import pyarrow as pa

from detectors.injection.edits import Edits, as_column
from detectors.injection.ledger import Ledger
from detectors.injection.plan import AnomalyKind, Family
from detectors.injection.truth import FloatArray, IntArray
from detectors.injection.view import TableView

TRIES = 30
"""Places tried for each event wanted, before a family is left short: a busy table has few free runs."""


def inject_runs(view: TableView, edits: Edits, ledger: Ledger, at: int, family: Family, g: np.random.Generator) -> None:
    """Faults on free runs of rows until the family's share is reached."""
    usable = [name for name in view.numbers if view.spread(name) > 0.0]
    left = max(1, round(family.share * view.rows))
    if not usable or not view.rows:
        return
    for _ in range(TRIES * (1 + left // family.rows)):
        rows = _place(view, ledger, family, min(left, _longest(family, left)), g)
        if len(rows) == 0:
            continue
        names = [usable[i] for i in g.permutation(len(usable))[: family.columns]]
        left -= _fault(view, edits, ledger, at, family, rows, names, g)
        if left <= 0:
            return


def _longest(family: Family, left: int) -> int:
    return left if family.kind is AnomalyKind.DRIFT and family.run_rows is None else family.rows


def _place(view: TableView, ledger: Ledger, family: Family, rows: int, g: np.random.Generator) -> IntArray:
    """Free rows that follow one another within a key; a drift's run goes to the key's end. Empty where taken."""
    start = int(g.integers(0, view.rows))
    key = int(view.group_N[view.order_N[start]])
    first, stop = int(view.bounds_G[key]), int(view.bounds_G[key + 1])
    if family.kind is AnomalyKind.DRIFT:
        start = max(stop - rows, first + (stop - first) // 2)
    chosen = view.order_N[start : min(stop, start + rows)]
    least = 1 if family.kind is AnomalyKind.SPIKE else min(3, rows)
    return chosen if len(chosen) >= least and ledger.free(chosen) else chosen[:0]


def _fault(
    view: TableView,
    edits: Edits,
    ledger: Ledger,
    at: int,
    family: Family,
    rows: IntArray,
    names: list[str],
    g: np.random.Generator,
) -> int:
    """Writes one event; returns how many rows differ from what they were."""
    key = int(view.group_N[rows[0]])
    own = view.order_N[view.bounds_G[key] : view.bounds_G[key + 1]]
    severity = float(g.uniform(*family.strength))
    changes: dict[str, IntArray] = {}
    for name in names:
        old = view.values(name)[rows]
        new = _values(family.kind, old, severity * view.spread(name, own), g)
        field = view.table.schema.field(name).type
        if pa.types.is_integer(field):
            new = np.where(np.isnan(new), new, np.round(new))
        moved = np.flatnonzero(~np.isnan(old) & (new != old))
        if len(moved):
            edits.put(name, rows[moved], as_column(new[moved], field))
            changes[name] = rows[moved]
    if not changes:
        return 0
    changed = np.unique(np.concatenate(list(changes.values())))
    ledger.run(at, changed, (), severity)
    for name, moved_rows in changes.items():
        ledger.changed(moved_rows, name)
    return len(changed)


def _values(kind: AnomalyKind, old: FloatArray, size: float, g: np.random.Generator) -> FloatArray:
    """What a run of values becomes; `size` is the severity in the column's unit."""
    n = len(old)
    sign = float(g.choice([-1.0, 1.0]))
    if kind is AnomalyKind.DRIFT:
        return old + sign * size * np.linspace(1.0 / n, 1.0, n)
    if kind is AnomalyKind.STUCK:
        known = np.flatnonzero(~np.isnan(old))
        return np.where(np.isnan(old), np.nan, old[known[0]] if len(known) else np.nan)
    if kind is AnomalyKind.NOISY:
        return old + g.normal(0.0, size, n)
    if kind is AnomalyKind.SPIKE:
        return old + sign * size * 0.5 ** np.arange(n)
    return old + sign * size
