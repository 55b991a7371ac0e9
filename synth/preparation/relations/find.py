"""The search for relations, from the strictest to the loosest."""

from collections.abc import Mapping

import pyarrow as pa

from synth.preparation.frame import Frame, Rule
from synth.preparation.relations.calendar_search import find_time_parts
from synth.preparation.relations.elapsed import find_elapsed
from synth.preparation.relations.formula_search import find_multiples, find_products, find_sums
from synth.preparation.relations.graph import Graph
from synth.preparation.relations.levels_search import find_lookups, find_steps
from synth.preparation.relations.ordering_search import find_orderings, find_same_moments
from synth.preparation.settings import PreparationSettings


def find_relations(
    frame: Frame,
    fields: Mapping[str, pa.Field],
    *,
    label: str | None,
    settings: PreparationSettings,
    taken: set[str],
) -> list[Rule]:
    """Every relation among these columns that is kept, each after those that bring back what it needs."""
    graph = Graph(frame, fields, label=label, settings=settings)
    if graph.rows < settings.least_rows or len(fields) < 2:
        return []
    find_same_moments(graph)
    find_time_parts(graph)
    find_elapsed(graph)
    find_multiples(graph)
    find_lookups(graph)
    find_sums(graph)
    find_products(graph)
    find_steps(graph)
    find_orderings(graph, taken)
    return graph.in_order()
