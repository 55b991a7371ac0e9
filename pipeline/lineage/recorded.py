"""Lineage as the catalogue has it: finding what a person names, and edges of what was made before they were kept."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.catalogue.service_entries import LineageEdge
from pipeline.errors import ConfigError, ModelError
from pipeline.lineage.edges import edge
from pipeline.lineage.graph import EdgesOf, Reached, ancestors, descendants
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.windows import file_id, window_id

if TYPE_CHECKING:
    from pipeline.catalogue import Catalogue

UNRECORDED = "unrecorded"
"""Stands for the fingerprint of a window that nobody took one of."""
MOST_SHOWN = 8


def parents_in(catalogue: "Catalogue") -> EdgesOf:
    """The edges that lead to a node."""
    return lambda node: catalogue.parents(node.kind, node.id)


def children_in(catalogue: "Catalogue") -> EdgesOf:
    """The edges that lead away from a node."""
    return lambda node: catalogue.children(node.kind, node.id)


def lineage_of(catalogue: "Catalogue", node: Node, *, up: bool, down: bool, most: int) -> Reached:
    """What a node came from (`up`), what came of it (`down`), or both; at most so many nodes each way."""
    reached = Reached((node,), (node,), ())
    if up:
        reached = reached.and_also(ancestors([node], parents_in(catalogue), most=most))
    if down:
        reached = reached.and_also(descendants([node], children_in(catalogue), most=most))
    return reached


def found_node(catalogue: "Catalogue", named: str) -> Node:
    """What has this id, or an id that begins so; an alert's id stands for its model.

    Raises ConfigError where nothing or several things fit.
    """
    found = {Node(kind, id) for kind, id in catalogue.find_node(named)} | set(_in_tables(catalogue, named))
    exact = {node for node in found if node.id == named}
    if len(exact or found) == 1:
        [node] = exact or found
        return node
    if not found:
        raise ConfigError(
            f"nothing has an id that begins with {named!r}: `eddyline models list`, `eddyline synth list`, `eddyline "
            "quality show` and `eddyline alerts` show ids"
        )
    shown = ", ".join(f"{node.kind} {node.id}" for node in sorted(exact or found)[:MOST_SHOWN])
    raise ConfigError(f"{named!r} could be {shown}: give more of the id")


def _in_tables(catalogue: "Catalogue", named: str) -> Iterator[Node]:
    """Things that may be in no edge yet."""
    asked = (
        (NodeKind.MODEL, "model_id", catalogue.model),
        (NodeKind.GENERATOR, "generator_id", catalogue.generator),
        (NodeKind.DATASET, "dataset_id", catalogue.dataset),
        (NodeKind.REQUEST, "request_id", catalogue.request),
        (NodeKind.EVALUATION, "evaluation_id", catalogue.evaluation),
        (NodeKind.REPORT, "result_id", catalogue.quality_result),
        (NodeKind.MODEL, "model_id", catalogue.alert),
    )
    for kind, name, one in asked:
        try:
            entry: Any = one(named)
        except (ConfigError, ModelError):
            continue  # none or several: those in edges are found by `find_node`
        if getattr(entry, name):
            yield Node(kind, getattr(entry, name))


def fill(catalogue: "Catalogue", stream: str) -> int:
    """Write down the edges of models, generators and datasets that have none, as far as what is known of them says;
    how many there were. Windows are then named without a fingerprint."""
    edges = [made for made in _implied(catalogue, stream) if not catalogue.parents(made.child_kind, made.child_id)]
    if edges:
        catalogue.add_edges(edges)
    return len(edges)


def _implied(catalogue: "Catalogue", stream: str) -> Iterator[LineageEdge]:
    for model in catalogue.models(stream):
        node = Node(NodeKind.MODEL, model.model_id)
        before = model.facts.get("recalibrated_from")
        if before and before != model.model_id:
            yield edge(Node(NodeKind.MODEL, before), node, stream=stream, made_ms=model.created_ms)
        if "start_ms" in model.facts and "end_ms" in model.facts:
            window = window_id(stream, model.facts["start_ms"], model.facts["end_ms"] + 1, UNRECORDED)
            yield edge(Node(NodeKind.WINDOW, window), node, stream=stream, made_ms=model.created_ms)
    for generator in catalogue.generators(stream):
        node = Node(NodeKind.GENERATOR, generator.generator_id)
        for named in _windows_of(generator.source):
            yield edge(Node(NodeKind.WINDOW, named), node, stream=stream, made_ms=generator.created_ms)
    for dataset in catalogue.datasets(stream):
        node = Node(NodeKind.DATASET, dataset.dataset_id)
        parent = Node(NodeKind.GENERATOR, dataset.generator_id)
        yield edge(parent, node, stream=stream, made_ms=dataset.created_ms)


def _windows_of(source: dict[str, Any]) -> Iterator[str]:
    window = source.get("window")
    if window:
        yield window_id(source["name"], window["start_ms"], window["end_ms"], UNRECORDED)
    elif source.get("file"):
        for entry in source.get("files", []):
            yield file_id(source["name"], entry["sha256"])


def stream_of(catalogue: "Catalogue", node: Node) -> str:
    """The stream, or the name of the data, that something belongs to. Raises ConfigError where nobody knows."""
    for found in (*catalogue.parents(node.kind, node.id), *catalogue.children(node.kind, node.id)):
        return found.stream
    asked: dict[str, Any] = {
        NodeKind.MODEL: catalogue.model,
        NodeKind.GENERATOR: catalogue.generator,
        NodeKind.DATASET: catalogue.dataset,
        NodeKind.REQUEST: catalogue.request,
        NodeKind.EVALUATION: catalogue.evaluation,
        NodeKind.REPORT: catalogue.quality_result,
    }
    if node.kind in asked:
        return str(asked[node.kind](node.id).stream)
    return node.id.partition(":")[0]
