"""Evaluation: how well detectors find what labels name, or, without labels, what was injected into real rows.

The newest rows are scored; detectors that are named are fitted on the older ones, a model in service is taken as it
is. No label reaches a detector. With injected anomalies every family gets rows of its own, and rows left alone count
as normal, whatever they are: a stream full of anomalies makes every figure look worse than it is.

Shape legend: N rows scored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np

from detectors.base import Detector, FloatArray
from detectors.errors import UnusableDataError
from detectors.evaluation import (
    Delays,
    FamilyFigures,
    Interval,
    Ranked,
    ThresholdFigures,
    at_threshold,
    bootstrap,
    budget_threshold,
    detection_delays,
    family_figures,
    label_events,
    timed_scores,
)
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.choice import DetectorMaker
from pipeline.jobs.evaluation_rows import EvaluationRows
from pipeline.jobs.evaluation_stage import EvaluateOptions, Stage, make_stage
from pipeline.jobs.score_summary import Int64s, Mask
from pipeline.model_store import Bundle
from pipeline.state.fitting import check_fits

Report = Callable[[float, str], None]
LEAST_ROWS = 200
LEAST_KEYS = 20
"""With fewer keys, stretches of rows are drawn in place of keys."""
STRETCHES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFigures:
    """Against the labels; intervals are at 95 %."""

    auroc: Interval
    average_precision: Interval
    at_budget: ThresholdFigures
    """Of as many rows as the budget allows alerts."""
    delays: Delays
    """Of labelled events, at the same budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorResult:
    """What one detector came to."""

    name: str
    model_id: str | None
    """None for a detector that was fitted here."""
    why: str
    """The reason of a choice by `auto`; else empty."""
    fit_seconds: float | None
    rows_per_second: float
    labelled: LabelledFigures | None
    families: tuple[FamilyFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """One evaluation."""

    source: str
    rows_learned: int
    rows_scored: int
    added_rows: int
    start_ms: int
    end_ms: int
    """Of the rows scored."""
    has_clock: bool
    labelled_rows: int
    flagged_at_budget: int
    """Rows that a budget of alerts allows to be flagged, were each an alert."""
    injected: bool
    results: tuple[DetectorResult, ...]


def evaluate(
    spec: StreamSpec,
    rows: EvaluationRows,
    *,
    source: str,
    options: EvaluateOptions,
    bundle: Bundle | None = None,
    report: Report = lambda fraction, text: None,
) -> Evaluated:
    """Evaluate `bundle`, and the detectors that the options name. Raises ConfigError where there is nothing to go by:
    too few rows, or neither labels nor `inject`."""
    if rows.table.num_rows < LEAST_ROWS:
        raise ConfigError(f"{rows.table.num_rows:,} rows are too few to evaluate on ({LEAST_ROWS} at least): widen it")
    if bundle is not None:
        check_fits(bundle, spec)
    makers = [DetectorMaker(spec, named=n, seed=options.seed, device=options.device) for n in options.detectors]
    cut = round(rows.table.num_rows * (1.0 - options.held_out_share))
    report(0.0, "injecting anomalies" if options.inject else "reading labels")
    stage = make_stage(spec, rows, cut, options)
    results = _results(stage, bundle, makers, report)
    report(1.0, "done")
    return Evaluated(
        source=source,
        rows_learned=cut,
        rows_scored=stage.scored.num_rows,
        added_rows=stage.scored.num_rows - (rows.table.num_rows - cut),
        start_ms=int(stage.times_ms.min()),
        end_ms=int(stage.times_ms.max()),
        has_clock=rows.has_clock,
        labelled_rows=0 if stage.labels is None else int(stage.labels.sum()),
        flagged_at_budget=stage.flagged,
        injected=options.inject,
        results=tuple(results),
    )


def _results(
    stage: Stage, bundle: Bundle | None, makers: Sequence[DetectorMaker], report: Report
) -> list[DetectorResult]:
    results = [] if bundle is None else [_of_model(bundle, stage)]
    for number, maker in enumerate(makers):
        first, width = 0.1 + 0.9 * number / len(makers), 0.9 / len(makers)

        def told(
            fraction: float, text: str, first: float = first, width: float = width, name: str = maker.name
        ) -> None:
            report(first + width * fraction, f"{name}: {text}")

        told(0.0, "fitting")
        results.append(_of_fit(maker, stage, told))
    return results


def _of_model(bundle: Bundle, stage: Stage) -> DetectorResult:
    return _result(bundle.detector, stage, name=bundle.detector.name, model_id=bundle.model_id)


def _of_fit(maker: DetectorMaker, stage: Stage, report: Report) -> DetectorResult:
    detector, choice = maker.make(stage.learned, report)
    began = monotonic()
    try:
        detector.fit(stage.learned, progress=report)
    except UnusableDataError as error:
        raise ConfigError(f"{maker.name} cannot learn from the older rows: {error}") from error
    seconds = monotonic() - began
    name = detector.name if choice is None else f"auto: {detector.name}"
    return _result(detector, stage, name=name, fit_seconds=seconds, why="" if choice is None else choice.reason)


def _result(
    detector: Detector,
    stage: Stage,
    *,
    name: str,
    model_id: str | None = None,
    fit_seconds: float | None = None,
    why: str = "",
) -> DetectorResult:
    scores, seconds = timed_scores(detector, stage.scored)
    families: Sequence[FamilyFigures] = ()
    if stage.injected is not None:
        share = stage.flagged / stage.scored.num_rows
        families = family_figures(scores, stage.injected.truth, budget_share=share)
    return DetectorResult(
        name=name,
        model_id=model_id,
        why=why,
        fit_seconds=fit_seconds,
        rows_per_second=len(scores) / max(seconds, 1e-9),
        labelled=None if stage.labels is None else _labelled(scores, stage.labels, stage),
        families=tuple(families),
    )


def _labelled(scores: FloatArray, labels: Mask, stage: Stage) -> LabelledFigures:
    blocks = _blocks(stage.groups)
    nats = budget_threshold(scores, stage.flagged)
    events = label_events(labels, group_N=stage.groups, times_ms=stage.times_ms, gap_seconds=stage.gap_seconds)
    options = stage.options
    return LabelledFigures(
        auroc=bootstrap(scores, labels, Ranked.auroc, blocks=blocks, draws=options.draws, seed=options.seed),
        average_precision=bootstrap(
            scores, labels, Ranked.average_precision, blocks=blocks, draws=options.draws, seed=options.seed
        ),
        at_budget=at_threshold(scores, labels, nats),
        delays=detection_delays(scores > nats, events, times_ms=stage.times_ms if stage.gap_seconds else None),
    )


def _blocks(groups: Int64s) -> Int64s:
    """Rows that are drawn together: those of a key where there are keys enough, else of one stretch of rows."""
    if len(np.unique(groups)) >= LEAST_KEYS:
        return groups
    return np.arange(len(groups), dtype=np.int64) * STRETCHES // max(len(groups), 1)
