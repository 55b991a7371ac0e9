"""Withdrawing: a window of an archive, or a thing, with everything that came from it.

Order, and what a process that dies in between leaves behind: all marks in one transaction (from then on nothing is made
of what is marked, and training leaves the window out), then each published dataset out of readers' sight, by a note and
a rename, then its row in the catalogue. Doing the same again does what is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.catalogue.entries import DatasetStatus
from pipeline.catalogue.service_entries import LineageEdge, WithdrawalEntry
from pipeline.errors import ConfigError
from pipeline.lineage.graph import Reached, child_of, descendants, parent_of
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.recorded import children_in, fill
from pipeline.lineage.windows import Span
from pipeline.lineage.withdrawn import touched
from pipeline.synthesis.datasets import withdraw as withdraw_files

if TYPE_CHECKING:
    from pipeline.catalogue import Catalogue
    from pipeline.lake.lake import Lake

MOST_NODES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """What a withdrawal would do."""

    root: Node
    """What a person withdraws."""
    stream: str
    span: Span | None
    """Of an archive."""
    windows: tuple[Node, ...]
    """That the span lies in."""
    came_from_it: tuple[Node, ...]
    """In the order in which one came of the other."""
    known: frozenset[Node]
    """Of these and the root, what is withdrawn already."""
    datasets: tuple[str, ...]
    """Published ones, by id, to be taken out of readers' sight."""
    champion: str | None
    """The stream's model in service, where it came from it."""
    edges: tuple[LineageEdge, ...]

    @property
    def new(self) -> tuple[Node, ...]:
        """What is not withdrawn yet."""
        return tuple(node for node in (self.root, *self.came_from_it) if node not in self.known)

    @property
    def nothing_to_do(self) -> bool:
        """Whether everything is done already."""
        return not self.new and not self.datasets


def span_node(stream: str, start_ms: int, end_ms: int) -> Node:
    """A stretch of an archive's time that a person names."""
    return Node(NodeKind.WINDOW, f"{stream}:{start_ms}-{end_ms}")


def of_span(catalogue: "Catalogue", lake: "Lake", stream: str, start_ms: int, end_ms: int) -> Withdrawal:
    """Withdrawing the rows of a stream's archive with `start_ms` ≤ time < `end_ms`. Raises ConfigError where that is no
    time."""
    if start_ms >= end_ms:
        raise ConfigError("--from is not before --to: give the window's first moment and the one after its last")
    fill(catalogue, stream)
    spans = [(start_ms, end_ms)]
    uses = [
        edge for edge in catalogue.edges_from(NodeKind.WINDOW, stream) if touched(parent_of(edge), edge, spans, stream)
    ]
    reached = descendants(list(dict.fromkeys(child_of(edge) for edge in uses)), children_in(catalogue), most=MOST_NODES)
    windows = tuple(dict.fromkeys(parent_of(edge) for edge in uses))
    root = span_node(stream, start_ms, end_ms)
    return _planned(catalogue, lake, root, stream, (start_ms, end_ms), windows, reached, uses)


def of_node(catalogue: "Catalogue", lake: "Lake", node: Node, stream: str) -> Withdrawal:
    """Withdrawing one thing: a file's rows, a model, a generator, a dataset."""
    fill(catalogue, stream)
    reached = descendants([node], children_in(catalogue), most=MOST_NODES)
    rest = Reached(reached.start, reached.nodes[1:], reached.edges, reached.whole)
    return _planned(catalogue, lake, node, stream, None, (), rest, [])


def carry_out(
    withdrawal: Withdrawal, *, catalogue: "Catalogue", lake: "Lake", reason: str, now_ms: int
) -> tuple[str, ...]:
    """Do it; returns the ids of the datasets that readers no longer see. Raises StorageUnavailableError where files
    cannot be moved: doing it again goes on."""
    catalogue.add_withdrawals(_marks(withdrawal, reason, now_ms))
    for dataset_id in withdrawal.datasets:
        places = lake.places(withdrawal.stream, dataset_id)
        if places.published.is_dir() or places.withdrawn.is_dir():
            withdraw_files(places, reason=reason, now_ms=now_ms)
        catalogue.set_dataset_status(dataset_id, DatasetStatus.WITHDRAWN, reason)
    return withdrawal.datasets


def _marks(withdrawal: Withdrawal, reason: str, now_ms: int) -> list[WithdrawalEntry]:
    start_ms, end_ms = withdrawal.span or (None, None)
    root = withdrawal.root
    return [
        WithdrawalEntry(
            kind=str(node.kind),
            id=node.id,
            stream=withdrawal.stream,
            because_kind=str(root.kind),
            because_id=root.id,
            reason=reason,
            start_ms=start_ms if node == root else None,
            end_ms=end_ms if node == root else None,
            withdrawn_ms=now_ms,
        )
        for node in withdrawal.new
    ]


def _planned(
    catalogue: "Catalogue",
    lake: "Lake",
    root: Node,
    stream: str,
    span: Span | None,
    windows: tuple[Node, ...],
    reached: Reached,
    uses: Sequence[LineageEdge],
) -> Withdrawal:
    if not reached.whole:
        raise ConfigError(f"more than {MOST_NODES:,} things came from {root.id}: withdraw shorter windows one by one")
    marked = {Node(entry.kind, entry.id) for entry in catalogue.withdrawals()}
    everything = (root, *reached.nodes)
    champion = catalogue.champion(stream)
    return Withdrawal(
        root=root,
        stream=stream,
        span=span,
        windows=windows,
        came_from_it=reached.nodes,
        known=frozenset(marked & set(everything)),
        datasets=tuple(node.id for node in everything if _is_published(catalogue, lake, stream, node)),
        champion=champion if champion and Node(NodeKind.MODEL, champion) in everything else None,
        edges=(*uses, *reached.edges),
    )


def _is_published(catalogue: "Catalogue", lake: "Lake", stream: str, node: Node) -> bool:
    """Whether readers may still see a dataset, or the catalogue says so."""
    if node.kind != NodeKind.DATASET:
        return False
    entry = catalogue.known_dataset(node.id)
    if entry is not None and entry.status == DatasetStatus.PUBLISHED:
        return True
    return lake.places(stream, node.id).published.is_dir()
