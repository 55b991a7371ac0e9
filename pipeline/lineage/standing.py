"""What each thing of a lineage is, and where it stands: in service, published, refused, withdrawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.catalogue.service_entries import LineageEdge, WithdrawalEntry
from pipeline.errors import ConfigError, ModelError
from pipeline.lineage.graph import Reached, child_of, parent_of
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.withdrawn import spans_of, touched

if TYPE_CHECKING:
    from pipeline.catalogue import Catalogue

CHAMPION, WITHDRAWN, IN_PART, REFUSED = "champion", "withdrawn", "withdrawn in part", "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One thing, for people."""

    node: Node
    what: str
    """In a few words: `vae, 2026-01-19 12:00`."""
    status: str
    """champion, published, failed, refused, withdrawn …; empty where there is nothing to say."""
    why: str = ""


def standings(catalogue: "Catalogue", reached: Reached) -> dict[Node, Standing]:
    """Of every node of a walk. What is not in the catalogue any more is shown by its id alone."""
    marks = catalogue.withdrawals()
    marked = {Node(entry.kind, entry.id): entry for entry in marks}
    tainted = _tainted(reached, marks)
    found = {}
    for node in reached.nodes:
        what, status, why = _looked_up(catalogue, node, reached.edges)
        by = marked.get(node) or tainted.get(node)
        if by is not None and not (node.kind == NodeKind.WINDOW and node not in marked):
            status, why = WITHDRAWN, by.reason
        elif by is not None:
            status, why = IN_PART, by.reason
        found[node] = Standing(node=node, what=what, status=status, why=why)
    return found


def _tainted(reached: Reached, marks: Sequence[WithdrawalEntry]) -> dict[Node, WithdrawalEntry]:
    """What came from something withdrawn and is not marked yet: it was being made meanwhile. And windows in which
    withdrawn times lie."""
    timed = [entry for entry in marks if entry.start_ms is not None]
    marked = {Node(entry.kind, entry.id): entry for entry in marks}
    children: dict[Node, list[Node]] = {}
    found: dict[Node, WithdrawalEntry] = {}
    for edge in reached.edges:
        children.setdefault(parent_of(edge), []).append(child_of(edge))
        by = _by_times(edge, timed)
        if by is not None:
            found.setdefault(parent_of(edge), by)
            found.setdefault(child_of(edge), by)
    waiting = [(node, by) for node, by in found.items() if node.kind != NodeKind.WINDOW]
    waiting += [(node, by) for node, by in marked.items() if node in children]
    while waiting:
        node, by = waiting.pop()
        for child in children.get(node, []):
            if child not in found and child not in marked:
                found[child] = by
                waiting.append((child, by))
    return found


def _by_times(edge: LineageEdge, timed: Sequence[WithdrawalEntry]) -> WithdrawalEntry | None:
    if edge.parent_kind != NodeKind.WINDOW:
        return None
    return next((by for by in timed if touched(parent_of(edge), edge, spans_of([by]), by.stream)), None)


def _looked_up(catalogue: "Catalogue", node: Node, edges: Sequence[LineageEdge]) -> tuple[str, str, str]:
    """What a node is, where it stands, and why."""
    if node.kind == NodeKind.WINDOW:
        return _window_text(node, edges), "", ""
    asked = _ASKED.get(node.kind)
    if asked is None:
        return "", "", ""
    try:
        return asked(catalogue, node.id)
    except (ConfigError, ModelError):
        return "no longer in the catalogue", "", ""


def _window_text(node: Node, edges: Sequence[LineageEdge]) -> str:
    facts: dict[str, Any] = next((e.facts for e in edges if parent_of(e) == node and e.facts.get("id") == node.id), {})
    if not facts:
        return "rows of an archive"
    if facts["start_ms"] is None:
        return f"{facts['rows']:,} rows of {facts['file']}"
    start, end = moment(facts["start_ms"]), moment(facts["end_ms"])
    return f"{start} to {end.removeprefix(start[:11])}, {facts['rows']:,} rows"


def _model(catalogue: "Catalogue", id: str) -> tuple[str, str, str]:
    entry = catalogue.model(id)
    refusal = next((one for one in catalogue.decisions(entry.stream) if one.model_id == entry.model_id), None)
    what = f"{entry.detector}, {moment(entry.created_ms)}"
    if entry.champion:
        return what, CHAMPION, ""
    if refusal is not None and refusal.kind == REFUSED:
        return what, REFUSED, refusal.reason
    return what, "", ""


def _generator(catalogue: "Catalogue", id: str) -> tuple[str, str, str]:
    entry = catalogue.generator(id)
    return f"{entry.model}, {moment(entry.created_ms)}", "", ""


def _request(catalogue: "Catalogue", id: str) -> tuple[str, str, str]:
    entry = catalogue.request(id)
    return f"{entry.asked['rows']:,} rows asked for, {moment(entry.asked_ms)}", entry.status, ""


def _dataset(catalogue: "Catalogue", id: str) -> tuple[str, str, str]:
    entry = catalogue.dataset(id)
    return f"{entry.rows:,} synthetic rows, {moment(entry.created_ms)}", entry.status, entry.reason


def _evaluation(catalogue: "Catalogue", id: str) -> tuple[str, str, str]:
    return moment(catalogue.evaluation(id).created_ms), "", ""


def _report(catalogue: "Catalogue", id: str) -> tuple[str, str, str]:
    entry = catalogue.quality_result(id)
    return f"{entry.subject}, {moment(entry.created_ms)}", entry.verdict, ""


_ASKED: dict[str, Callable[["Catalogue", str], tuple[str, str, str]]] = {
    NodeKind.MODEL: _model,
    NodeKind.GENERATOR: _generator,
    NodeKind.REQUEST: _request,
    NodeKind.DATASET: _dataset,
    NodeKind.EVALUATION: _evaluation,
    NodeKind.REPORT: _report,
}


def span_of(node: Node) -> tuple[int, int] | None:
    """The times that a window of an archive is named by; None for anything else."""
    rest = node.id.partition(":")[2].partition(":")[0]
    low, dash, high = rest.partition("-")
    if node.kind != NodeKind.WINDOW or not dash or not (low.isdigit() and high.isdigit()):
        return None
    return int(low), int(high)


def moment(time_ms: int) -> str:
    """To the minute, UTC."""
    return datetime.fromtimestamp(time_ms / 1000.0, UTC).strftime("%Y-%m-%d %H:%M")
