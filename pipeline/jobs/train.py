"""Train a stream's detector on its archive, calibrate its threshold, save the bundle, put it into service.

A run cut short leaves nothing behind that scorers could pick up: the bundle is saved and named in the catalogue last.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from detectors.auto import Choice
from detectors.base import Detector, FitReport, FloatArray
from detectors.errors import UnusableDataError
from detectors.thresholds import Budget, Threshold, calibrate
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.choice import DetectorMaker
from pipeline.jobs.promise import MS_PER_DAY
from pipeline.jobs.training_data import Archive, Int64s, TrainingData, empty_features
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

    def set_champion(self, stream: str, model_id: str, reason: str, now_ms: int) -> None:
        """Put a model into service."""


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
    report: Report = lambda fraction, text: None,
) -> Trained:
    """One training run. Raises ConfigError where the archive cannot be learned from."""
    report(0.0, "reading the archive")
    seed = spec.detector.seed if options.seed is None else options.seed
    data = TrainingData(spec, lake, start_ms=options.start_ms, end_ms=options.end_ms, seed=seed)
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
        facts=_facts(spec, data, fitted, held_out, seed),
    )
    replaced = _enter(spec, bundle, catalogue, clock, promote=options.promote)
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
        promoted=options.promote,
        choice=fitted.choice,
        events_per_day=data.split.rows / span_ms * MS_PER_DAY,
    )


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What is left of the fit once its rows are let go of."""

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


def _fit(maker: DetectorMaker, data: TrainingData, stream: str, report: Report) -> _Fitted:
    """Choose where that was asked for, and fit on the sample, which is let go of with this function's return."""
    table = data.fit_sample()
    empty = empty_features(table, stream)
    try:
        detector, choice = maker.make(table, report)
        return _Fitted(detector, choice, detector.fit(table, progress=report), table.num_rows, empty)
    except UnusableDataError as error:
        raise ConfigError(f"the archive cannot be learned from: {error}") from error


def _facts(spec: StreamSpec, data: TrainingData, fitted: _Fitted, held_out: HeldOutScores, seed: int) -> dict[str, Any]:
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


def _enter(spec: StreamSpec, bundle: Bundle, catalogue: ModelCatalogue, clock: Clock, *, promote: bool) -> str | None:
    """Name the model in the catalogue; returns the champion it replaced."""
    catalogue.register_stream(spec.model_dump(mode="json"), spec.stream)
    catalogue.add_model(bundle)
    if not promote:
        return None
    before = catalogue.champion(spec.stream)
    catalogue.set_champion(spec.stream, bundle.model_id, "trained", clock.now_ms())
    return before if before != bundle.model_id else None
