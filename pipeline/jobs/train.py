"""Train a stream's detector on its archive, calibrate its threshold, save the bundle, put it into service.

A run cut short leaves nothing behind that scorers could pick up: the bundle is saved and named in the catalogue last.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from detectors.base import Detector, FitReport, FloatArray
from detectors.errors import UnusableDataError
from detectors.registry import detector_class
from detectors.thresholds import Budget, Threshold, calibrate
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.promise import MS_PER_DAY
from pipeline.jobs.training_data import TrainingData, newest_rows, split, training_columns
from pipeline.model_store import Bundle, ModelStore

Report = Callable[[float, str], None]
"""Fraction done, and what is being done."""
SCORE_ROWS = 65_536


class Archive(Protocol):
    """The part of the lake that training reads."""

    def files(self, stream: str) -> Sequence[object]:
        """A stream's archive files."""

    def iterate_real(
        self, stream: str, *, start_ms: int | None, end_ms: int | None, columns: Sequence[str] | None
    ) -> Iterator[pa.RecordBatch]:
        """Archived rows in order of time."""


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
    start_ms: int
    end_ms: int
    held_out_nats: float
    """Mean score of the calibration rows."""
    empty_features: tuple[str, ...]
    replaced: str | None
    """The champion before, where this model took over."""
    promoted: bool
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
    data = read_training_data(spec, lake, options)
    detector = _detector(spec, options)
    fitted = _fit(detector, data, lambda fraction, text: report(0.05 + 0.8 * fraction, text))
    report(0.85, f"scoring {data.calibration.num_rows:,} held-out rows")
    scores = score_table(detector, data.calibration)
    report(0.95, "calibrating the threshold")
    threshold = calibrated(spec, data, scores)
    held_out_nats = float(np.mean(scores))
    bundle = store.save(
        stream=spec.stream,
        detector=detector,
        threshold=threshold,
        schema=spec.schema(),
        created_ms=clock.now_ms(),
        facts=_facts(spec, data, fitted, held_out_nats, options),
    )
    replaced = _enter(spec, bundle, catalogue, clock, promote=options.promote)
    report(1.0, "done")
    return Trained(
        bundle=bundle,
        report=fitted,
        fit_rows=data.fit.num_rows,
        start_ms=data.start_ms,
        end_ms=data.end_ms,
        held_out_nats=held_out_nats,
        empty_features=data.empty_features,
        replaced=replaced,
        promoted=options.promote,
        events_per_day=data.rows / max(data.end_ms - data.start_ms, 1) * MS_PER_DAY,
    )


def read_training_data(spec: StreamSpec, lake: Archive, options: TrainOptions) -> TrainingData:
    """The newest rows of the window, at most `spec.detector.max_rows`, in two parts. Raises ConfigError."""
    if not lake.files(spec.stream):
        return split(None, spec)
    batches = lake.iterate_real(
        spec.stream, start_ms=options.start_ms, end_ms=options.end_ms, columns=training_columns(spec)
    )
    return split(newest_rows(batches, spec.detector.max_rows), spec)


def score_table(detector: Detector, table: pa.Table) -> FloatArray:
    """Scores of a whole table, batch by batch, shape (rows,)."""
    parts = [detector.score(batch) for batch in table.combine_chunks().to_batches(max_chunksize=SCORE_ROWS)]
    return np.concatenate(parts) if parts else np.zeros(0)


def calibrated(spec: StreamSpec, data: TrainingData, scores: FloatArray) -> Threshold:
    """The threshold that keeps the stream's budget on the calibration part, counted as alerts are grouped."""
    budget = Budget(
        alerts_per_day=spec.budget.alerts_per_day,
        share_of_events=spec.budget.share_of_events,
        counted=spec.budget.counted,
    )
    try:
        return calibrate(
            scores,
            budget=budget,
            times_ms=data.calibration_times_ms,
            groups=data.calibration_groups,
            gap_seconds=spec.alerts.group_gap_seconds,
        )
    except UnusableDataError as error:
        raise ConfigError(f"no threshold can be calibrated: {error}") from error


def _detector(spec: StreamSpec, options: TrainOptions) -> Detector:
    try:
        make: Callable[..., Detector] = detector_class(options.detector or spec.detector.name)
    except KeyError as error:
        raise ConfigError(str(error.args[0])) from None
    seed = spec.detector.seed if options.seed is None else options.seed
    return make(seed=seed, time_budget_seconds=spec.detector.time_budget_seconds, device=options.device)


def _fit(detector: Detector, data: TrainingData, report: Report) -> FitReport:
    try:
        return detector.fit(data.fit, progress=report)
    except UnusableDataError as error:
        raise ConfigError(f"the archive cannot be learned from: {error}") from error


def _facts(
    spec: StreamSpec, data: TrainingData, fitted: FitReport, held_out_nats: float, options: TrainOptions
) -> dict[str, Any]:
    return {
        "fit": asdict(fitted),
        "fit_rows": data.fit.num_rows,
        "calibration_rows": data.calibration.num_rows,
        "start_ms": data.start_ms,
        "end_ms": data.end_ms,
        "held_out_nats": held_out_nats,
        "empty_features": list(data.empty_features),
        "seed": spec.detector.seed if options.seed is None else options.seed,
        "budget": spec.budget.model_dump(mode="json"),
        "group_gap_seconds": spec.alerts.group_gap_seconds,
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
