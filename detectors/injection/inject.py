"""Anomalies of known kind and place, put into real rows."""

import numpy as np
import pyarrow as pa

from detectors.errors import UnusableDataError
from detectors.injection.collective import add_collective
from detectors.injection.contextual import inject_contextual
from detectors.injection.edits import Edits
from detectors.injection.ledger import Ledger
from detectors.injection.plan import AnomalyKind, Plan
from detectors.injection.point import inject_points
from detectors.injection.runs import inject_runs
from detectors.injection.truth import Injected
from detectors.injection.view import TableView

_INJECTORS = {AnomalyKind.POINT: inject_points, AnomalyKind.CONTEXTUAL: inject_contextual}


def inject(table: pa.Table, plan: Plan, *, seed: int) -> Injected:
    """`table` with the plan's anomalies in it, and the truth about every row.

    Columns need their kind and roles (`columns.make_field`); others are carried along. The table is not changed; types
    stay, integers stay integers, nulls stay nulls; no row belongs to two families. The same table, plan and seed give
    the same anomalies, and a family's random numbers do not depend on the families beside it (its rows may, since
    taken rows are left alone). Families are placed longest runs first; one that finds no place (no column of its kind,
    no dependency to break, every run taken) stays short of its share: look at `truth`. Real anomalies in the table
    count as rows left alone.

    Raises UnusableDataError where the table has no rows or lacks a column that the plan names.
    """
    if table.num_rows == 0:
        raise UnusableDataError("there are no rows to inject anomalies into: widen the time range")
    table = table.combine_chunks()
    view, edits = TableView(table, plan), Edits(table)
    ledger = Ledger(table.column_names, table.num_rows)
    generators = _generators(plan, seed)
    in_place = [at for at, family in enumerate(plan.families) if family.kind is not AnomalyKind.COLLECTIVE]
    for at in sorted(in_place, key=lambda at: (-plan.families[at].rows, at)):
        family = plan.families[at]
        _INJECTORS.get(family.kind, inject_runs)(view, edits, ledger, at, family, generators[at])
    edited = edits.finish()
    made, ledger, source_N, added_N = add_collective(TableView(edited, plan), ledger, plan.families, generators)
    return Injected(table=made, truth=ledger.truth(plan.families), source_N=source_N, added_N=added_N)


def _generators(plan: Plan, seed: int) -> list[np.random.Generator]:
    """One for each family, by its name, and by how many of that name come before it."""
    names = [family.name for family in plan.families]
    return [np.random.default_rng([seed, names[:at].count(name), *name.encode()]) for at, name in enumerate(names)]
