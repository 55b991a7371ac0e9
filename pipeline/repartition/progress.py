"""How one hop of a worker fares: the numbers behind its heartbeat, its metrics and its health."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.clock import Clock
from pipeline.repartition.mover import Moved
from pipeline.state.keeper import StateKeeper

RATE_WINDOW_SECONDS = 30.0
HOP = ["stream", "hop"]
PREFIX = "eddyline_repartition"


class HopProgress:
    """Counts since the worker started. Written by the hop's thread, read by all others."""

    def __init__(self, stream: str, hop: str, clock: Clock) -> None:
        self.stream, self.hop, self._clock = stream, hop, clock
        self.joined = False
        self.assigned = self.events = self.lag = self.gaps = 0
        self.rejects: Counter[str] = Counter()
        self.transactions: Counter[str] = Counter(committed=0, aborted=0)
        self.snapshots: Counter[str] = Counter(written=0, failed=0)
        self.replayed = 0
        self.warming_up: int | None = None
        """Partitions whose state has seen too little; None for the split, which has none."""
        self.incomplete = 0
        self.waiting: str | None = None
        self.paused: str | None = None
        self.trouble: str | None = None
        self.last_error: str | None = None
        self._recent: deque[tuple[float, int]] = deque()

    def moved(self, moved: Moved) -> None:
        """Count a committed batch."""
        self.events += moved.events
        for reasons in moved.rejects.values():
            self.rejects.update(reasons)
        self.transactions["committed"] += 1
        now = self._clock.monotonic()
        self._recent.append((now, moved.events))
        while self._recent[0][0] < now - RATE_WINDOW_SECONDS:
            self._recent.popleft()

    def state(self, keeper: StateKeeper) -> None:
        """Count what the keyed state did since this was last asked."""
        written, failed = keeper.snapshot_counts()
        self.snapshots.update(written=written, failed=failed)
        self.replayed += keeper.replayed_since()

    @property
    def unready(self) -> str:
        """Why nothing moves now; empty where something does, or could."""
        return self.paused or self.waiting or ("" if self.joined else "joining its group")

    def document(self) -> dict[str, Any]:
        """The heartbeat's state."""
        now = self._clock.monotonic()
        recent = [(at, n) for at, n in list(self._recent) if at >= now - RATE_WINDOW_SECONDS]
        rate = sum(n for _, n in recent) / max(1.0, now - recent[0][0]) if recent else 0.0
        return {
            "hop": self.hop,
            "assigned": self.assigned,
            "lag": self.lag,
            "events": self.events,
            "events_per_second": round(rate, 1),
            "rejects": self.rejects.total(),
            "gaps": self.gaps,
            "warming_up": self.warming_up,
            "incomplete_state": self.incomplete,
            "paused": self.paused,
            "waiting": self.waiting,
            "last_error": self.trouble or self.last_error,
        }


class RepartitionCollector(Collector):
    """Metrics of the hops of one process. Counts begin at 0 with the process."""

    def __init__(self, hops: Sequence[HopProgress]) -> None:
        self._hops = hops

    def collect(self) -> Iterator[Metric]:
        """Counters, then gauges."""
        yield self._counter("events", "Events sent on.", "events")
        yield self._counts("rejects", "Events sent to dead letters.", "reason", "rejects")
        yield self._counts("transactions", "Batches by outcome.", "result", "transactions")
        yield self._counts("snapshots", "Snapshots of keyed state.", "result", "snapshots")
        yield self._counter("replayed_events", "Events read again for keyed state.", "replayed")
        yield self._counter("gaps", "Ranges of records that were gone before they were read.", "gaps")
        yield self._gauge("lag_records", "Records not yet sent on.", "lag")
        yield self._gauge("warming_partitions", "Partitions whose keyed state has seen too little.", "warming_up")
        yield self._gauge("incomplete_partitions", "Partitions whose state lacks lost events.", "incomplete")
        paused = GaugeMetricFamily(f"{PREFIX}_paused", "1 while a hop is paused.", labels=HOP)
        for hop in self._hops:
            paused.add_metric([hop.stream, hop.hop], 1.0 if hop.paused else 0.0)
        yield paused

    def _counter(self, name: str, text: str, field: str) -> Metric:
        family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=HOP)
        for hop in self._hops:
            family.add_metric([hop.stream, hop.hop], getattr(hop, field))
        return family

    def _counts(self, name: str, text: str, label: str, field: str) -> Metric:
        family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=[*HOP, label])
        for hop in self._hops:
            for value, count in dict(getattr(hop, field)).items():
                family.add_metric([hop.stream, hop.hop, value], count)
        return family

    def _gauge(self, name: str, text: str, field: str) -> Metric:
        family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=HOP)
        for hop in self._hops:
            value = getattr(hop, field)
            if value is not None:
                family.add_metric([hop.stream, hop.hop], value)
        return family
