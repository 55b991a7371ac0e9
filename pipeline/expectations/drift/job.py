"""A check of drift of a stream's champion: which rows, and what they say."""

from pipeline.errors import ModelError
from pipeline.expectations.document import Drift
from pipeline.expectations.drift.check import check_drift
from pipeline.expectations.drift.rows import drift_rows
from pipeline.scheduling.job import JobContext

_LEAST_PART = 0.25
"""Of the window, that must lie after what the champion was trained on."""


def checked(job: JobContext, *, start_ms: int, end_ms: int) -> tuple[Drift, tuple[int, int, int]] | str:
    """The drift, and the window that was looked at with its rows; or why there is nothing to look at."""
    spec, lake, stream = job.spec, job.context.lake(), job.spec.stream
    model_id = job.catalogue.champion(stream)
    if model_id is None:
        return f"{stream} has no champion yet: nothing to hold recent events against"
    job.report(0.0, "loading the champion")
    bundle = job.context.model_store().load(model_id)
    trained = bundle.facts.get("start_ms"), bundle.facts.get("end_ms")
    if trained[0] is None or trained[1] is None:
        raise ModelError(f"model {model_id} does not say what it was trained on: train again")
    first, last = int(trained[0]), int(trained[1])
    begin = max(start_ms, last)
    if end_ms - begin < _LEAST_PART * (end_ms - start_ms):
        return f"the champion {model_id} has learned from these events: nothing to say yet"
    rows = [
        sum(part.rows for part in lake.contents(stream, start_ms=low, end_ms=high))
        for low, high in ((first, last), (begin, end_ms))
    ]
    job.report(0.1, "reading what it was trained on")
    reference = drift_rows(spec, lake, bundle, start_ms=first, end_ms=last, rows=rows[0])
    job.report(0.5, "reading recent events")
    recent = drift_rows(spec, lake, bundle, start_ms=begin, end_ms=end_ms, rows=rows[1])
    job.report(0.7, "comparing")
    drift = check_drift(reference, recent, model_id=model_id, seed=spec.detector.seed)
    return drift, (begin, end_ms, recent.rows)
