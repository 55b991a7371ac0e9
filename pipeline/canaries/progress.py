"""What a canary worker says of itself: heartbeat and metrics."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.canaries.recall import LiveRecall
from pipeline.canaries.shadow import Caught

BY_FAMILY = ["stream", "family"]


class CanaryProgress:
    """Counts since the worker started. Written by its thread, read by others."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.injected: Counter[str] = Counter()
        self.caught: Counter[str] = Counter()
        self.copies = 0
        self.busy_seconds = 0.0
        """Spent on copies."""
        self.joined = False
        self.assigned = 0
        self.model_id: str | None = None
        self.waiting: str | None = None
        self.last_error: str | None = None
        self.recall = LiveRecall(model_id=None)

    def counted(self, found: dict[str, Caught], *, busy_seconds: float) -> None:
        """A copy was scored."""
        self.copies += 1
        self.busy_seconds += busy_seconds
        for family, caught in found.items():
            self.injected[family] += caught.injected
            self.caught[family] += caught.caught

    @property
    def unready(self) -> str:
        """Why no canary is put in now; empty where all is well."""
        if not self.joined:
            return "joining its group"
        return self.last_error or self.waiting or ""

    def document(self) -> dict[str, Any]:
        """The heartbeat's state."""
        return {
            "assigned": self.assigned,
            "copies": self.copies,
            "injected": self.injected.total(),
            "caught": self.caught.total(),
            "busy_seconds": round(self.busy_seconds, 3),
            "model_id": self.model_id,
            "waiting": self.waiting,
            "last_error": self.last_error,
        }


class CanaryCollector(Collector):
    """Metrics of the streams of one process. Counters begin at 0 with the process; recall is of the last day."""

    def __init__(self, streams: Sequence[CanaryProgress]) -> None:
        self._streams = streams

    def collect(self) -> Iterator[Metric]:
        """Counters, then gauges."""
        yield self._counter("canaries_injected", "Synthetic anomalies put into shadow copies.", "injected")
        yield self._counter("canaries_caught", "Those of them above the threshold.", "caught")
        busy = CounterMetricFamily("eddyline_canaries_busy_seconds", "Spent on shadow copies.", labels=["stream"])
        for stream in self._streams:
            busy.add_metric([stream.stream], stream.busy_seconds)
        yield busy
        yield self._gauge("canary_recall", "Share caught by the champion over the last day.", "recall")
        yield self._gauge("canary_recall_low", "Its lower 95% bound.", "low")
        yield self._gauge("canary_recall_high", "Its upper 95% bound.", "high")
        fallen = GaugeMetricFamily(
            "eddyline_canary_recall_fallen", "1 while a family is caught less than it was.", labels=BY_FAMILY
        )
        for stream in self._streams:
            falls = {fall.family for fall in stream.recall.falls}
            for family in stream.recall.families:
                fallen.add_metric([stream.stream, family.family], float(family.family in falls))
        yield fallen

    def _counter(self, name: str, text: str, field: str) -> Metric:
        family = CounterMetricFamily(f"eddyline_{name}", text, labels=BY_FAMILY)
        for stream in self._streams:
            for kind, count in dict(getattr(stream, field)).items():
                family.add_metric([stream.stream, kind], count)
        return family

    def _gauge(self, name: str, text: str, field: str) -> Metric:
        family = GaugeMetricFamily(f"eddyline_{name}", text, labels=BY_FAMILY)
        for stream in self._streams:
            for recall in stream.recall.families:
                family.add_metric([stream.stream, recall.family], getattr(recall, field))
        return family
