"""Train a stream's detector on its archive, calibrate its threshold, save the bundle, put it into service.

A run cut short leaves nothing behind that scorers could pick up: the bundle is saved and named in the catalogue last.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from detectors.auto import Choice
from detectors.base import Detector, FitReport, FloatArray
from detectors.errors import UnusableDataError
from detectors.feedback import RowLabels, fit_with_labels
from detectors.thresholds import Budget, Threshold, calibrate
from pipeline.catalogue.service_entries import DecisionEntry, LineageEdge
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.choice import DetectorMaker
from pipeline.jobs.promise import MS_PER_DAY
from pipeline.jobs.training_data import Archive, Int64s, LeaveOut, TrainingData, empty_features
from pipeline.lifecycle.records import PROMOTED, decision
from pipeline.lineage.edges import edge_from_window
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.windows import WindowRef
from pipeline.model_store import Bundle, ModelStore
from pipeline.state.fitting import FACT, enrichment_fact

Report = Callable[[float, str], None]
"""Fraction done, and what is being done."""
SCORE_ROWS = 65_536


class ModelCatalogue(Protocol):
    """The part of the catalogue that training writes to."""

    def register_stream(self, spec_document: dict[str, Any], name: str) -> None:
        """Remember a stream and its spec."""

    def add_model(self, bundle: Bundle) -> None:
        """Remember a model."""

    def champion(self, stream: str) -> str | None:
        """The model in service."""

    def decide(self, entry: DecisionEntry, *, champion: str | None = None) -> bool:
        """Write a decision down and, where a champion is given, put it into service; False where the one in service is
        no longer the decision's `before_id`."""

    def add_edges(self, edges: Sequence[LineageEdge]) -> None:
        """Remember what came from what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """What a person may ask of one training run. Times are half-open: start ≤ time < end."""

    start_ms: int | None = None
    end_ms: int | None = None
    detector: str | None = None
    """The spec's where None."""
    seed: int | None = None
    """The spec's where None."""
    promote: bool = True
    device: str = "cpu"
    by: str = "a person"
    """Who asks for it; kept in the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training run came to."""

    bundle: Bundle
    report: FitReport
    fit_rows: int
    """Rows fitted on: a sample where there are more than `detector.max_rows`."""
    fit_part_rows: int
    """Rows it was drawn from."""
    start_ms: int
    end_ms: int
    held_out_nats: float
    """Mean score of the calibration rows."""
    empty_features: tuple[str, ...]
    replaced: str | None
    """The champion before, where this model took over."""
    promoted: bool
    choice: Choice | None
    """Why this detector, where `auto` was asked for."""
    events_per_day: float


def train(
    spec: StreamSpec,
    *,
    lake: Archive,
    store: ModelStore,
    catalogue: ModelCatalogue,
    clock: Clock,
    options: TrainOptions,
    leave_out: LeaveOut | None = None,
    source: WindowRef | None = None,
    report: Report = lambda fraction, text: None,
) -> Trained:
    """One training run by hand: nothing is compared. `source` goes into the lineage.

    Raises ConfigError where the archive cannot be learned from.
    """
    report(0.0, "reading the archive")
    seed = spec.detector.seed if options.seed is None else options.seed
    data = TrainingData(spec, lake, start_ms=options.start_ms, end_ms=options.end_ms, seed=seed, leave_out=leave_out)
    maker = DetectorMaker(spec, named=options.detector, seed=seed, device=options.device)
    fitted = _fit(maker, data, spec.stream, lambda fraction, text: report(0.05 + 0.8 * fraction, text))
    detector = fitted.detector
    report(0.85, "scoring held-out rows")
    held_out = score_held_out(detector, data)
    report(0.95, "calibrating the threshold")
    threshold = calibrated(spec, held_out)
    bundle = store.save(
        stream=spec.stream,
        detector=detector,
        threshold=threshold,
        schema=data.schema,
        created_ms=clock.now_ms(),
        facts=training_facts(spec, data, fitted, held_out, seed) | ({} if leave_out is None else leave_out.facts()),
        profile=data.profile,
    )
    replaced, promoted = _enter(spec, bundle, catalogue, clock, options, source)
    report(1.0, "done")
    span_ms = max(data.split.end_ms - data.split.start_ms, 1)
    return Trained(
        bundle=bundle,
        report=fitted.report,
        fit_rows=fitted.rows,
        fit_part_rows=data.fit_part_rows,
        start_ms=data.split.start_ms,
        end_ms=data.split.end_ms,
        held_out_nats=float(np.mean(held_out.scores)),
        empty_features=fitted.empty_features,
        replaced=replaced,
        promoted=promoted,
        choice=fitted.choice,
        events_per_day=data.split.rows / span_ms * MS_PER_DAY,
    )


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is left of a fit once its rows are let go of."""

    detector: Detector
    choice: Choice | None
    report: FitReport
    rows: int
    empty_features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeldOutScores:
    """What calibration needs of N held-out rows, in no order."""

    scores: FloatArray
    times_ms: Int64s
    groups: Int64s


def score_held_out(detector: Detector, data: TrainingData) -> HeldOutScores:
    """Scores, times and groups of the calibration part; its rows are let go of batch by batch."""
    scores, times, groups = [], [], []
    for rows in data.held_out():
        scores.append(detector.score(rows.batch))
        times.append(rows.times_ms)
        groups.append(rows.groups)
    return HeldOutScores(np.concatenate(scores), np.concatenate(times), np.concatenate(groups))


def score_table(detector: Detector, table: pa.Table) -> FloatArray:
    """Scores of a whole table, batch by batch, shape (rows,)."""
    parts = [detector.score(batch) for batch in table.combine_chunks().to_batches(max_chunksize=SCORE_ROWS)]
    return np.concatenate(parts) if parts else np.zeros(0)


def calibrated(spec: StreamSpec, held_out: HeldOutScores) -> Threshold:
    """The threshold that keeps the stream's budget on the calibration part, counted as alerts are grouped."""
    budget = Budget(
        alerts_per_day=spec.budget.alerts_per_day,
        share_of_events=spec.budget.share_of_events,
        counted=spec.budget.counted,
    )
    try:
        return calibrate(
            held_out.scores,
            budget=budget,
            times_ms=held_out.times_ms,
            groups=held_out.groups,
            gap_seconds=spec.alerts.group_gap_seconds,
        )
    except UnusableDataError as error:
        raise ConfigError(f"no threshold can be calibrated: {error}") from error


