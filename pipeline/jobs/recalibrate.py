"""Recalibrate a stream's threshold on its newest archived events: the same weights, a new threshold, a new bundle.

Workers never adapt by themselves: this writes a bundle and names it champion, and they swap to it as to any other. The
rule by which drift is told from an attack is `detectors.recalibration`'s. The moments at which thresholds changed go
along in the bundle's facts, so that the next run knows which threshold each event met. A run cut short leaves nothing
behind that scorers could pick up.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from detectors.base import FloatArray
from detectors.errors import UnusableDataError
from detectors.recalibration import AdaptationRule, Outcome, Recalibrated, recalibrate
from detectors.thresholds import Threshold
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.enriched_rows import enriched_rows
from pipeline.jobs.train import HeldOutScores, ModelCatalogue
from pipeline.jobs.training_data import Archive, Int64s, groups_of, training_columns
from pipeline.lifecycle.records import PROMOTED, decision
from pipeline.lineage.edges import edge
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.model_store import Bundle, ModelStore
from pipeline.state.fitting import check_fits
from pipeline.state.recipe import recipe_of

MOST_CHANGES = 400
"""Changes of the threshold that a bundle remembers."""
LEAST_WINDOW_SECONDS = 86_400.0
FACT = "recalibrations"
"""The bundle's fact: a list of [event time in ms from which a threshold held, its nats], oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalibrateOptions:
    """What a person may ask of one run. Times are half-open; where `start_ms` is None, the window is as long as the
    threshold's first calibration, a day at least."""

    start_ms: int | None = None
    end_ms: int | None = None
    rule: AdaptationRule = field(default_factory=AdaptationRule)
    promote: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalibrationDone:
    """What a run came to."""

    before: Bundle
    after: Bundle
    """The same where nothing could be said yet."""
    result: Recalibrated
    rows: int
    start_ms: int
    end_ms: int
    """Of the newest event."""
    promoted: bool


def recalibrate_stream(
    spec: StreamSpec,
    *,
    lake: Archive,
    store: ModelStore,
    catalogue: ModelCatalogue,
    clock: Clock,
    options: RecalibrateOptions,
    by: str = "service",
    run_id: str | None = None,
) -> RecalibrationDone:
    """One run, asked for by `by`. Raises ConfigError where no model is in service or nothing is archived, ModelError
    where the model was trained under other enrichments."""
    champion = catalogue.champion(spec.stream)
    if champion is None:
        raise ConfigError(f"stream {spec.stream!r} has no model in service: run `eddyline train {spec.stream}` first")
    bundle = store.load(champion)
    check_fits(bundle, spec)
    start_ms, newest_ms = _window(spec, lake, bundle, options)
    rows = _scored(spec, lake, bundle, start_ms=start_ms, end_ms=options.end_ms)
    changes = changes_of(bundle)
    result = _recalibrated(spec, bundle, rows, changes, newest_ms, options.rule)
    after, promoted = bundle, False
    if result.outcome is not Outcome.TOO_EARLY:
        after = _save(spec, bundle, result.threshold, store, clock, [*changes, (newest_ms + 1, result.threshold.nats)])
        catalogue.add_model(after)
        promoted = options.promote
        if promoted:
            promoted = _promote(spec, bundle, after, result, catalogue, clock, by=by, run_id=run_id)
    return RecalibrationDone(
        before=bundle,
        after=after,
        result=result,
        rows=len(rows.scores),
        start_ms=start_ms,
        end_ms=newest_ms,
        promoted=promoted,
    )


def changes_of(bundle: Bundle) -> list[tuple[int, float]]:
    """From which event time on which threshold held, oldest first; a trained model's held from its newest row on."""
    noted = bundle.facts.get(FACT)
    if noted:
        return [(int(since_ms), float(nats)) for since_ms, nats in noted]
    return [(int(bundle.facts.get("end_ms", 0)) + 1, bundle.threshold.nats)]


def served_nats(changes: list[tuple[int, float]], times_ms: Int64s) -> FloatArray:
    """The threshold that was in service at each moment, (N,); before the first change, the first."""
    since, nats = np.array([at for at, _ in changes]), np.array([value for _, value in changes])
    return np.asarray(nats[np.maximum(np.searchsorted(since, times_ms, side="right") - 1, 0)], dtype=np.float64)


