"""Finds columns that are functions of another's levels or ranges.

A function is believed where the rows that repeat a level, and agree with it, would be too improbable under independent
columns (`least_nats`), enough of them hold something else than the usual value (`least_rows`), and all rows agree.

Shape legend: N rows, S screened rows, C columns, L levels.
"""

import numpy as np

from synth.preparation.frame import IntArray
from synth.preparation.relations.graph import Graph, surprise
from synth.preparation.relations.steps import Steps
from synth.preparation.relations.table_of_levels import Lookup

MOST_NUMBERS = 256
"""Numbers with more values are not made exactly, so nothing can be looked up by them."""
KNOWN_SHARE = 0.95
"""Rows whose level is frequent enough to be learned, for a column to determine others by itself."""
PARTLY_SHARE = 0.2
"""The same, for a column to determine others that are learned too."""
MOST_RANGES = 64


def find_lookups(graph: Graph) -> None:
    """Accept every column that another's levels determine; of two that determine each other one stays."""
    names = [name for name in graph.free(list(graph.fields)) if name not in graph.moments]
    names = names[: graph.settings.most_columns]
    sources = [name for name in names if _may_determine(graph, name)]
    pairs = [pair for pair in _screened_pairs(graph, sources, names) if _determines(graph, *pair)]
    held = set(pairs)
    for source, column in sorted(pairs, key=lambda pair: _preference(graph, pair, held)):
        if (column, source) in held and _rank(graph, column) < _rank(graph, source):
            continue
        if graph.may(column, (source,)):
            graph.accept(_lookup(graph, source, column))


def find_steps(graph: Graph) -> None:
    """Accept every column that ranges of a number determine."""
    names = graph.free([name for name in graph.fields if name not in graph.moments])
    columns = [name for name in names if 2 <= graph.codes(name)[1] <= MOST_RANGES]
    for source in graph.free(graph.measurable):
        if graph.codes(source)[1] < 2 * MOST_RANGES:
            continue
        for column in columns:
            if graph.may(column, (source,)) and _in_ranges(graph, source, column, graph.screened) is not None:
                found = _in_ranges(graph, source, column, None)
                if found is not None and _enough(graph, column, *found[1:]):
                    graph.accept(_steps(graph, source, column, found[0]))


def _may_determine(graph: Graph, name: str) -> bool:
    levels = graph.codes(name)[1]
    if levels < 2 or (name in graph.quantities and levels > MOST_NUMBERS):
        return False
    least = KNOWN_SHARE if name in graph.quantities else PARTLY_SHARE
    return bool(_known_share(graph, name) >= least and levels <= graph.rows / 2)


def _known_share(graph: Graph, name: str) -> float:
    """The share of rows whose level is seen often."""
    codes_N, levels = graph.codes(name)
    counts = np.bincount(codes_N, minlength=levels + 1)
    return float(counts[counts >= graph.settings.least_level_rows].sum() / graph.rows)


def _screened_pairs(graph: Graph, sources: list[str], names: list[str]) -> list[tuple[str, str]]:
    """(source, column) that agree on the screened rows: every row has the value of its level's first row."""
    if not sources:
        return []
    rows_S = graph.screened
    table_SC = np.stack([graph.codes(name)[0][rows_S] for name in names], axis=1)
    found: list[tuple[str, str]] = []
    for source in sources:
        codes_S = graph.codes(source)[0][rows_S]
        _, first_L, level_S = np.unique(codes_S, return_index=True, return_inverse=True)
        agree_C = (table_SC == table_SC[first_L[level_S]]).all(axis=0)
        found.extend((source, name) for name, agrees in zip(names, agree_C, strict=True) if agrees and name != source)
    return found


def _determines(graph: Graph, source: str, column: str) -> bool:
    codes_N, levels = graph.codes(source)
    values_N, values = graph.codes(column)
    if values < 2:
        return False
    value_L = np.full(levels + 1, -1, dtype=np.int64)
    value_L[codes_N] = values_N
    if not (value_L[codes_N] == values_N).all():
        return False
    counts_L = np.bincount(codes_N, minlength=levels + 1)
    there = counts_L > 0
    return _enough(graph, column, value_L[there], counts_L[there])