def _fit(maker: DetectorMaker, data: TrainingData, stream: str, report: Report) -> Fitted:
    """Fit on the sample, which is let go of with this function's return."""
    table = data.fit_sample()
    return fit_table(maker, table, data.labels, stream=stream, report=report)


def fit_table(
    maker: DetectorMaker, table: pa.Table, labels: RowLabels | None, *, stream: str, report: Report
) -> Fitted:
    """Choose a detector where that was asked for, and fit it. Raises ConfigError where nothing can be learned."""
    empty = empty_features(table, stream)
    try:
        made, choice = maker.make(table, report)
        detector, fit_report = fit_with_labels(made, table, labels, progress=report)
        return Fitted(detector, choice, fit_report, table.num_rows, empty)
    except UnusableDataError as error:
        raise ConfigError(f"the archive cannot be learned from: {error}") from error


def training_facts(
    spec: StreamSpec, data: TrainingData, fitted: Fitted, held_out: HeldOutScores, seed: int
) -> dict[str, Any]:
    """What a bundle says of its training."""
    return {
        "fit": asdict(fitted.report),
        "fit_rows": fitted.rows,
        "fit_part_rows": data.fit_part_rows,
        "calibration_rows": len(held_out.scores),
        "start_ms": data.split.start_ms,
        "end_ms": data.split.end_ms,
        "held_out_nats": float(np.mean(held_out.scores)),
        "empty_features": list(fitted.empty_features),
        "seed": seed,
        "budget": spec.budget.model_dump(mode="json"),
        "group_gap_seconds": spec.alerts.group_gap_seconds,
        FACT: enrichment_fact(spec),
        **({"choice": fitted.choice.document()} if fitted.choice is not None else {}),
    }


def _enter(
    spec: StreamSpec,
    bundle: Bundle,
    catalogue: ModelCatalogue,
    clock: Clock,
    options: TrainOptions,
    source: WindowRef | None,
) -> tuple[str | None, bool]:
    """Name the model in the catalogue; returns the champion it replaced, and whether it is in service."""
    stream, now_ms = spec.stream, clock.now_ms()
    catalogue.register_stream(spec.model_dump(mode="json"), stream)
    catalogue.add_model(bundle)
    if source is not None:
        catalogue.add_edges(
            [edge_from_window(source, Node(NodeKind.MODEL, bundle.model_id), stream=stream, made_ms=now_ms)]
        )
    if not options.promote:
        return None, False
    while True:  # a person's word holds against whatever was put into service in the meantime
        before = catalogue.champion(stream)
        entry = decision(
            stream=stream,
            kind=PROMOTED,
            model_id=bundle.model_id,
            before_id=before,
            by=options.by,
            reason="trained by hand, compared with nothing",
            decided_ms=now_ms,
        )
        if catalogue.decide(entry, champion=bundle.model_id):
            return (before if before != bundle.model_id else None), True
