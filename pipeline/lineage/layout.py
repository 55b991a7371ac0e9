"""Where each thing of a lineage stands in its picture: in layers from left to right, every arrow to the right.

Layers by longest path (`graph.layers`); within one, the order in which arrows cross least is looked for by moving
everything to the mean place of its neighbours, forward and back (the barycentre method of Sugiyama, Tagawa and Toda,
1981). Good to some hundred nodes.
"""

from dataclasses import dataclass

from pipeline.lineage.graph import Reached, child_of, layers, parent_of, without_shortcuts
from pipeline.lineage.nodes import Node

SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of nodes, left to right; each from top to bottom."""

    columns: tuple[tuple[Node, ...], ...]
    arrows: tuple[tuple[Node, Node], ...]

    @property
    def places(self) -> dict[Node, tuple[int, int]]:
        """Column and row of each node."""
        return {node: (x, y) for x, column in enumerate(self.columns) for y, node in enumerate(column)}


def laid_out(reached: Reached) -> Layout:
    """A layout of a walk. Raises ConfigError where its edges go in a circle."""
    layer = layers(reached)
    columns: list[list[Node]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for node in sorted(layer):
        columns[layer[node]].append(node)
    arrows = tuple(
        (parent_of(edge), child_of(edge))
        for edge in without_shortcuts(reached.edges)
        if parent_of(edge) in layer and child_of(edge) in layer
    )
    neighbours: dict[Node, tuple[list[Node], list[Node]]] = {node: ([], []) for node in layer}
    for parent, child in arrows:
        neighbours[child][0].append(parent)
        neighbours[parent][1].append(child)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for x in range(len(columns)) if forward else reversed(range(len(columns))):
            _reorder(columns, x, neighbours, 0 if forward else 1)
    return Layout(tuple(map(tuple, columns)), arrows)


def _reorder(
    columns: list[list[Node]], x: int, neighbours: dict[Node, tuple[list[Node], list[Node]]], side: int
) -> None:
    """Order one column by the mean height of its nodes' neighbours on one side."""
    height = {node: (y + 0.5) / len(column) for column in columns for y, node in enumerate(column)}

    def wanted(node: Node) -> float:
        near = neighbours[node][side]
        return sum(height[other] for other in near) / len(near) if near else height[node]

    columns[x].sort(key=lambda node: (wanted(node), height[node]))
