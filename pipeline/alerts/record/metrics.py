"""A recording process's Prometheus metrics: read off its recorders' states whenever they are asked for."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.alerts.record.recorder import RecorderState

COUNTERS = (
    ("recorded", "eddyline_alerts_recorded", "Messages about alerts written into the catalogue."),
    ("unreadable", "eddyline_alerts_not_recorded", "Records of the alerts topic that are no alerts."),
    ("lost", "eddyline_alerts_lost_unrecorded", "Alerts deleted by retention before they were written down."),
)


class RecordCollector(Collector):
    """Metrics of the recorders of one process, by stream. Counts begin at 0 with the process."""

    def __init__(self, states: Mapping[str, RecorderState]) -> None:
        self._states = states

    def collect(self) -> Iterator[Metric]:
        """Counters, then gauges."""
        for field, name, text in COUNTERS:
            counter = CounterMetricFamily(name, text, labels=["stream"])
            for stream, state in self._states.items():
                counter.add_metric([stream], getattr(state, field))
            yield counter
        behind = GaugeMetricFamily("eddyline_alerts_behind", "Alerts not yet written down.", labels=["stream"])
        failing = GaugeMetricFamily("eddyline_recorder_failing", "1 while nothing can be written.", labels=["stream"])
        for stream, state in self._states.items():
            behind.add_metric([stream], state.behind)
            failing.add_metric([stream], 0.0 if state.failing_since_ms is None else 1.0)
        yield behind
        yield failing
