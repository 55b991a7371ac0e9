"""The jobs that make models: a challenger that takes over only where it is better, and a threshold brought up to date.

A run that is done again because its process died trains on the same window with the same seed; one whose decision is
written down already says what that was.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from pydantic import ValidationError

from detectors.recalibration import AdaptationRule, Outcome
from pipeline.catalogue.service_entries import DecisionEntry
from pipeline.config import Frozen, JobKind
from pipeline.errors import ConfigError
from pipeline.jobs.promise import MS_PER_DAY
from pipeline.jobs.recalibrate import RecalibrateOptions, recalibrate_stream
from pipeline.lifecycle.challenge import Challenging, challenge
from pipeline.lifecycle.challenger import Asked
from pipeline.lifecycle.gate import Gate, gate_of
from pipeline.lifecycle.inputs import Inputs
from pipeline.lifecycle.records import PROMOTED, REFUSED, SERVICE, decision
from pipeline.scheduling.arguments import Recalibrate, TrainDetector, validated_arguments
from pipeline.scheduling.job import JobContext, JobOutcome, RunStatus

GATE_SHARE = 0.05
"""Of the progress shown."""


def train_detector(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Train a challenger on a window of the archive; it takes over only where it is better.

    REFUSED where the window fails its quality gate or the challenger is not better, with the reasons. Raises
    ConfigError for wrong arguments, and where the window has too few events to learn from or to compare on.
    """
    told = cast(TrainDetector, _arguments(JobKind.TRAIN_DETECTOR, arguments))
    known = _decided(job)
    if known is not None:
        return _outcome(known)
    window = window_asked(job, told)
    asked = Asked(start_ms=window[0], end_ms=window[1], detector=told.detector, seed=told.seed)
    job.report(0.0, "holding the window against its expectations")
    inputs = Inputs.of(job.spec, job.catalogue, job.context.masker(job.spec))
    gate = gate_of(
        job.spec,
        job.context,
        start_ms=window[0],
        end_ms=window[1],
        without=inputs.withdrawn,
        clock=job.clock,
    )
    if not gate.passed:
        return _refused_window(job, asked, gate)
    done = challenge(
        Challenging(
            spec=job.spec,
            lake=job.context.lake(),
            store=job.context.model_store(),
            catalogue=job.catalogue,
            clock=job.clock,
            inputs=replace(inputs, sorts=gate.sorts),
            by=SERVICE,
            run_id=job.run_id,
            before_publishing=job.before_publishing,
        ),
        asked,
        report=lambda fraction, text: job.report(GATE_SHARE + (1.0 - GATE_SHARE) * fraction, text),
    )
    return _outcome(done.decision, {**done.result(), "asked_because": told.reason})


def recalibrate(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Move the champion's threshold to where the budget is kept on the stream as it now is; its weights stay."""
    told = cast(Recalibrate, _arguments(JobKind.RECALIBRATE, arguments))
    rule = AdaptationRule(breadth=told.breadth, most_change_per_day=told.most_change)
    job.report(0.0, "scoring the newest events")
    job.before_publishing()
    done = recalibrate_stream(
        job.spec,
        lake=job.context.lake(),
        store=job.context.model_store(),
        catalogue=job.catalogue,
        clock=job.clock,
        options=RecalibrateOptions(end_ms=job.fire_ms, rule=rule),
        by=SERVICE,
        run_id=job.run_id,
    )
    if done.result.outcome is Outcome.TOO_EARLY:
        return JobOutcome(reason="too early to say: the threshold stays", result={"model": done.before.model_id})
    return JobOutcome(
        reason=f"threshold {done.before.threshold.nats:.2f} nats before, {done.after.threshold.nats:.2f} now",
        result={"model": done.after.model_id, "champion_before": done.before.model_id},
    )


def window_asked(job: JobContext, told: TrainDetector) -> tuple[int, int]:
    """The window that a run stands for: what was asked, else the last days up to the moment it was due."""
    fire_ms = job.fire_ms if job.fire_ms is not None else job.clock.now_ms()
    end_ms = fire_ms if told.end is None else moment(told.end)
    days = job.spec.retraining.window_days
    start_ms = round(end_ms - days * MS_PER_DAY) if told.start is None else moment(told.start)
    return start_ms, end_ms


def moment(value: datetime) -> int:
    """Milliseconds since the epoch; UTC where no zone is named."""
    return round((value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp() * 1000)


def _arguments(kind: JobKind, arguments: dict[str, Any]) -> Frozen:
    try:
        return validated_arguments(kind, arguments)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "arguments"
        raise ConfigError(f"{kind.value} does not take {where}: {first['msg']}; mend the job's arguments") from error


def _decided(job: JobContext) -> DecisionEntry | None:
    return next((one for one in job.catalogue.decisions(job.spec.stream) if one.run_id == job.run_id), None)


def _outcome(entry: DecisionEntry, result: dict[str, Any] | None = None) -> JobOutcome:
    status = RunStatus.SUCCEEDED if entry.kind == PROMOTED else RunStatus.REFUSED
    said = {"model": entry.model_id, "decision": entry.decision_id, "evaluation": entry.evaluation_id}
    return JobOutcome(status=status, reason=entry.reason, result=result or said)


def _refused_window(job: JobContext, asked: Asked, gate: Gate) -> JobOutcome:
    """Nothing is trained on a window that fails; the reasons are kept."""
    entry = decision(
        stream=job.spec.stream,
        kind=REFUSED,
        model_id=None,
        before_id=job.catalogue.champion(job.spec.stream),
        run_id=job.run_id,
        by=SERVICE,
        reason="nothing was trained, the window fails its quality gate: " + "; ".join(gate.reasons),
        figures={"gate": gate.document, "start_ms": asked.start_ms, "end_ms": asked.end_ms},
        decided_ms=job.clock.now_ms(),
    )
    job.catalogue.decide(entry)
    return _outcome(entry)
