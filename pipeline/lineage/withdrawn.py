"""What must not be used any more: times of an archive, and everything that came from something withdrawn.

Withdrawing marks what is known to have come from a window. What was being made meanwhile is not marked yet, so whether
something may be used is told by its ancestors too: it is withdrawn where it, or anything it came from, is marked, or
where it came from a window of an archive whose times were withdrawn since and not left out of it.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from pipeline.catalogue.service_entries import LineageEdge, WithdrawalEntry
from pipeline.errors import ConfigError
from pipeline.lineage.edges import edge_from_window
from pipeline.lineage.graph import ancestors, parent_of
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.windows import Span, WindowRef, overlaps, remaining

EVER = 2**62


class WithdrawnCatalogue(Protocol):
    """The part of the catalogue that knows what was withdrawn."""

    def withdrawals(self, stream: str | None = None) -> list[WithdrawalEntry]:
        """What was withdrawn of a stream, or of all, newest first."""

    def parents(self, kind: str, id: str) -> list[LineageEdge]:
        """The edges that lead to something."""


def withdrawn_times(catalogue: WithdrawnCatalogue, stream: str) -> list[Span]:
    """The times of a stream's archive that nothing is learned from any more, in order; those that meet are joined."""
    return list(overlaps(-EVER, EVER, spans_of(catalogue.withdrawals(stream))))


def why_withdrawn(catalogue: WithdrawnCatalogue, node: Node) -> WithdrawalEntry | None:
    """The withdrawal by which something must not be used; None where it may be."""
    reached = ancestors([node], lambda one: catalogue.parents(one.kind, one.id))
    return _first(catalogue.withdrawals(), reached.nodes, reached.edges)


def window_withdrawn(catalogue: WithdrawnCatalogue, window: WindowRef) -> WithdrawalEntry | None:
    """The withdrawal by which nothing may be learned from a window; None where it may."""
    edge = edge_from_window(window, Node(NodeKind.MODEL, ""), stream=window.stream, made_ms=0)
    return _first(catalogue.withdrawals(), [Node(NodeKind.WINDOW, window.id)], [edge])


def refuse_withdrawn(catalogue: WithdrawnCatalogue, node: Node) -> None:
    """Raise ConfigError where something must not be used any more."""
    found = why_withdrawn(catalogue, node)
    if found is not None:
        raise refused(node, found)


def first_usable(catalogue: WithdrawnCatalogue, nodes: Iterable[Node]) -> Node:
    """The first of some things, of which there is one at least, that may be used. Raises ConfigError, about the first
    of them, where none may."""
    refusals: list[ConfigError] = []
    for node in nodes:
        found = why_withdrawn(catalogue, node)
        if found is None:
            return node
        refusals.append(refused(node, found))
    raise refusals[0]


def refused(node: Node, found: WithdrawalEntry) -> ConfigError:
    """That something cannot be used, why, and what to do."""
    itself = (found.because_kind, found.because_id) == (node.kind, node.id)
    came = "" if itself else f", for it came from {found.because_kind} {found.because_id}"
    return ConfigError(
        f"{node.kind} {node.id} was withdrawn{came} ({found.reason}): `eddyline lineage {node.id}` shows what it came "
        "from; train again, withdrawn rows are left out"
    )


def touched(window: Node, edge: LineageEdge, spans: Sequence[Span], stream: str) -> bool:
    """Whether any of a stream's spans lies in what was used of a window; `edge` leads away from it."""
    name, times, without = _window(window, edge)
    if name != stream or times is None:
        return False
    return any(overlaps(low, high, spans) for low, high in remaining(*times, without))


def _first(
    entries: Sequence[WithdrawalEntry], nodes: Sequence[Node], edges: Sequence[LineageEdge]
) -> WithdrawalEntry | None:
    marked = {Node(entry.kind, entry.id): entry for entry in entries}
    for node in nodes:
        if node in marked:
            return marked[node]
    timed = [entry for entry in entries if entry.start_ms is not None and entry.end_ms is not None]
    for edge in edges:
        for entry in timed:
            if edge.parent_kind == NodeKind.WINDOW and touched(parent_of(edge), edge, spans_of([entry]), entry.stream):
                return entry
    return None


def spans_of(entries: Sequence[WithdrawalEntry]) -> list[Span]:
    """The times of archives that entries withdraw."""
    return [(e.start_ms, e.end_ms) for e in entries if e.start_ms is not None and e.end_ms is not None]


def _window(node: Node, edge: LineageEdge) -> tuple[str, Span | None, list[Span]]:
    """A window's stream, its times and what of them was left out: by what the edge keeps, else by its id."""
    facts = edge.facts
    if facts.get("id") == node.id:
        times = facts["start_ms"], facts["end_ms"]
        without = [(int(low), int(high)) for low, high in facts.get("without", [])]
        return facts["stream"], None if None in times else times, without
    stream, _, rest = node.id.partition(":")
    low, dash, high = rest.partition(":")[0].partition("-")
    return stream, (int(low), int(high)) if dash and low.isdigit() and high.isdigit() else None, []
