"""An archive process's Prometheus metrics: read off its archivers' progress whenever they are asked for."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.archive.progress import Progress

STREAM = ["stream"]


class ArchiveCollector(Collector):
    """Metrics of the archivers of one process, by stream. Counts begin at 0 with the process."""

    def __init__(self, progress: Mapping[str, Progress]) -> None:
        self._progress = progress

    def collect(self) -> Iterator[Metric]:
        """Counters, then gauges."""
        yield self._counter("archive_read_events", "Events read, rejects included.", "events")
        yield self._counter("archive_rejects", "Events read that do not fit the spec.", "rejects")
        yield self._counter("archive_events", "Events in files that were published.", "archived")
        yield self._counter("archive_files", "Files published.", "files")
        yield self._counter("archive_bytes", "Bytes of the files published.", "bytes")
        yield self._counter("archive_gaps", "Ranges of events that were gone before they were read.", "gaps")
        yield self._gauge("archive_lag_events", "Records not read yet.", "lag")
        yield self._gauge("archive_open_events", "Events read and not published yet.", "open_rows")
        yield self._gauge("archive_partitions", "Partitions this process archives.", "partitions")
        paused = GaugeMetricFamily("eddyline_archive_paused", "1 while nothing is read.", labels=STREAM)
        for stream, progress in self._progress.items():
            paused.add_metric([stream], 1.0 if progress.paused else 0.0)
        yield paused

    def _counter(self, name: str, text: str, field: str) -> Metric:
        family = CounterMetricFamily(f"eddyline_{name}", text, labels=STREAM)
        for stream, progress in self._progress.items():
            family.add_metric([stream], getattr(progress, field))
        return family

    def _gauge(self, name: str, text: str, field: str) -> Metric:
        family = GaugeMetricFamily(f"eddyline_{name}", text, labels=STREAM)
        for stream, progress in self._progress.items():
            value = getattr(progress, field)
            if value is not None:  # a lag that nobody knows is not 0
                family.add_metric([stream], value)
        return family
