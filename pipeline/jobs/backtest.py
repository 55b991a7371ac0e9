"""Backtest: what a model would have alerted on in a window of the archive, through the scorer's own alert engine.

Rows of a partition come in order of offset, as a live scorer sees them. Columns that rows derive from those before them
are derived by the scorer's own class, warmed by all archived rows before the window. Suppression rules, minimum
deviations and storms apply as they would live. Memory is bounded by the alerts found and one batch of rows.

Shape legend: B rows of a batch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.base import FloatArray
from detectors.columns import Role
from pipeline.alerts.engine import AlertEngine
from pipeline.alerts.masking import Masking
from pipeline.alerts.model import Alert, AlertStatus, Flagged
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.event_files import conform
from pipeline.jobs.enriched_rows import MOST_BATCH_BYTES, row_bytes
from pipeline.jobs.promise import Counted, Promise, promise_of
from pipeline.jobs.score_summary import Int64s, Mask, RankHistogram, Timeline, TimelinePoint, anomalous
from pipeline.jobs.training_data import milliseconds
from pipeline.jobs.truth import LabelFigures, Truth
from pipeline.model_store import Bundle
from pipeline.state.enricher import Enricher
from pipeline.state.fitting import check_fits
from pipeline.state.recipe import Recipe, recipe_of

REASONS_PER_EVENT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtested:
    """What would have happened."""

    stream: str
    model_id: str
    threshold_nats: float
    start_ms: int
    end_ms: int
    """Of the oldest and newest row scored."""
    rows: int
    flagged: int
    opened: int
    """Alerts published for the first time: what the budget counts."""
    suppressed: int
    """Flagged rows that a rule kept quiet."""
    alerts: tuple[Alert, ...]
    """As each stood at the end, in order of their start."""
    promise: Promise | None
    labels: LabelFigures | None
    """None where the stream has no label column or the window no labelled row."""
    timeline: tuple[TimelinePoint, ...]


class Backtest:
    """Scores batches and keeps what the report needs."""

    def __init__(
        self,
        spec: StreamSpec,
        bundle: Bundle,
        *,
        topic_id: str,
        masker: Masking,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> None:
        """Rows outside `start_ms` ≤ time < `end_ms` only move the states that rows derive columns from. Raises
        ModelError where the bundle was trained on rows enriched otherwise than the spec says."""
        check_fits(bundle, spec)
        self._spec, self._bundle = spec, bundle
        self._window = start_ms, end_ms
        self._recipe = recipe_of(spec)
        self._enrichers: dict[tuple[str, int], Enricher] = {}
        self._topic_id, self._masker = topic_id, masker
        self._engines: dict[int, AlertEngine] = {}
        self._watermarks: dict[int, int] = {}
        self._alerts: dict[str, Alert] = {}
        self._label = spec.column_with(Role.LABEL)
        self._shown = [c.name for c in spec.columns if Role.LABEL not in c.roles]
        self._ranks, self._timeline = RankHistogram(), Timeline()
        self._truth = Truth(stream=spec.stream, topic_id=topic_id)
        self._rows = self._flagged = self._opened = self._suppressed = 0
        self._span: tuple[int, int] | None = None

    def take(self, archived: pa.RecordBatch, *, incarnation: str = "") -> None:
        """Score a batch of archived rows (with the system columns): each partition's in order of offset, those of one
        incarnation of the topic before those of the next."""
        if self._recipe is None:
            self._score(*_inside(archived, conform(archived, self._spec), self._window))
            return
        partitions = archived["_partition"].to_numpy()
        for partition in np.unique(partitions):
            rows = archived.filter(pa.array(partitions == partition))
            most = max(1_024, MOST_BATCH_BYTES // row_bytes(self._recipe.schema))
            for start in range(0, rows.num_rows, most):
                part = rows.slice(start, most)
                source = incarnation, int(partition)
                self._score(*_inside(part, self._enriched(part, source, self._recipe), self._window))

    def _enriched(self, archived: pa.RecordBatch, source: tuple[str, int], recipe: Recipe) -> pa.RecordBatch:
        enricher = self._enrichers.get(source)
        if enricher is None:
            enricher = self._enrichers[source] = Enricher(recipe)
        times = milliseconds(pa.chunked_array([archived["_time"]]))
        return enricher.advance(conform(archived, self._spec), times, next_offset=0)

    def _score(self, archived: pa.RecordBatch, batch: pa.RecordBatch) -> None:
        if not archived.num_rows:
            return
        times = milliseconds(pa.chunked_array([archived["_time"]]))
        scores = self._bundle.detector.score(batch)
        flags = np.asarray(self._bundle.threshold.flags(scores), dtype=np.bool_)
        labels = anomalous(batch[self._label]) if self._label is not None else np.zeros(len(scores), np.bool_)
        self._count(times, scores, flags, labels)
        self._decide(archived, batch, times, scores, flags, labels)

    def _count(self, times: Int64s, scores: FloatArray, flags: Mask, labels: Mask) -> None:
        self._rows += len(scores)
        self._flagged += int(flags.sum())
        low, high = int(times.min()), int(times.max())
        self._span = (low, high) if self._span is None else (min(low, self._span[0]), max(high, self._span[1]))
        self._ranks.add(scores, labels)
        self._timeline.add(times, scores)
        self._truth.count(flags, labels)

    def _decide(
        self,
        archived: pa.RecordBatch,
        batch: pa.RecordBatch,
        times: Int64s,
        scores: FloatArray,
        flags: Mask,
        labels: Mask,
    ) -> None:
        partitions = archived["_partition"].to_numpy()
        for partition in np.unique(partitions):
            rows = np.flatnonzero(partitions == partition)
            before = self._watermarks.get(int(partition), int(times[rows[0]]))
            watermarks = np.maximum(np.maximum.accumulate(times[rows]), before)
            self._watermarks[int(partition)] = int(watermarks[-1])
            chosen = flags[rows]
            flagged = self._flagged_rows(archived, batch, rows[chosen], times, watermarks[chosen], scores)
            for row, truth in zip(flagged, labels[rows[chosen]], strict=True):
                self._truth.sighted(
                    partition=int(partition), offset=row.offset, row=row.row, key=row.key, anomalous=bool(truth)
                )
            self._observe(int(partition), flagged)

    def _observe(self, partition: int, flagged: Sequence[Flagged]) -> None:
        engine = self._engines.get(partition)
        if engine is None:
            engine = AlertEngine(self._spec, topic_id=self._topic_id, partition=partition, masker=self._masker)
            self._engines[partition] = engine
        threshold, watermark = self._bundle.threshold, self._watermarks[partition]
        staged = engine.observe(
            flagged,
            watermark_ms=watermark,
            now_ms=watermark,
            model_id=self._bundle.model_id,
            threshold_nats=threshold.nats,
            threshold_probability=float(threshold.tail_probability(np.array([threshold.nats]))[0]),
        )
        engine.commit(staged)
        self._suppressed += staged.suppressed + staged.below_minimum
        for alert in staged.alerts:
            self._opened += alert.status is AlertStatus.OPEN
            self._alerts[alert.id] = alert

    def _flagged_rows(
        self,
        archived: pa.RecordBatch,
        batch: pa.RecordBatch,
        rows: Int64s,
        times: Int64s,
        watermarks: Int64s,
        scores: FloatArray,
    ) -> list[Flagged]:
        if not len(rows):
            return []
        taken = batch.take(pa.array(rows))
        reasons = self._bundle.detector.explain(taken, top=REASONS_PER_EVENT)
        events = taken.select(self._shown).to_pylist()
        tails = self._bundle.threshold.tail_probability(scores[rows])
        appended = milliseconds(pa.chunked_array([archived["_append_time"]]))
        return [
            Flagged(
                offset=archived["_offset"][int(row)].as_py(),
                row=archived["_row"][int(row)].as_py(),
                time_ms=int(times[row]),
                append_time_ms=int(appended[row]),
                key=entity_key(self._spec, event),
                score_nats=float(scores[row]),
                tail_probability=float(tail),
                reasons=why,
                event={name: v.isoformat() if isinstance(v, datetime) else v for name, v in event.items()},
                watermark_ms=int(watermark),
            )
            for row, event, why, tail, watermark in zip(rows, events, reasons, tails, watermarks, strict=True)
        ]

    def finish(self) -> Backtested:
        """The report. Raises ConfigError where no row was scored."""
        if self._span is None:
            raise ConfigError(
                f"nothing of stream {self._spec.stream!r} is archived in that window: widen --from and --to, or run "
                "`eddyline archive` first"
            )
        alerts = tuple(sorted(self._alerts.values(), key=lambda alert: (alert.started_ms, alert.id)))
        span_ms = self._span[1] - self._span[0]
        labels = self._truth.figures(alerts, self._ranks)
        promise = promise_of(
            self._bundle.threshold,
            alerts=self._opened if labels is None else labels.false_alerts,
            rows=self._rows,
            span_ms=span_ms,
            counted=Counted.UNCONFIRMED if labels is None else Counted.FALSE,
        )
        return Backtested(
            stream=self._spec.stream,
            model_id=self._bundle.model_id,
            threshold_nats=self._bundle.threshold.nats,
            start_ms=self._span[0],
            end_ms=self._span[1],
            rows=self._rows,
            flagged=self._flagged,
            opened=self._opened,
            suppressed=self._suppressed,
            alerts=alerts,
            promise=promise,
            labels=labels,
            timeline=tuple(self._timeline.points()),
        )


def _inside(
    archived: pa.RecordBatch, batch: pa.RecordBatch, window: tuple[int | None, int | None]
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The rows of both that lie in a window of time."""
    start_ms, end_ms = window
    times = milliseconds(pa.chunked_array([archived["_time"]]))
    inside = np.ones(len(times), np.bool_)
    if start_ms is not None:
        inside &= times >= start_ms
    if end_ms is not None:
        inside &= times < end_ms
    if inside.all():
        return archived, batch
    chosen = pa.array(inside)
    return archived.filter(chosen), batch.filter(chosen)


def backtest(
    spec: StreamSpec, bundle: Bundle, batches: Iterable[pa.RecordBatch], *, topic_id: str, masker: Masking
) -> Backtested:
    """A whole window at once. Raises ConfigError where it is empty."""
    running = Backtest(spec, bundle, topic_id=topic_id, masker=masker)
    for batch in batches:
        running.take(batch)
    return running.finish()


def entity_key(spec: StreamSpec, event: dict[str, Any]) -> str | None:
    """The entity an event belongs to, as the scorer names it: several key columns joined."""
    keys = spec.columns_with(Role.KEY)
    if not keys:
        return None
    return " / ".join("" if event.get(name) is None else str(event[name]) for name in keys)
