"""Edges of lineage, as whoever makes something writes them down: the child came from the parent.

An edge is added before, or in the transaction in which, what was made becomes visible, so that a withdrawal finds it.
Adding one again changes nothing.
"""

from collections.abc import Iterable
from typing import Any

from pipeline.catalogue.service_entries import LineageEdge
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.windows import WindowRef

MOST_PARTITIONS = 64
"""Of a window, that an edge names one by one."""


def edge(parent: Node, child: Node, *, stream: str, made_ms: int, facts: dict[str, Any] | None = None) -> LineageEdge:
    """That `child` came from `parent`. `facts` are of the parent's part in it; JSON. Raises ValueError where they are
    the same."""
    if (parent.kind, parent.id) == (child.kind, child.id):
        raise ValueError(f"{child.kind} {child.id} cannot come from itself")
    return LineageEdge(
        parent_kind=str(parent.kind),
        parent_id=parent.id,
        child_kind=str(child.kind),
        child_id=child.id,
        stream=stream,
        made_ms=made_ms,
        facts=facts or {},
    )


def edge_from_window(window: WindowRef, child: Node, *, stream: str, made_ms: int) -> LineageEdge:
    """That something was made from a window; the edge keeps what is known of the window."""
    facts = window.document()
    if len(window.partitions) > MOST_PARTITIONS:
        facts["partitions"] = []
    return edge(Node(NodeKind.WINDOW, window.id), child, stream=stream, made_ms=made_ms, facts=facts)


def edges_of_training(
    windows: Iterable[WindowRef], child: Node, *, stream: str, made_ms: int, from_models: Iterable[str] = ()
) -> list[LineageEdge]:
    """Of a detector or a generator trained on windows. `from_models` are models that it took something over from: a
    recalibrated model's weights, a champion's flags by which rows were left out."""
    edges = [edge_from_window(window, child, stream=stream, made_ms=made_ms) for window in windows]
    parents = (Node(NodeKind.MODEL, model_id) for model_id in from_models)
    return edges + [edge(parent, child, stream=stream, made_ms=made_ms) for parent in parents]


def edges_of_generation(
    dataset_id: str, *, generator_id: str, request_id: str, stream: str, made_ms: int
) -> list[LineageEdge]:
    """Of a synthetic dataset: the generator that made it, and the request that asked for it."""
    child = Node(NodeKind.DATASET, dataset_id)
    generator, request = Node(NodeKind.GENERATOR, generator_id), Node(NodeKind.REQUEST, request_id)
    return [
        edge(generator, child, stream=stream, made_ms=made_ms),
        edge(generator, request, stream=stream, made_ms=made_ms),
        edge(request, child, stream=stream, made_ms=made_ms),
    ]


def edges_of_report(report_id: str, parents: Iterable[Node], *, stream: str, made_ms: int) -> list[LineageEdge]:
    """Of a report on windows, datasets or models."""
    child = Node(NodeKind.REPORT, report_id)
    return [edge(parent, child, stream=stream, made_ms=made_ms) for parent in parents]
