"""What came of something, and what it came from: walks over edges that are asked for node by node.

Pure: a walk knows nothing of the catalogue. It is breadth first, visits everything once, whatever circles there are,
and as deep as it goes; circles are found and refused where an order is needed (`layers`).
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipeline.catalogue.service_entries import LineageEdge
from pipeline.errors import ConfigError
from pipeline.lineage.nodes import Node

MOST_NODES = 100_000
"""Of one walk."""
EdgesOf = Callable[[Node], Sequence[LineageEdge]]
"""The edges that lead to, or away from, a node."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What a walk found."""

    start: tuple[Node, ...]
    nodes: tuple[Node, ...]
    """In the order met, those it began with first."""
    edges: tuple[LineageEdge, ...]
    """Between them, each once."""
    whole: bool = True
    """False where there was more than the walk was to visit."""

    def and_also(self, other: "Reached") -> "Reached":
        """Both together."""
        nodes = tuple(dict.fromkeys([*self.nodes, *other.nodes]))
        edges = {edge_key(edge): edge for edge in [*self.edges, *other.edges]}
        start = tuple(dict.fromkeys([*self.start, *other.start]))
        return Reached(start, nodes, tuple(edges.values()), self.whole and other.whole)


@dataclass(slots=True)
class _Walk:
    """What was met so far."""

    met: dict[Node, None]
    edges: dict[tuple[str, str, str, str], LineageEdge] = field(default_factory=dict)


def ancestors(start: Sequence[Node], parents_of: EdgesOf, *, most: int = MOST_NODES) -> Reached:
    """Everything that the nodes came from, and they themselves."""
    return _walked(start, parents_of, parent_of, most)


def descendants(start: Sequence[Node], children_of: EdgesOf, *, most: int = MOST_NODES) -> Reached:
    """Everything that came from the nodes, and they themselves."""
    return _walked(start, children_of, child_of, most)


def parent_of(edge: LineageEdge) -> Node:
    """Where an edge begins."""
    return Node(edge.parent_kind, edge.parent_id)


def child_of(edge: LineageEdge) -> Node:
    """Where an edge ends."""
    return Node(edge.child_kind, edge.child_id)


def edge_key(edge: LineageEdge) -> tuple[str, str, str, str]:
    """What makes an edge this one."""
    return edge.parent_kind, edge.parent_id, edge.child_kind, edge.child_id


def without_shortcuts(edges: Sequence[LineageEdge]) -> list[LineageEdge]:
    """The edges less those that others lead along in two steps: a dataset came from its generator by a request."""
    children: dict[Node, set[Node]] = {}
    for edge in edges:
        children.setdefault(parent_of(edge), set()).add(child_of(edge))
    return [
        edge
        for edge in edges
        if not any(child_of(edge) in children.get(step, ()) for step in children[parent_of(edge)])
    ]


def layers(reached: Reached) -> dict[Node, int]:
    """How many steps each node is from where its lineage begins, the longest way: children are always behind all of
    their parents. Raises ConfigError where edges go in a circle."""
    children: dict[Node, list[Node]] = {node: [] for node in reached.nodes}
    missing = dict.fromkeys(reached.nodes, 0)
    for edge in reached.edges:
        if parent_of(edge) in children and child_of(edge) in children:
            children[parent_of(edge)].append(child_of(edge))
            missing[child_of(edge)] += 1
    ready = deque(node for node in reached.nodes if not missing[node])
    layer = dict.fromkeys(ready, 0)
    while ready:
        node = ready.popleft()
        for child in children[node]:
            layer[child] = max(layer.get(child, 0), layer[node] + 1)
            missing[child] -= 1
            if not missing[child]:
                ready.append(child)
    circle = sorted(f"{node.kind} {node.id}" for node, count in missing.items() if count)
    if circle:
        raise ConfigError(
            f"lineage goes in a circle among {', '.join(circle[:6])}: nothing can come from itself; restore the "
            "catalogue from a backup (`eddyline catalogue restore`), or remove the wrong edge from its table `lineage`"
        )
    return layer


def _walked(start: Sequence[Node], edges_of: EdgesOf, other_end: Callable[[LineageEdge], Node], most: int) -> Reached:
    walk = _Walk(dict.fromkeys(start))
    waiting, whole = deque(walk.met), True
    while waiting:
        for edge in edges_of(waiting.popleft()):
            found = other_end(edge)
            if found not in walk.met:
                if len(walk.met) >= most:
                    whole = False
                    continue
                walk.met[found] = None
                waiting.append(found)
            walk.edges[edge_key(edge)] = edge
    return Reached(tuple(start), tuple(walk.met), tuple(walk.edges.values()), whole)