def _enough(graph: Graph, column: str, value_L: IntArray, counts_L: IntArray) -> bool:
    """Whether the rows beyond each level's first say enough."""
    values_N, values = graph.codes(column)
    nats = surprise(values_N, values + 1)
    usual = int(np.argmin(np.where(nats > 0, nats, np.inf)))
    beyond_L = np.maximum(counts_L - 1, 0)
    rows = beyond_L[value_L != usual].sum()
    enough = float((beyond_L * nats[value_L]).sum()) >= graph.settings.least_nats
    return bool(enough and rows >= min(graph.settings.least_rows, graph.rows // 4))


def _preference(graph: Graph, pair: tuple[str, str], held: set[tuple[str, str]]) -> tuple[int, int, int]:
    """The determining column with the fewest levels comes first; equals in order of rank."""
    source, column = pair
    return (graph.codes(source)[1], _rank(graph, source), list(graph.fields).index(column))


def _rank(graph: Graph, name: str) -> int:
    """Which of two columns that determine each other is learned: the label, then numbers, then the first one."""
    place = list(graph.fields).index(name)
    order = 0 if name == graph.label else 1 if name in graph.quantities else 2
    return order * len(graph.fields) + place


def _lookup(graph: Graph, source: str, column: str) -> Lookup:
    codes_N, levels = graph.codes(source)
    values_N, values = graph.codes(column)
    value_L = np.full(levels + 1, values, dtype=np.int64)
    value_L[codes_N] = values_N
    counts_L = np.bincount(codes_N, minlength=levels + 1)[:levels]
    rare_L = counts_L < graph.settings.least_level_rows
    weights = np.bincount(value_L[:levels][rare_L], counts_L[rare_L], minlength=values + 1)
    if not weights.any():
        weights = np.bincount(values_N, minlength=values + 1).astype(np.float64)
    stock, partly = [*graph.levels(column).to_pylist(), None], _known_share(graph, source) < KNOWN_SHARE
    kept_L = np.flatnonzero(~rare_L) if partly else np.arange(levels)
    shown = graph.levels(source).to_pylist()
    return Lookup(
        column=column,
        source=source,
        levels=tuple(shown[at] for at in kept_L),
        values=tuple(stock[value_L[at]] for at in kept_L),
        partly=partly,
        numeric=column in graph.quantities,
        for_missing=stock[value_L[levels]],
        for_unknown=stock[int(np.argmax(weights))],
        type_name=str(graph.frame[column].type),
        source_type=str(graph.frame[source].type),
    )


def _in_ranges(
    graph: Graph, source: str, column: str, rows: IntArray | None
) -> tuple[list[tuple[float, int]], IntArray, IntArray] | None:
    """The ranges (start, value), each range's value and rows; None where there are too many, or missing ones differ."""
    numbers, values = graph.numbers(source), graph.codes(column)[0]
    if rows is not None:
        numbers, values = numbers[rows], values[rows]
    missing = np.isnan(numbers)
    if missing.any() and len(np.unique(values[missing])) > 1:
        return None
    order = np.lexsort((values[~missing], numbers[~missing]))
    sorted_numbers, sorted_values = numbers[~missing][order], values[~missing][order]
    starts = np.flatnonzero(np.diff(sorted_values, prepend=-1))
    if not 2 <= len(starts) <= MOST_RANGES or len(starts) * graph.settings.least_rows > len(values):
        return None
    if any(sorted_numbers[at - 1] == sorted_numbers[at] for at in starts[1:]):
        return None
    counts = np.diff([*starts, len(sorted_values)])
    ranges = [(float(sorted_numbers[at]), int(sorted_values[at])) for at in starts]
    return ranges, sorted_values[starts], counts.astype(np.int64)


def _steps(graph: Graph, source: str, column: str, ranges: list[tuple[float, int]]) -> Steps:
    stock = [*graph.levels(column).to_pylist(), None]
    missing = np.isnan(graph.numbers(source))
    for_missing = stock[int(graph.codes(column)[0][missing][0])] if missing.any() else None
    return Steps(
        column=column,
        source=source,
        starts=tuple(start for start, _ in ranges),
        values=tuple(stock[value] for _, value in ranges),
        for_missing=for_missing,
        type_name=str(graph.frame[column].type),
        grid=graph.grids[source],
    )
