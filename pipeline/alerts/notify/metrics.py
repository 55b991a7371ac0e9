"""A notifying process's Prometheus metrics: read off its notifiers' states whenever they are asked for."""

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.alerts.notify.deliver import NotifierState

LABELS = ["stream", "destination"]


class NotifyCollector(Collector):
    """Metrics of the notifiers of one process, by stream and destination. Counts begin at 0 with the process."""

    def __init__(self, states: Sequence[tuple[str, NotifierState]]) -> None:
        self._states = states

    def collect(self) -> Iterator[Metric]:
        """Counters, then gauges."""
        deliveries = CounterMetricFamily(
            "eddyline_deliveries", "Attempts to hand over an alert, by outcome.", labels=[*LABELS, "result"]
        )
        for stream, state in self._states:
            deliveries.add_metric([stream, state.destination, "ok"], state.delivered)
            deliveries.add_metric([stream, state.destination, "failed"], state.failures)
        yield deliveries
        yield self._counter("alerts_skipped", "Below the destination's severity, or in shadow mode.", "skipped")
        yield self._counter("alerts_unreadable", "Records of the alerts topic that are no alerts.", "unreadable")
        yield self._counter("alerts_lost", "Alerts deleted by retention before they could be handed over.", "lost")
        waiting = GaugeMetricFamily("eddyline_alerts_waiting", "Alerts fetched and not handed over.", labels=LABELS)
        failing = GaugeMetricFamily("eddyline_destination_failing", "1 while it takes no alerts.", labels=LABELS)
        for stream, state in self._states:
            waiting.add_metric([stream, state.destination], state.waiting)
            failing.add_metric([stream, state.destination], 0.0 if state.failing_since_ms is None else 1.0)
        yield waiting
        yield failing

    def _counter(self, name: str, text: str, field: str) -> Metric:
        family = CounterMetricFamily(f"eddyline_{name}", text, labels=LABELS)
        for stream, state in self._states:
            family.add_metric([stream, state.destination], getattr(state, field))
        return family
