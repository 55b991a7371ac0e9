"""The demo's third part: what the scheduled service does by itself, done once over the demo's archive.

The live part is archived too, its quality is held against expectations inferred from the history, a challenger is
trained on all of it and compared with the champion, and a generator makes a labelled dataset. These are the jobs of
the service, run in this process; only the scheduler around them is left out.
"""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from detectors.columns import Role
from detectors.errors import DetectorError
from pipeline.clock import SystemClock
from pipeline.commands.context import Context
from pipeline.config import JobKind, StreamSpec
from pipeline.demo.archiving import StoppedError
from pipeline.demo.plan import DemoPlan
from pipeline.demo.prepare import archive, create_topic, past_spec
from pipeline.errors import EddylineError
from pipeline.expectations.jobs import NEW_DATASETS
from pipeline.scheduling.job import JobContext, JobOutcome, RunStatus
from pipeline.scheduling.registry import job_function

DATASET_ROWS = 10_000
GENERATOR = {"budget_seconds": 45.0, "most_rows": 40_000}
KEYED, UNKEYED = "2%:velocity,spike", "2%:number,rare_level"
"""Labelled anomalies for streams of entities, and for rows that belong to nobody."""
WINDOW = {"window_hours": 72.0}
"""The days that were live."""
Report = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What the jobs said."""

    quality: JobOutcome
    challenger: JobOutcome
    generator: JobOutcome | None
    """None where one was there from an earlier run."""
    dataset: JobOutcome | None
    """None where the generator was refused."""
    dataset_quality: JobOutcome | None


def archive_live(plan: DemoPlan, context: Context, stop: threading.Event) -> None:
    """Put the live part beside the history, dated as it happened: simulated days passed in seconds. The broker must
    still run."""
    past = past_spec(plan, f"{plan.spec.topic}.past")
    create_topic(plan, context, past.topic)
    archive(plan, plan.live, past, context, stop, lambda fraction, text: None)


def run_jobs(plan: DemoPlan, context: Context, stop: threading.Event, report: Report) -> Aftermath:
    """Run the jobs over the archive; one that cannot be done says why. Raises StoppedError when told to stop."""
    shown = _Shown(report, stop)
    end_ms = _newest_ms(plan, context) + 1
    spec, unlabelled = context.specs[plan.spec.stream], without_labels(context.specs[plan.spec.stream])
    quality = _run(JobKind.QUALITY_REPORT, unlabelled, context, end_ms, shown.part(0.0, 0.15), WINDOW)
    challenger = _run(JobKind.TRAIN_DETECTOR, spec, context, end_ms, shown.part(0.15, 0.5), {})
    generator = None
    if not context.lake().synthetic_datasets(spec.stream):
        generator = _run(JobKind.TRAIN_GENERATOR, unlabelled, context, end_ms, shown.part(0.5, 0.8), GENERATOR)
    now_ms = SystemClock().now_ms()
    if generator is not None and generator.status is RunStatus.REFUSED:
        return Aftermath(
            quality=quality, challenger=challenger, generator=generator, dataset=None, dataset_quality=None
        )
    anomalies = UNKEYED if spec.column_with(Role.KEY) is None else KEYED
    asked = {"rows": DATASET_ROWS, "anomalies": anomalies, "seed": 7}
    dataset = _run(JobKind.GENERATE_DATASET, unlabelled, context, now_ms, shown.part(0.8, 0.95), asked)
    new = {"dataset": NEW_DATASETS, **WINDOW}
    dataset_quality = _run(JobKind.QUALITY_REPORT, unlabelled, context, end_ms, shown.part(0.95, 1.0), new)
    return Aftermath(
        quality=quality, challenger=challenger, generator=generator, dataset=dataset, dataset_quality=dataset_quality
    )


def _newest_ms(plan: DemoPlan, context: Context) -> int:
    """The newest event of the archive: simulated time is not the clock's."""
    rows = context.lake().iterate_in_order(plan.spec.stream, columns=["_time"])
    return max(int(part.times_ms.max()) for part in rows if len(part.times_ms))


def without_labels(spec: StreamSpec) -> StreamSpec:
    """The stream as most people have it: the dataset's labels are those of the anomalies that are put into it."""
    columns = tuple(column for column in spec.columns if Role.LABEL not in column.roles)
    return spec.model_copy(update={"columns": columns})


def _run(
    kind: JobKind, spec: StreamSpec, context: Context, fire_ms: int, report: Report, arguments: dict[str, Any]
) -> JobOutcome:
    job = JobContext(
        spec=spec,
        context=replace(context, specs={**context.specs, spec.stream: spec}),
        catalogue=context.catalogue(),
        clock=SystemClock(),
        run_id=uuid.uuid4().hex,
        report=report,
        fire_ms=fire_ms,
        before_publishing=lambda: None,
    )
    try:
        return job_function(kind)(job, arguments)
    except StoppedError:
        raise
    except (EddylineError, DetectorError) as error:  # the demo's edge: what one job cannot do is said, and others run
        return JobOutcome(status=RunStatus.REFUSED, reason=str(error))


class _Shown:
    """Shares one bar among several jobs; a person who presses Ctrl-C is heard at each report."""

    def __init__(self, report: Report, stop: threading.Event) -> None:
        self._report, self._stop = report, stop

    def part(self, start: float, end: float) -> Report:
        """The reports of one job."""

        def report(fraction: float, text: str) -> None:
            if self._stop.is_set():
                raise StoppedError("stopped; what was made so far is kept, and the next run goes on from there")
            self._report(start + (end - start) * min(1.0, fraction), text)

        return report
