"""Make a synthetic dataset: part by part in constant memory, through its gates, then visible by one rename.

Restart: the dataset's name is the hash of its request, so the same request finds the parts that a run before completed,
keeps those that are whole, and makes the others again, the same. Parts, manifest, publishing, catalogue come in that
order; a run that died after publishing is finished by the next one, which finds the dataset there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.catalogue.entries import DatasetStatus, RequestStatus
from pipeline.clock import Clock
from pipeline.errors import ConfigError, EddylineError
from pipeline.jobs.synth_records import DatasetCatalogue, connect, enter_dataset, entry_of, recorded, repaired
from pipeline.lake.lake import Lake
from pipeline.lake.synthetic_layout import DatasetPlaces, part_name
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.withdrawn import refuse_withdrawn, refused, why_withdrawn
from pipeline.synthesis.chunk_maker import ChunkMaker, anomaly_figures
from pipeline.synthesis.comparable import comparable
from pipeline.synthesis.datasets import BeforePublishing, publish, refuse, withdraw, withdrawal
from pipeline.synthesis.gate_sample import gate_sample
from pipeline.synthesis.gates import Evidence, Judge, Judged, judge
from pipeline.synthesis.generator_store import GeneratorBundle
from pipeline.synthesis.manifest import manifest_document, write_manifest
from pipeline.synthesis.parts import PartFolder
from pipeline.synthesis.requests import GenerationRequest
from pipeline.synthesis.split import Halves

Report = Callable[[int, str], None]
"""Rows made so far, and what is being done."""
GATE_ROWS = 20_000
"""A dataset with fewer rows is measured with more of the same request beside its own."""
NO_LICENCE = "https://spdx.org/licenses/LicenseRef-unstated"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateOptions:
    """What does not change a dataset's rows."""

    parent: str | None = None
    """The request that this one goes on from."""
    licence: str = NO_LICENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """What came of a request."""

    places: DatasetPlaces
    request_id: str
    manifest: dict[str, Any]
    judged: Judged
    made: bool
    """False where the dataset was there already."""


def synth_generate(
    request: GenerationRequest,
    *,
    bundle: GeneratorBundle,
    real: Callable[[], Halves],
    lake: Lake,
    catalogue: DatasetCatalogue,
    clock: Clock,
    options: GenerateOptions | None = None,
    judged_by: Judge = judge,
    report: Report = lambda rows, text: None,
    before_publishing: BeforePublishing | None = None,
) -> Generated:
    """One dataset. `real` reads the rows that the generator learned from and those it never saw.

    Raises ConfigError for a request that cannot be met, a dataset that was withdrawn or that another process makes, a
    generator that came from something withdrawn;
    StorageUnavailableError where the lake cannot be written. Nothing is visible then, and the same request goes on.
    """
    options = options or GenerateOptions()
    places = lake.places(bundle.stream, request.dataset_id)
    maker = ChunkMaker(request, bundle)
    folder = PartFolder(places)
    with folder.locked():
        withdrawn = withdrawal(places)
        if withdrawn is not None:
            raise ConfigError(
                f"this request makes dataset {places.dataset_id}, which was withdrawn ({withdrawn['reason']}): ask "
                "with another --seed for other rows"
            )
        generator = Node(NodeKind.GENERATOR, bundle.generator_id)
        asked = entry_of(request, bundle, parent=options.parent, now_ms=clock.now_ms())
        if places.published.is_dir():
            entry, manifest = repaired(asked, places, catalogue, clock)
            _take_back_withdrawn(generator, places, catalogue, clock)
            judged = Judged(passed=True, reasons=(), document=manifest["gates"])
            return Generated(places=places, request_id=entry.request_id, manifest=manifest, judged=judged, made=False)
        refuse_withdrawn(catalogue, generator)
        run = _Run(request, bundle, places, folder, maker, judged_by, report)
        with recorded(asked, catalogue, clock) as entry:
            judged, manifest, digest = run.made(real, options, clock)
            connect(entry, catalogue, clock)
            refuse_withdrawn(catalogue, generator)
            if judged.passed:
                publish(places, before_publishing)
            else:
                refuse(places)
            enter_dataset(manifest, digest, judged.reasons, catalogue)
            _take_back_withdrawn(generator, places, catalogue, clock)
            status = RequestStatus.PUBLISHED if judged.passed else RequestStatus.FAILED
            reason = "; ".join(judged.reasons)
            catalogue.end_request(entry.request_id, status, reason=reason, now_ms=clock.now_ms())
    return Generated(places=places, request_id=entry.request_id, manifest=manifest, judged=judged, made=True)


