"""What generation writes into the catalogue: requests with what came of them, and datasets."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from detectors.errors import DetectorError
from pipeline.catalogue.entries import DatasetEntry, DatasetStatus, RequestEntry, RequestStatus
from pipeline.catalogue.service_entries import LineageEdge
from pipeline.clock import Clock
from pipeline.errors import EddylineError
from pipeline.lake.synthetic_layout import MANIFEST, DatasetPlaces
from pipeline.lineage.edges import edges_of_generation
from pipeline.lineage.withdrawn import WithdrawnCatalogue
from pipeline.synthesis.generator_store import GeneratorBundle
from pipeline.synthesis.manifest import manifest_hash, read_manifest
from pipeline.synthesis.requests import GenerationRequest


class DatasetCatalogue(WithdrawnCatalogue, Protocol):
    """The part of the catalogue that generation writes to."""

    def add_edges(self, edges: Sequence[LineageEdge]) -> None:
        """Remember what came from what."""

    def begin_request(self, entry: RequestEntry) -> RequestEntry:
        """Write a request down."""

    def end_request(self, request_id: str, status: RequestStatus, *, reason: str, now_ms: int) -> None:
        """Say what came of it."""

    def put_dataset(self, entry: DatasetEntry) -> None:
        """Remember a dataset."""

    def set_dataset_status(self, dataset_id: str, status: DatasetStatus, reason: str) -> None:
        """Say where a dataset stands."""

    def known_dataset(self, dataset_id: str) -> DatasetEntry | None:
        """The dataset of this id, if it is known."""


@contextmanager
def recorded(asked: RequestEntry, catalogue: DatasetCatalogue, clock: Clock) -> Iterator[RequestEntry]:
    """The request as a record that says how it ended, if the process lives to say it."""
    entry = catalogue.begin_request(asked)
    try:
        yield entry
    except (EddylineError, DetectorError) as error:
        catalogue.end_request(entry.request_id, RequestStatus.ERROR, reason=str(error), now_ms=clock.now_ms())
        raise
    except KeyboardInterrupt:
        catalogue.end_request(
            entry.request_id, RequestStatus.INTERRUPTED, reason="interrupted by a person", now_ms=clock.now_ms()
        )
        raise


def entry_of(request: GenerationRequest, bundle: GeneratorBundle, *, parent: str | None, now_ms: int) -> RequestEntry:
    """A request as it is written down before anything is made."""
    return RequestEntry(
        request_id=uuid.uuid4().hex[:16],
        stream=bundle.stream,
        generator_id=bundle.generator_id,
        parent_id=parent,
        dataset_id=request.dataset_id,
        status=RequestStatus.RUNNING.value,
        asked_ms=now_ms,
        ended_ms=None,
        asked=request.document(),
        reason="",
    )


def repaired(
    asked: RequestEntry, places: DatasetPlaces, catalogue: DatasetCatalogue, clock: Clock
) -> tuple[RequestEntry, dict[str, Any]]:
    """The request for a dataset that is published: nothing is made, and what the catalogue missed is entered."""
    manifest = read_manifest(places)
    if catalogue.known_dataset(places.dataset_id) is None:
        enter_dataset(manifest, manifest_hash(places.about / MANIFEST), (), catalogue)
    entry = catalogue.begin_request(asked)
    connect(entry, catalogue, clock)
    reason = "the dataset was published already"
    catalogue.end_request(entry.request_id, RequestStatus.PUBLISHED, reason=reason, now_ms=clock.now_ms())
    return entry, manifest


def connect(entry: RequestEntry, catalogue: DatasetCatalogue, clock: Clock) -> None:
    """Say what a dataset comes from, before anybody can see it."""
    edges = edges_of_generation(
        entry.dataset_id,
        generator_id=entry.generator_id,
        request_id=entry.request_id,
        stream=entry.stream,
        made_ms=clock.now_ms(),
    )
    catalogue.add_edges(edges)


def enter_dataset(manifest: dict[str, Any], digest: str, reasons: tuple[str, ...], catalogue: DatasetCatalogue) -> None:
    """Name a dataset in the catalogue: published, or refused for reasons."""
    status = DatasetStatus.FAILED if reasons else DatasetStatus.PUBLISHED
    catalogue.put_dataset(
        DatasetEntry(
            dataset_id=manifest["dataset"],
            stream=manifest["stream"],
            generator_id=manifest["generator"]["id"],
            status=status.value,
            rows=manifest["rows"],
            size_bytes=sum(part["size_bytes"] for part in manifest["files"]),
            created_ms=manifest["created_ms"],
            manifest_sha256=digest,
            reason="; ".join(reasons),
            verdict={"passed": not reasons, "reasons": list(reasons)},
        )
    )
