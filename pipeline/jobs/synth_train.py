"""Train a generator on a stream's archive or a file, measure it on rows it never saw, keep it with its lineage.

Restart: the same request over the same rows has the same checkpoint, so a run that was killed goes on where it last
put one down; a run that ended leaves none behind. The bundle is saved first and named in the catalogue last.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from detectors.errors import UnusableDataError
from pipeline.bundles import ID_LENGTH, canonical
from pipeline.catalogue.entries import GeneratorEntry
from pipeline.catalogue.service_entries import LineageEdge
from pipeline.clock import Clock
from pipeline.errors import ConfigError
from pipeline.lineage.edges import edges_of_training
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.windows import WindowRef, window_of
from pipeline.lineage.withdrawn import WithdrawnCatalogue, refused, window_withdrawn
from pipeline.synthesis.datasets import BeforePublishing
from pipeline.synthesis.generator_store import GeneratorBundle, GeneratorStore
from pipeline.synthesis.manifest import library_versions
from pipeline.synthesis.models import new_generator
from pipeline.synthesis.quality import HeldOutQuality, held_out_quality
from pipeline.synthesis.source import SourceRows
from pipeline.synthesis.split import Halves, halves

if TYPE_CHECKING:
    from synth.base import FitReport

Report = Callable[[float, str], None]
"""Fraction done, and what is being done."""


class GeneratorCatalogue(WithdrawnCatalogue, Protocol):
    """The part of the catalogue that training writes to."""

    def add_edges(self, edges: Sequence[LineageEdge]) -> None:
        """Remember what came from what."""

    def add_generator(self, entry: GeneratorEntry) -> None:
        """Remember a generator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthTrainOptions:
    """What a person may ask of one training; with the source's rows, all that its result depends on."""

    model: str = "autoregressive"
    seed: int = 0
    budget_seconds: float = 300.0
    device: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthTrained:
    """What a training came to."""

    bundle: GeneratorBundle
    report: "FitReport"
    quality: HeldOutQuality | None
    train_rows: int
    held_out_rows: int


def synth_train(
    source: SourceRows,
    *,
    stream: str,
    options: SynthTrainOptions,
    store: GeneratorStore,
    catalogue: GeneratorCatalogue,
    clock: Clock,
    report: Report = lambda fraction, text: None,
    before_publishing: BeforePublishing | None = None,
) -> SynthTrained:
    """One training; `before_publishing` is called before the generator is named in the catalogue.

    Raises ConfigError for an unknown model, for rows that cannot be learned from, and for rows that were withdrawn,
    before the training or while it ran.
    """
    window = window_of(source.document["lineage"])
    _refuse_withdrawn(window, catalogue)
    generator = new_generator(
        options.model,
        source.table.schema,
        seed=options.seed,
        budget_seconds=options.budget_seconds,
        device=options.device,
    )
    parts = halves(source.table, seed=options.seed)
    key = checkpoint_key(source, options, generator.version)
    checkpoint = store.checkpoint(key)
    try:
        fitted = generator.fit(parts.train, label=source.label, progress=report, checkpoint=checkpoint)
    except UnusableDataError as error:
        raise ConfigError(f"{stream} cannot be learned from: {error}") from error
    report(1.0, "measuring on rows held back")
    quality = held_out_quality(generator, parts.held_out, seed=options.seed)
    bundle = store.save(
        stream=stream,
        generator=generator,
        label=source.label,
        source=source.document,
        created_ms=clock.now_ms(),
        facts=_facts(options, fitted, parts, quality),
    )
    if before_publishing is not None:
        before_publishing()
    _refuse_withdrawn(window, catalogue)
    node = Node(NodeKind.GENERATOR, bundle.generator_id)
    catalogue.add_edges(edges_of_training([window], node, stream=stream, made_ms=bundle.created_ms))
    catalogue.add_generator(
        GeneratorEntry(
            generator_id=bundle.generator_id,
            stream=stream,
            model=options.model,
            created_ms=bundle.created_ms,
            source=source.document,
            facts=bundle.facts,
        )
    )
    checkpoint.clear()
    return SynthTrained(
        bundle=bundle,
        report=fitted,
        quality=quality,
        train_rows=parts.train.num_rows,
        held_out_rows=parts.held_out.num_rows,
    )


def _refuse_withdrawn(window: WindowRef, catalogue: GeneratorCatalogue) -> None:
    found = window_withdrawn(catalogue, window)
    if found is not None:
        raise refused(Node(NodeKind.WINDOW, window.id), found)


def checkpoint_key(source: SourceRows, options: SynthTrainOptions, version: int) -> str:
    """Names the checkpoint of one training: what its result depends on, hashed."""
    asked = {
        "source": source.document["fingerprint"],
        "label": source.label,
        "options": asdict(options),
        "version": version,
    }
    return hashlib.sha256(canonical(asked)).hexdigest()[:ID_LENGTH]


def _facts(
    options: SynthTrainOptions, fitted: "FitReport", parts: Halves, quality: HeldOutQuality | None
) -> dict[str, Any]:
    return {
        "model": options.model,
        "options": asdict(options),
        "fit": known(asdict(fitted)),
        "quality": quality.document() if quality is not None else None,
        "train_rows": parts.train.num_rows,
        "held_out_rows": parts.held_out.num_rows,
        "split_seed": options.seed,
        "libraries": library_versions(),
    }


def known(document: Any) -> Any:
    """The document with null where a number is not known: JSON has no other way to say so."""
    if isinstance(document, dict):
        return {name: known(value) for name, value in document.items()}
    if isinstance(document, list | tuple):
        return [known(value) for value in document]
    return None if isinstance(document, float) and not math.isfinite(document) else document
