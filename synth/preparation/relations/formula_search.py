"""Finds numbers that are computed from others.

Candidates are tried on a few rows, then on the screened ones, then on all; what is kept gives every row's value again
to the last bit. Each source must be seen at work: enough rows in which it differs from its usual value.

Shape legend: N rows, S screened rows, T tried rows, C columns, P pairs.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from synth.preparation.frame import BoolArray, FloatArray, IntArray
from synth.preparation.relations.formula import Formula, evaluated
from synth.preparation.relations.graph import Graph

TRIED_ROWS = 24
LEAST_VALUES = 10
"""Distinct values of a column that may be computed; fewer are looked up by level."""
NEARLY = 0.999
MOST_CHECKED = 2_000
"""Candidates that survive the tried rows and are looked at further, for each kind of formula."""
MOST_FOR_THREE = 40


def find_multiples(graph: Graph) -> None:
    """Accept columns that are a multiple of another, plus an offset."""
    names = _usable(graph)
    if len(names) < 2:
        return
    rows_S = graph.screened
    table_SC = np.stack([graph.numbers(name)[rows_S] for name in names], axis=1)
    centred = np.nan_to_num(table_SC - np.nanmean(table_SC, axis=0))
    norms = np.linalg.norm(centred, axis=0)
    near_CC = (np.abs(centred.T @ centred) >= NEARLY * np.outer(norms, norms)) & (np.outer(norms, norms) > 0.0)
    for x, y in combinations(range(len(names)), 2):
        if near_CC[x, y]:
            for column, source in _directions(graph, names[y], names[x]):
                rule = _multiple(graph, column, source)
                if rule is not None and graph.accept(rule):
                    break


def find_sums(graph: Graph) -> None:
    """Accept sums of two and three columns (differences are sums, read the other way round)."""
    names = _usable(graph)
    for size in (2, 3):
        names = graph.free(names)
        if len(names) > (MOST_FOR_THREE if size == 3 else graph.settings.most_numbers):
            continue
        for column, sources in _candidates(graph, names, size, product=False):
            _try(graph, column, sources, (1.0,) * size)


def find_products(graph: Graph) -> None:
    """Accept products of two columns."""
    names = graph.free(_usable(graph))
    for column, sources in _candidates(graph, names, 2, product=True):
        _try(graph, column, sources, ())


def _usable(graph: Graph) -> list[str]:
    names = [name for name in graph.free(graph.measurable) if graph.codes(name)[1] >= 3]
    return names[: graph.settings.most_numbers]


def _directions(graph: Graph, a: str, b: str) -> list[tuple[str, str]]:
    """Which of two follows from the other: the one with fewer values, else the later one."""
    fewer = graph.codes(b)[1] < graph.codes(a)[1]
    return [(b, a), (a, b)] if fewer else [(a, b), (b, a)]


def _multiple(graph: Graph, column: str, source: str) -> Formula | None:
    y_N, x_N = graph.numbers(column), graph.numbers(source)
    both = ~np.isnan(y_N) & ~np.isnan(x_N)
    if graph.codes(column)[1] < LEAST_VALUES or both.sum() < graph.settings.least_rows:
        return None
    if not graph.may(column, (source,)):
        return None
    x, first = np.unique(x_N[both], return_index=True)
    y = y_N[both][first]
    if len(x) < LEAST_VALUES:
        return None
    for factor, offset in _lines(x, y):
        rule = _formula(graph, column, (source,), (factor,), offset)
        if _holds(graph, rule, graph.screened):
            held = _as_it_holds(graph, rule)
            if held is not None:
                return held
    return None


def _lines(x: FloatArray, y: FloatArray) -> Iterator[tuple[float, float]]:
    """Straight lines through the points, from the roundest to the exactest."""
    slope = (y[-1] - y[0]) / (x[-1] - x[0])
    fitted = float(np.polyfit(x - x.mean(), y - y.mean(), 1)[0])
    seen = set()
    for factor in (slope, fitted):
        for digits in (1, 2, 3, 4, 6, 9, 15):
            rounded = float(f"{factor:.{digits - 1}e}")
            offset = float(np.median(y - rounded * x))
            for shown in (2, 6, 12):
                pair = (rounded, round(offset, shown) + 0.0)
                if pair not in seen and rounded:
                    seen.add(pair)
                    yield pair


def _candidates(graph: Graph, names: list[str], size: int, *, product: bool) -> list[tuple[str, tuple[str, ...]]]:
    """(column, sources) that fit the tried rows, most decided first."""
    if len(names) <= size:
        return []
    rows_T = _tried_rows(graph, names)
    table_TC = np.stack([graph.numbers(name)[rows_T] for name in names], axis=1)
    groups = list(combinations(range(len(names)), size))
    parts_PG = np.array(groups)
    made_TP = table_TC[:, parts_PG[:, 0]].copy()
    for at in range(1, size):
        made_TP = made_TP * table_TC[:, parts_PG[:, at]] if product else made_TP + table_TC[:, parts_PG[:, at]]
    found = []
    for c, name in enumerate(names):
        for p in _fits(graph, name, table_TC[:, c], made_TP):
            if c not in groups[p]:
                found.append((name, tuple(names[i] for i in groups[p])))
    return found[:MOST_CHECKED]


def _tried_rows(graph: Graph, names: list[str]) -> IntArray:
    """The screened rows in which most columns hold something unusual, (T,): sparse columns say nothing elsewhere."""
    rows_S = graph.screened
    unusual_S = np.zeros(len(rows_S))
    for name in names:
        codes = graph.codes(name)[0][rows_S]
        shares = np.bincount(codes)[codes] / len(rows_S)
        unusual_S += np.where(np.isnan(graph.numbers(name)[rows_S]), 0.0, -np.log(shares))
    return rows_S[np.argsort(-unusual_S, kind="stable")[:TRIED_ROWS]]


def _fits(graph: Graph, name: str, column_T: FloatArray, made_TP: FloatArray) -> IntArray:
    """Which candidates give the column on the tried rows, those with a missing part left out of account."""
    known_T = ~np.isnan(column_T)
    if known_T.sum() < TRIED_ROWS // 3:
        return np.zeros(0, dtype=np.int64)
    grid = graph.grids[name]
    off_TP = np.abs(made_TP[known_T] - column_T[known_T, None])
    size_T1 = np.abs(column_T[known_T, None])
    near = 1e-6 * size_T1 + 1e-12 if grid.decimals is None else 0.51 * 10.0**-grid.decimals + 1e-6 * size_T1
    wrong_P = (off_TP > near).any(axis=0)
    known_P = (~np.isnan(off_TP)).sum(axis=0) >= TRIED_ROWS // 3
    return np.flatnonzero(~wrong_P & known_P)


def _try(graph: Graph, column: str, sources: tuple[str, ...], factors: tuple[float, ...]) -> None:
    if not graph.may(column, sources) or graph.codes(column)[1] < LEAST_VALUES:
        return
    for turn in range(len(sources)):
        ordered = sources[turn:] + sources[:turn]
        rule = _formula(graph, column, ordered, factors, 0.0)
        if not _holds(graph, rule, graph.screened):
            continue
        held = _as_it_holds(graph, rule)
        if held is not None and all(_at_work(graph, source, held) for source in sources):
            graph.accept(held)
            return


def _formula(graph: Graph, column: str, sources: tuple[str, ...], factors: tuple[float, ...], offset: float) -> Formula:
    grids = tuple(graph.grids[source] for source in sources)
    return Formula(
        column=column, sources=sources, factors=factors, offset=offset, grid=graph.grids[column], grids=grids
    )


def _holds(graph: Graph, rule: Formula, rows: IntArray | slice) -> bool:
    """Whether the formula gives exactly the column wherever all have values."""
    made, there = _made(graph, rule, rows), graph.numbers(rule.column)[rows]
    return bool(((made == there) | np.isnan(made) | np.isnan(there)).all())


def _made(graph: Graph, rule: Formula, rows: IntArray | slice) -> FloatArray:
    numbers = [graph.numbers(source)[rows] for source in rule.sources]
    return rule.grid.snapped(evaluated(numbers, rule.factors, rule.offset))


def _as_it_holds(graph: Graph, rule: Formula) -> Formula | None:
    """The formula, partly where values are missing elsewhere than in the sources; None where it does not hold."""
    if not _holds(graph, rule, slice(None)):
        return None
    missing_N, unmade_N = np.isnan(graph.numbers(rule.column)), np.isnan(_made(graph, rule, slice(None)))
    if (~missing_N & ~unmade_N).sum() < min(graph.settings.least_rows, graph.rows // 4):
        return None
    return rule if np.array_equal(missing_N, unmade_N) else replace(rule, partly=True)


def _at_work(graph: Graph, source: str, rule: Formula) -> bool:
    """Whether enough rows hold an unusual value of the source, and the column in them says enough."""
    column, codes_N = rule.column, graph.codes(source)[0]
    unusual: BoolArray = codes_N != np.bincount(codes_N).argmax()
    unusual &= ~np.isnan(graph.numbers(column)) & ~np.isnan(_made(graph, rule, slice(None)))
    if unusual.sum() < min(graph.settings.least_rows, graph.rows // 4):
        return False
    values_N, _ = graph.codes(column)
    shares = np.bincount(values_N)[values_N[unusual]] / graph.rows
    return bool(-np.log(shares).sum() >= graph.settings.least_nats)