def _window(spec: StreamSpec, lake: Archive, bundle: Bundle, options: RecalibrateOptions) -> tuple[int, int]:
    """Where the window begins, and the time of its newest event."""
    newest = None
    if lake.files(spec.stream):
        found = lake.iterate_in_order(
            spec.stream, start_ms=options.start_ms, end_ms=options.end_ms, columns=["_time"], history=False
        )
        newest = max((int(rows.times_ms.max()) for rows in found if len(rows.times_ms)), default=None)
    if newest is None:
        raise ConfigError(
            f"nothing of stream {spec.stream!r} is archived in that window: keep `eddyline archive {spec.stream}` "
            "running, or widen --from and --to"
        )
    if options.start_ms is not None:
        return options.start_ms, newest
    seconds = float(bundle.facts.get("window_seconds") or bundle.threshold.calibration_seconds or 0.0)
    return newest - round(max(seconds, LEAST_WINDOW_SECONDS) * 1000), newest


def _scored(spec: StreamSpec, lake: Archive, bundle: Bundle, *, start_ms: int, end_ms: int | None) -> HeldOutScores:
    """The champion's scores of the window, with times and groups; rows are let go of batch by batch."""
    recipe = recipe_of(spec)
    scores, times, groups = list[FloatArray](), list[Int64s](), list[Int64s]()
    columns = training_columns(spec, recipe)
    for rows in enriched_rows(spec, recipe, lake, columns=columns, start_ms=start_ms, end_ms=end_ms):
        scores.append(bundle.detector.score(rows.batch))
        times.append(rows.times_ms)
        groups.append(groups_of(rows.batch, rows.partition, spec))
    return HeldOutScores(np.concatenate(scores), np.concatenate(times), np.concatenate(groups))


def _recalibrated(
    spec: StreamSpec,
    bundle: Bundle,
    rows: HeldOutScores,
    changes: list[tuple[int, float]],
    newest_ms: int,
    rule: AdaptationRule,
) -> Recalibrated:
    """Held against the budget that the spec states now."""
    budget = spec.budget
    threshold = replace(bundle.threshold, promised_per_day=budget.alerts_per_day, promised_share=budget.share_of_events)
    try:
        return recalibrate(
            threshold,
            rows.scores,
            times_ms=rows.times_ms,
            groups=rows.groups,
            gap_seconds=spec.alerts.group_gap_seconds,
            seconds_since=(newest_ms - changes[-1][0]) / 1000.0,
            served_nats=served_nats(changes, rows.times_ms),
            rule=rule,
        )
    except UnusableDataError as error:
        raise ConfigError(f"no threshold can be calibrated: {error}") from error


def _promote(
    spec: StreamSpec,
    before: Bundle,
    after: Bundle,
    result: Recalibrated,
    catalogue: ModelCatalogue,
    clock: Clock,
    *,
    by: str,
    run_id: str | None,
) -> bool:
    """Whether it took over: not where another model was put into service meanwhile."""
    now_ms, stream = clock.now_ms(), spec.stream
    parent, child = Node(NodeKind.MODEL, before.model_id), Node(NodeKind.MODEL, after.model_id)
    catalogue.add_edges([edge(parent, child, stream=stream, made_ms=now_ms)])
    entry = decision(
        stream=stream,
        kind=PROMOTED,
        model_id=after.model_id,
        before_id=before.model_id,
        run_id=run_id,
        by=by,
        reason="recalibrated",
        figures={
            "outcome": result.outcome.value,
            "raised_alerts": result.raised_alerts,
            "allowed_alerts": result.allowed_alerts,
            "nats_before": before.threshold.nats,
            "nats": after.threshold.nats,
        },
        decided_ms=now_ms,
    )
    return catalogue.decide(entry, champion=after.model_id)


def _save(
    spec: StreamSpec,
    bundle: Bundle,
    threshold: Threshold,
    store: ModelStore,
    clock: Clock,
    changes: list[tuple[int, float]],
) -> Bundle:
    facts = {
        **bundle.facts,
        FACT: [list(change) for change in changes[-MOST_CHANGES:]],
        "recalibrated_from": bundle.model_id,
        "window_seconds": bundle.facts.get("window_seconds", bundle.threshold.calibration_seconds),
        "budget": spec.budget.model_dump(mode="json"),
        "group_gap_seconds": spec.alerts.group_gap_seconds,
    }
    return store.save(
        stream=spec.stream,
        detector=bundle.detector,
        threshold=threshold,
        schema=bundle.schema,
        created_ms=clock.now_ms(),
        facts=facts,
        profile=bundle.profile,
    )