def _take_back_withdrawn(generator: Node, places: DatasetPlaces, catalogue: DatasetCatalogue, clock: Clock) -> None:
    """Withdraw a dataset whose source was withdrawn in the moment that it became visible, and raise ConfigError."""
    found = why_withdrawn(catalogue, generator)
    if found is None or not (places.published.is_dir() or places.withdrawn.is_dir()):
        return
    withdraw(places, reason=found.reason, now_ms=clock.now_ms())
    catalogue.set_dataset_status(places.dataset_id, DatasetStatus.WITHDRAWN, found.reason)
    raise refused(generator, found)


@dataclass(frozen=True, slots=True)
class _Run:
    """Making one dataset."""

    request: GenerationRequest
    bundle: GeneratorBundle
    places: DatasetPlaces
    folder: PartFolder
    maker: ChunkMaker
    judged_by: Judge
    report: Report

    def made(
        self, real: Callable[[], Halves], options: GenerateOptions, clock: Clock
    ) -> tuple[Judged, dict[str, Any], str]:
        """Parts, verdict, manifest; all but visible. The real rows are read first: without them no gate can pass."""
        self.report(0, "reading the rows learned from")
        halves = real()
        self._parts()
        self.report(self.request.rows, "measuring fidelity and privacy")
        schema = pq.read_schema(self.folder.paths()[0]).with_metadata(None)
        judged = self.judged_by(self._evidence(halves))
        document = manifest_document(
            self.places,
            request=self.request,
            generator=self.bundle.lineage(),
            schema=schema,
            parts=self.folder.parts(),
            gates=judged.document,
            licence=options.licence,
            created_ms=clock.now_ms(),
            anomalies=self._anomalies(schema),
        )
        return judged, document, write_manifest(self.places, document, schema)

    def _parts(self) -> None:
        self.folder.recover()
        try:
            self._missing_parts()
        except EddylineError:
            self.folder.drop_if_empty()
            raise

    def _missing_parts(self) -> None:
        done = 0
        for part in range(self.request.parts):
            if part_name(part) in self.folder.complete:
                done += self.request.rows_of_part(part)
                self.report(done, "making rows")
                continue
            before = done

            def on_rows(rows: int, before: int = before) -> None:
                nonlocal done
                done = min(done + rows, before + self.request.rows_of_part(part))  # noqa: B023 - called in this turn
                self.report(done, "making rows")

            self.folder.add(part, self.maker.part(part), on_rows)
            done = before + self.request.rows_of_part(part)

    def _evidence(self, halves: Halves) -> Evidence:
        request = self.request
        compared = comparable(halves, self.maker.conditions, seed=request.seed)
        own = gate_sample(self.folder.paths(), self.bundle.schema, seed=request.seed)
        if not compared.conditioned:
            for_fidelity = self.maker.beyond(GATE_ROWS, conditioned=False)
        elif own.num_rows < GATE_ROWS:
            more = self.maker.beyond(GATE_ROWS - own.num_rows, conditioned=True)
            for_fidelity = pa.concat_tables([own, more])
        else:
            for_fidelity = own
        return Evidence(
            real=halves,
            compared=compared,
            made=own,
            for_fidelity=for_fidelity,
            label=self.bundle.label,
            conditions=self.maker.conditions,
            seed=request.seed,
        )

    def _anomalies(self, schema: pa.Schema) -> dict[str, Any]:
        if not self.request.anomalies:
            return {}
        columns = ["_anomaly_kind", "_anomaly_family"]
        return anomaly_figures(pq.read_table(path, columns=columns) for path in self.folder.paths())
