"""Finds columns that are never smaller than others, in numbers and in times.

An ordering is believed where independent columns would break it in so many rows that none doing so is too improbable.
It is learned as a gap where the two columns move together (the gap spreads less than half as far as the column) and for
all times; else the column is learned as it is and held from below, which keeps values that many rows share.

Shape legend: N rows, S screened rows, C columns.
"""

import math
from collections.abc import Mapping
from itertools import combinations, permutations

import numpy as np
import pyarrow as pa

from synth.preparation.frame import Draw, FloatArray, Frame, IntArray
from synth.preparation.plain import unit_nanoseconds, value_type
from synth.preparation.relations.formula import Formula
from synth.preparation.relations.graph import Graph
from synth.preparation.relations.grid import EXACT, Grid, time_grid
from synth.preparation.relations.ordering import Ordered
from synth.preparation.times import free_name

LEAST_BROKEN_SHARE = 0.05
"""Rows that independent columns would put the wrong way round."""
MOST_SPREAD = 0.5


def find_orderings(graph: Graph, taken: set[str]) -> None:
    """Accept for every column the ones that it is never below; learned names are added to `taken`."""
    numbers = [name for name in graph.free(graph.measurable) if graph.codes(name)[1] >= 3]
    _find(graph, {name: graph.grids[name] for name in numbers}, False, taken)
    _find(graph, time_grids(graph), True, taken)


def find_same_moments(graph: Graph) -> None:
    """Accept time columns that lie the same time behind another in all rows, or at it."""
    grids = time_grids(graph)
    values = {name: grid.numbers(graph.frame[name]) for name, grid in grids.items()}
    for source, column in combinations(values, 2):
        behind_N = values[column] - values[source]
        known_N = behind_N[~np.isnan(behind_N)]
        if len(known_N) < graph.settings.least_rows or (known_N != known_N[0]).any():
            continue
        if np.array_equal(np.isnan(values[column]), np.isnan(values[source])):
            graph.accept(
                Formula(
                    column=column, sources=(source,), factors=(1.0,), offset=float(known_N[0]), grid=grids[column],
                    grids=(grids[source],),
                )
            )  # fmt: skip


def _find(graph: Graph, grids: Mapping[str, Grid], always_gap: bool, taken: set[str]) -> None:
    values = {name: grid.numbers(graph.frame[name]) for name, grid in grids.items()}
    lower = _lower(graph, values)
    for name in values:
        direct = [x for x in lower[name] if not any(x in lower[between] for between in lower[name])]
        if not direct or name == graph.label:
            continue
        direct.sort(key=lambda x: (float(np.nanmedian(values[name] - values[x])), x))
        rule = _rule(name, direct, grids, values, always_gap, graph.frame)
        if rule is not None and graph.accept(rule) and rule.gap_name is not None:
            free_name(rule.gap_name, taken)


def _lower(graph: Graph, values: Mapping[str, FloatArray]) -> dict[str, list[str]]:
    """For every column those that are never above it, and sometimes below, and would not be so by chance."""
    screened = {name: values_N[graph.screened] for name, values_N in values.items()}
    present = {name: np.sort(values_N[~np.isnan(values_N)]) for name, values_N in values.items()}
    found: dict[str, list[str]] = {name: [] for name in values}
    for upper, lower in permutations(values, 2):
        if (screened[lower] > screened[upper]).any() or (values[lower] > values[upper]).any():
            continue
        below = bool((values[lower] < values[upper]).any())
        both = int((~np.isnan(values[lower]) & ~np.isnan(values[upper])).sum())
        if below and _would_break(graph, present[lower], present[upper], both):
            found[upper].append(lower)
    return found


def _would_break(graph: Graph, low: FloatArray, high: FloatArray, both: int) -> bool:
    """Whether independent columns (sorted values) would break the ordering often."""
    if not len(low) or not len(high):
        return False
    above = len(low) - np.searchsorted(low, high, side="right")
    share = float(above.mean() / len(low))
    return share >= LEAST_BROKEN_SHARE and -both * math.log1p(-min(share, 0.999999)) >= graph.settings.least_nats


def _rule(
    name: str,
    lower: list[str],
    grids: Mapping[str, Grid],
    values: Mapping[str, FloatArray],
    always_gap: bool,
    frame: Frame,
) -> Ordered | None:
    upper_N, first_N = values[name], values[lower[0]]
    together = always_gap or _spread(upper_N - first_N) <= MOST_SPREAD * _spread(upper_N)
    for gap_name in ([f"{name} minus {lower[0]}"] if together else []) + [None]:
        rule = Ordered(
            column=name,
            lower=tuple(lower),
            gap_name=gap_name,
            grid=grids[name],
            grids=tuple(grids[x] for x in lower),
            greatest=float(np.nanmax(upper_N)),
        )
        if _exact(rule, frame):
            return rule
    return None


def _exact(rule: Ordered, frame: Frame) -> bool:
    """Whether learned and restored values are the same as before, missing ones included."""
    known = dict(frame)
    for field, array in zip(rule.fields(), rule.learned(frame), strict=True):
        known[field.name] = array
    made = rule.restored(known, Draw(seed=0, first_row=0, rows=len(frame[rule.column])))
    return bool(made.equals(frame[rule.column]))


def _spread(values_N: FloatArray) -> float:
    low, high = np.nanquantile(values_N, [0.05, 0.95])
    return float(high - low)


def time_grids(graph: Graph) -> dict[str, Grid]:
    """Grids of the time columns in the coarsest tick that all of them keep; none where that is too fine to be exact."""
    names = graph.free(graph.moments)
    if len(names) < 2:
        return {}
    units = {name: unit_nanoseconds(value_type(graph.fields[name].type)) for name in names}
    steps = {name: _step(graph.frame[name]) for name in names}
    tick = math.gcd(*(units[name] * steps[name] for name in names))
    grids = {name: time_grid(units[name], tick, steps[name]) for name in names}
    largest = max(float(np.nanmax(np.abs(grid.numbers(graph.frame[name])))) for name, grid in grids.items())
    return grids if largest < EXACT else {}


def _step(array: pa.Array) -> int:
    """The greatest number that divides all moments, in the column's unit."""
    values: IntArray = array.drop_null().to_numpy(zero_copy_only=False)
    return max(int(np.gcd.reduce(values)), 1)
