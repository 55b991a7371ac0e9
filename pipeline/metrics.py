"""Prometheus metrics of a process. Made once by the process and handed down; no module keeps any."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from pipeline.alerts.staged import Staged
    from pipeline.scoring.status import StreamStatus
    from pipeline.scoring.stream_scorer import Scored
    from pipeline.state.keeper import StateKeeper

LATENCY_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0)
BATCH_BUCKETS = (1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000)


@dataclass(frozen=True, slots=True)
class StreamMetrics:
    """The metrics of one stream, its name already filled in."""

    events: Counter
    rejects: "Labelled[Counter]"
    alerts: "Labelled[Counter]"
    causes: "Labelled[Counter]"
    suppressed: Counter
    suppressed_by_feedback: Counter
    feedback_rules: Gauge
    late: Counter
    unknown_fields: Gauge
    transactions: "Labelled[Counter]"
    batch_events: Histogram
    score_seconds: Histogram
    event_latency_seconds: Histogram
    append_latency_seconds: Histogram
    lag: Gauge
    budget_promised: Gauge
    budget_observed: Gauge
    budget_observed_low: Gauge
    budget_observed_high: Gauge
    score_drift: Gauge
    paused: Gauge
    replayed: Counter
    snapshots: "Labelled[Counter]"
    warming_up: Gauge
    incomplete: Gauge

    def scored(self, scored: "Scored", *, now_ms: int) -> None:
        """Count a committed batch. Latencies are those of its oldest event by append time and newest by event time."""
        self.events.inc(scored.events)
        for reasons in scored.rejects.values():
            for reason, count in reasons.items():
                self.rejects.labels(reason=reason).inc(count)
        self.late.inc(scored.late)
        self.unknown_fields.set(len(scored.unknown_fields))
        self.transactions.labels(result="committed").inc()
        if scored.oldest_append_ms is not None:
            self.append_latency_seconds.observe(max(0, now_ms - scored.oldest_append_ms) / 1000)
        if scored.newest_time_ms is not None:
            self.event_latency_seconds.observe(max(0, now_ms - scored.newest_time_ms) / 1000)
        for _, staged in scored.staged:
            self.published(staged)

    def published(self, staged: "Staged") -> None:
        """Count what a committed staging published."""
        for alert in staged.alerts:
            self.alerts.labels(kind=alert.kind.value, severity=alert.severity.value, status=alert.status.value).inc()
            if alert.revision == 1:
                self.causes.labels(cause=alert.cause.value).inc()
        self.suppressed.inc(staged.suppressed)
        self.suppressed_by_feedback.inc(staged.judged_false)

    def budget(self, status: "StreamStatus") -> None:
        """Show where the budget stands, in its own unit, and how far scores drifted."""
        standing = status.standing
        self.budget_promised.set(standing.promised)
        if standing.observed is not None:
            self.budget_observed.set(standing.observed.rate)
            self.budget_observed_low.set(standing.observed.low)
            self.budget_observed_high.set(standing.observed.high)
        if status.score_drift is not None:
            self.score_drift.set(status.score_drift)
        self.lag.set(status.lag)
        self.paused.set(1 if status.paused or status.waiting else 0)

    def state(self, keeper: "StateKeeper") -> None:
        """Show how the keyed state fares."""
        written, failed = keeper.snapshot_counts()
        self.snapshots.labels(result="written").inc(written)
        self.snapshots.labels(result="failed").inc(failed)
        self.replayed.inc(keeper.replayed_since())
        self.warming_up.set(keeper.warming_up)
        self.incomplete.set(keeper.incomplete)


Metric = TypeVar("Metric", Counter, Gauge)


class Labelled(Generic[Metric]):
    """A metric of one stream that still needs its other labels."""

    def __init__(self, metric: Metric, fixed: Mapping[str, str]) -> None:
        self._metric: Metric = metric
        self._fixed = dict(fixed)

    def labels(self, **more: str) -> Metric:
        """The metric with all its labels."""
        metric: Metric = self._metric.labels(**self._fixed, **more)
        return metric


class Metrics:
    """All metrics of a process, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        r = self.registry
        s = ["stream"]
        self._events = Counter("eddyline_events", "Events scored.", s, registry=r)
        self._rejects = Counter("eddyline_rejects", "Events sent to dead letters.", [*s, "reason"], registry=r)
        self._alerts = Counter(
            "eddyline_alerts", "Alert messages published.", [*s, "kind", "severity", "status"], registry=r
        )
        self._causes = Counter(
            "eddyline_alerts_by_cause", "Alerts opened, by their cause as it was then.", [*s, "cause"], registry=r
        )
        self._suppressed = Counter("eddyline_suppressed", "Flagged events a rule kept quiet.", s, registry=r)
        self._by_feedback = Counter(
            "eddyline_suppressed_by_feedback", "Flagged events like a false positive that was said.", s, registry=r
        )
        self._rules = Gauge("eddyline_feedback_rules", "False positives that keep their like quiet.", s, registry=r)
        self._late = Counter("eddyline_late_events", "Events older than the stream's tolerance.", s, registry=r)
        self._unknown = Gauge("eddyline_unknown_fields", "Fields the spec does not have, last batch.", s, registry=r)
        self._transactions = Counter("eddyline_transactions", "Batches by outcome.", [*s, "result"], registry=r)
        self._batch = Histogram("eddyline_batch_events", "Events a batch.", s, buckets=BATCH_BUCKETS, registry=r)
        self._score = Histogram(
            "eddyline_score_seconds",
            "Decode, score and decide, a batch.",
            s,
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=r,
        )
        self._event_latency = Histogram(
            "eddyline_event_latency_seconds", "Event time to commit.", s, buckets=LATENCY_BUCKETS_SECONDS, registry=r
        )
        self._append_latency = Histogram(
            "eddyline_append_latency_seconds", "Append to commit.", s, buckets=LATENCY_BUCKETS_SECONDS, registry=r
        )
        self._lag = Gauge("eddyline_lag_events", "Records not yet scored.", s, registry=r)
        self._promised = Gauge(
            "eddyline_budget_promised", "Alerts a day, or share of events, as the budget states.", s, registry=r
        )
        self._observed = Gauge("eddyline_budget_observed", "The same as observed by this worker.", s, registry=r)
        self._observed_low = Gauge("eddyline_budget_observed_low", "Its lower 95% bound.", s, registry=r)
        self._observed_high = Gauge("eddyline_budget_observed_high", "Its upper 95% bound.", s, registry=r)
        self._drift = Gauge(
            "eddyline_score_drift", "Decades more high scores than the threshold was calibrated on.", s, registry=r
        )
        self._paused = Gauge("eddyline_paused", "1 while the stream is paused or waits for a model.", s, registry=r)
        self._replayed = Counter("eddyline_state_replayed_events", "Events read again for keyed state.", s, registry=r)
        self._snapshots = Counter("eddyline_state_snapshots", "Snapshots of keyed state.", [*s, "result"], registry=r)
        self._warming = Gauge(
            "eddyline_state_warming_partitions", "Partitions whose keyed state has seen too little.", s, registry=r
        )
        self._incomplete = Gauge(
            "eddyline_state_incomplete_partitions", "Partitions whose keyed state lacks lost events.", s, registry=r
        )

    def stream(self, name: str) -> StreamMetrics:
        """The metrics of one stream."""
        fixed = {"stream": name}
        return StreamMetrics(
            events=self._events.labels(name),
            rejects=Labelled(self._rejects, fixed),
            alerts=Labelled(self._alerts, fixed),
            causes=Labelled(self._causes, fixed),
            suppressed=self._suppressed.labels(name),
            suppressed_by_feedback=self._by_feedback.labels(name),
            feedback_rules=self._rules.labels(name),
            late=self._late.labels(name),
            unknown_fields=self._unknown.labels(name),
            transactions=Labelled(self._transactions, fixed),
            batch_events=self._batch.labels(name),
            score_seconds=self._score.labels(name),
            event_latency_seconds=self._event_latency.labels(name),
            append_latency_seconds=self._append_latency.labels(name),
            lag=self._lag.labels(name),
            budget_promised=self._promised.labels(name),
            budget_observed=self._observed.labels(name),
            budget_observed_low=self._observed_low.labels(name),
            budget_observed_high=self._observed_high.labels(name),
            score_drift=self._drift.labels(name),
            paused=self._paused.labels(name),
            replayed=self._replayed.labels(name),
            snapshots=Labelled(self._snapshots, fixed),
            warming_up=self._warming.labels(name),
            incomplete=self._incomplete.labels(name),
        )
