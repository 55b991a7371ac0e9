"""The scheduler's metrics, taken from what its loop last wrote down."""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.clock import Clock
from pipeline.scheduling.plan import JobName, PlannedJob
from pipeline.scheduling.standing import Role, Standing
from pipeline.scheduling.tally import Tally


class ScheduleCollector(Collector):
    """Reads standing and tally whenever it is asked. What only a leader knows is shown by the leader alone, so that
    a sum over instances is right."""

    def __init__(self, standing: Standing, tally: Tally, jobs: Mapping[JobName, PlannedJob], clock: Clock) -> None:
        self._standing, self._tally, self._jobs, self._clock = standing, tally, jobs, clock

    def collect(self) -> Iterator[Metric]:
        """Everything."""
        leads = self._standing.role is Role.LEADER
        yield _single("eddyline_scheduler_leader", "1 where this instance leads, 0 where it stands by.", float(leads))
        yield _single("eddyline_scheduler_epoch", "Of the lease held; 0 without one.", float(self._standing.epoch or 0))
        waits = 1.0 if self._standing.waiting else 0.0
        yield _single("eddyline_scheduler_waiting", "1 while the catalogue or the lake does not answer.", waits)
        ended = CounterMetricFamily(
            "eddyline_job_runs", "Runs that ended, by how; `retried` counts failed attempts.",
            labels=["stream", "kind", "status"],
        )  # fmt: skip
        for labels, count in sorted(self._tally.runs.items()):
            ended.add_metric(labels, count)
        yield ended
        if leads:
            yield from self._led()

    def _led(self) -> Iterator[Metric]:
        running = GaugeMetricFamily("eddyline_jobs_running", "Runs under way.", labels=["stream", "kind"])
        for labels, count in sorted(Counter((r.stream, r.kind) for r in self._tally.running).items()):
            running.add_metric(labels, count)
        yield running
        queued = GaugeMetricFamily("eddyline_jobs_queued", "Runs that are due and wait for their turn.")
        queued.add_metric([], self._tally.queued)
        yield queued
        now_ms = self._clock.now_ms()
        ages = GaugeMetricFamily(
            "eddyline_job_success_age_seconds", "Since a job last succeeded.", labels=["stream", "job"]
        )
        for name, moment_ms in sorted(self._tally.last_success_ms.items()):
            ages.add_metric(name, max(0.0, (now_ms - moment_ms) / 1000))
        yield ages
        fires = GaugeMetricFamily(
            "eddyline_job_next_fire_seconds", "Until a job's next fire.", labels=["stream", "job"]
        )
        for name, job in sorted(self._jobs.items()):
            following = job.fires.after(now_ms)
            if following is not None:
                fires.add_metric(name, (following - now_ms) / 1000)
        yield fires


def _single(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family
