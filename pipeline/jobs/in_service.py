"""What of a stream must not be deleted: what is in service, what was before it, and what those came from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.catalogue.entries import ChampionEntry, GeneratorEntry, ModelEntry, WorkerBeat
from pipeline.catalogue.service_entries import LineageEdge
from pipeline.lineage.graph import ancestors
from pipeline.lineage.nodes import Node, NodeKind

CHAMPIONS = 2
"""In service, and to go back to."""
Span = tuple[int, int]
"""Start and end in milliseconds since the epoch: start ≤ time < end."""


class ServiceCatalogue(Protocol):
    """The part of the catalogue that knows what is in service."""

    def champions(self, stream: str) -> list[ChampionEntry]:
        """Every promotion, newest first."""

    def models(self, stream: str) -> list[ModelEntry]:
        """A stream's models, newest first."""

    def generators(self, stream: str | None = None) -> list[GeneratorEntry]:
        """A stream's generators, newest first."""

    def workers(self) -> list[WorkerBeat]:
        """The last word of every worker."""

    def parents(self, kind: str, id: str) -> list[LineageEdge]:
        """The edges that lead to a node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InService:
    """What must stay."""

    models: frozenset[str]
    generators: frozenset[str]
    windows: tuple[Span, ...]
    """Of the archive, that any of these came from."""

    def came_from(self, start_ms: int, end_ms: int) -> bool:
        """Whether something in service came from rows of these times."""
        return any(start < end_ms and start_ms < end for start, end in self.windows)


def in_service(catalogue: ServiceCatalogue, stream: str) -> InService:
    """The champion and the one before it, what workers have loaded, the newest generator of each model; and all that
    these came from. Raises CatalogueUnavailableError."""
    promoted = list(dict.fromkeys(entry.model_id for entry in catalogue.champions(stream)))[:CHAMPIONS]
    known = {entry.model_id for entry in catalogue.models(stream)}
    loaded = [str(beat.state.get("model_id") or "") for beat in catalogue.workers() if beat.stream == stream]
    models = [*promoted, *(model for model in loaded if model in known)]
    generators = _newest(catalogue.generators(stream))
    start = [Node(NodeKind.MODEL, model) for model in models]
    start += [Node(NodeKind.GENERATOR, generator) for generator in generators]
    reached = ancestors(start, lambda node: catalogue.parents(str(node.kind), node.id))
    return InService(
        models=frozenset(node.id for node in reached.nodes if node.kind == NodeKind.MODEL),
        generators=frozenset(node.id for node in reached.nodes if node.kind == NodeKind.GENERATOR),
        windows=tuple(_spans(reached.edges, stream)),
    )


def _newest(generators: Sequence[GeneratorEntry]) -> list[str]:
    newest: dict[str, str] = {}
    for entry in generators:
        newest.setdefault(entry.model, entry.generator_id)
    return list(newest.values())


def _spans(edges: Iterable[LineageEdge], stream: str) -> Iterable[Span]:
    for edge in edges:
        facts = edge.facts
        is_window = edge.parent_kind == NodeKind.WINDOW and facts.get("stream", stream) == stream
        if is_window and isinstance(facts.get("start_ms"), int) and isinstance(facts.get("end_ms"), int):
            yield facts["start_ms"], facts["end_ms"]
