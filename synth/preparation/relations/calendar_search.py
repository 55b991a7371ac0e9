"""Finds columns that repeat a part of a time column: hours, weekdays by number or name, months, dates."""

import numpy as np

from synth.preparation.frame import BoolArray, IntArray
from synth.preparation.plain import DAY_NANOSECONDS, unit_nanoseconds, value_type
from synth.preparation.relations.calendar import PARTS, TimePart, time_part
from synth.preparation.relations.graph import Graph

MOST_PARTS = 5_000


def find_time_parts(graph: Graph) -> None:
    """Accept every column that a part of a time column determines; the coarsest part that does."""
    for source in graph.moments:
        steps = DAY_NANOSECONDS // unit_nanoseconds(value_type(graph.fields[source].type))
        parts = {part: time_part(graph.frame[source], part, steps) for part in PARTS}
        for column in graph.free(list(graph.fields)):
            if column == source or not graph.may(column, (source,)) or graph.codes(column)[1] < 2:
                continue
            dated = column in graph.moments
            among = ("date",) if dated else PARTS
            for part in sorted(among, key=lambda p: len(np.unique(parts[p][graph.screened]))):
                rule = _rule(graph, source, column, part, steps, parts[part])
                if rule is not None:
                    graph.accept(rule)
                    break


def _rule(graph: Graph, source: str, column: str, part: str, steps_per_day: int, part_N: IntArray) -> TimePart | None:
    missing_N = graph.frame[source].is_null().to_numpy(zero_copy_only=False)
    values_N, values = graph.codes(column)
    if not _agree(part_N[graph.screened], values_N[graph.screened], missing_N[graph.screened]):
        return None
    if not _agree(part_N, values_N, missing_N):
        return None
    known, first, counts = np.unique(part_N[~missing_N], return_index=True, return_counts=True)
    value_L = values_N[~missing_N][first]
    one_part_one_value = len(np.unique(value_L)) >= max(2, min(len(known), values) // 2)
    repeats = int((counts - 1).sum())
    if repeats < graph.settings.least_rows or len(known) > MOST_PARTS or not one_part_one_value:
        return None
    stock = [*graph.levels(column).to_pylist(), None]
    return TimePart(
        column=column,
        source=source,
        part=part,
        steps_per_day=steps_per_day,
        parts=tuple(int(v) for v in known),
        values=tuple(stock[v] for v in value_L),
        for_missing=stock[int(values_N[missing_N][0])] if missing_N.any() else None,
        type_name=str(graph.frame[column].type),
    )


def _agree(part_N: IntArray, values_N: IntArray, missing_N: BoolArray) -> bool:
    """Whether every part has one value only, and so have missing moments."""
    if missing_N.any() and len(np.unique(values_N[missing_N])) > 1:
        return False
    if missing_N.all():
        return False
    known_N, have_N = part_N[~missing_N], values_N[~missing_N]
    _, first, level_N = np.unique(known_N, return_index=True, return_inverse=True)
    return bool((have_N[first[level_N]] == have_N).all())
