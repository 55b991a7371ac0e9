"""`quality_report` and `drift_check` as jobs.

A window that fails, or that drifted, is what they are there to find: such a run has succeeded, and its result says
failed. Refused is nothing here; training on a failing window is, by whoever trains. Restart: a result's id is made of
the run's, so a run done again replaces its page and adds nothing twice.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.catalogue.service_entries import QualityEntry
from pipeline.duplicates.slot import archive_slot, dataset_slot
from pipeline.errors import ConfigError
from pipeline.expectations.document import Drift, PastVerdict, QualityDocument, Severity, Span, Subject, Verdict
from pipeline.expectations.live import with_live
from pipeline.expectations.reporting import Known, archive_report, dataset_report, known_suite, result_id_of
from pipeline.expectations.suite_file import suite_path
from pipeline.lineage.edges import edge_from_window, edges_of_report
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.windows import archive_window
from pipeline.scheduling.arguments import DriftCheck, QualityReport
from pipeline.scheduling.job import JobContext, JobOutcome

HOUR_MS = 3_600_000
NEW_DATASETS = "new"
_HISTORY = 60


def quality_report(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Hold a window of the archive, or datasets, against the stream's suite, and write a page for each.

    Raises ConfigError for a suite with errors, a dataset that is not there, an archive too short to infer from.
    """
    asked = QualityReport.model_validate(arguments)
    start_ms, end_ms = _window(job, asked)
    job.report(0.0, "reading what is expected")
    path = Path(asked.suite) if asked.suite else suite_path(job.context.settings, job.spec.stream)
    known = known_suite(
        job.spec,
        job.context.lake(),
        path,
        before_ms=start_ms,
        end_ms=end_ms,
        reference_days=asked.reference_days,
        now_ms=job.clock.now_ms(),
    )
    if asked.dataset is not None:
        return _datasets(job, known, asked.dataset)
    job.report(0.2, "holding the window against it")
    result_id = result_id_of(job.run_id, "archive")
    document = archive_report(
        job.spec, job.context.lake(), known, start_ms=start_ms, end_ms=end_ms, result_id=result_id, clock=job.clock
    )
    copies = archive_slot(job.spec, job.context.lake(), start_ms=start_ms, end_ms=end_ms)
    document = replace(document, duplicates=copies)
    parents = _window_edges(job, result_id, start_ms, end_ms)
    return _outcome([(document, _publish(job, document, parents))])


def drift_check(job: JobContext, arguments: dict[str, Any]) -> JobOutcome:
    """Hold recent events against those that the champion was trained on; ask for retraining where they moved away."""
    from pipeline.expectations.drift.job import checked  # scikit-learn

    asked = DriftCheck.model_validate(arguments)
    end_ms = job.fire_ms if job.fire_ms is not None else job.clock.now_ms()
    hours = asked.window_hours or job.spec.quality.window_hours
    found = checked(job, start_ms=end_ms - round(hours * HOUR_MS), end_ms=end_ms)
    if isinstance(found, str):
        return JobOutcome(reason=found)
    drift, window = found
    result_id = result_id_of(job.run_id, "drift")
    document = _drift_document(job, drift, window, result_id)
    edges = _window_edges(job, result_id, window[0], window[1])
    edges += edges_of_report(
        result_id, [Node(NodeKind.MODEL, drift.model_id)], stream=job.spec.stream, made_ms=document.created_ms
    )
    if drift.drifted:
        document = replace(document, drift=replace(drift, asked=_retraining(job, drift)))
    return _outcome([(document, _publish(job, document, edges))])


def quality_entry(document: QualityDocument, *, run_id: str | None, page: str) -> QualityEntry:
    """A document's row of the catalogue."""
    counted = [row for row in document.expectations if row.severity is Severity.CRITICAL]
    return QualityEntry(
        result_id=document.result_id,
        stream=document.stream,
        subject=document.subject.value,
        subject_id=document.subject_id,
        start_ms=document.window.start_ms,
        end_ms=document.window.end_ms,
        verdict=document.verdict.value,
        evaluated=len(document.expectations),
        failed=sum(row.verdict is not Verdict.PASSED for row in counted),
        created_ms=document.created_ms,
        run_id=run_id,
        page=page,
        summary={"rows": document.rows, "reasons": list(document.reasons[:10])},
    )


def _window(job: JobContext, asked: QualityReport) -> tuple[int, int]:
    fire_ms = job.fire_ms if job.fire_ms is not None else job.clock.now_ms()
    end_ms = fire_ms if asked.end is None else _ms(asked.end)
    hours = asked.window_hours or job.spec.quality.window_hours
    start_ms = end_ms - round(hours * HOUR_MS) if asked.start is None else _ms(asked.start)
    if start_ms >= end_ms:
        raise ConfigError(f"start {asked.start} is not before the window's end: name an earlier start")
    return start_ms, end_ms


def _ms(moment: datetime) -> int:
    known = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round(known.timestamp() * 1000)


def _datasets(job: JobContext, known: Known, wanted: str) -> JobOutcome:
    """One dataset, by its id or the beginning of it, or all that were not looked at yet."""
    lake, stream = job.context.lake(), job.spec.stream
    published = lake.synthetic_datasets(stream)
    if wanted == NEW_DATASETS:
        seen = {r.subject_id for r in job.catalogue.quality_results(stream, Subject.DATASET.value, limit=10_000)}
        chosen = [dataset_id for dataset_id in published if dataset_id not in seen]
    else:
        chosen = [dataset_id for dataset_id in published if dataset_id.startswith(wanted)]
        if len(chosen) != 1:
            said = "no published dataset has" if not chosen else "several published datasets have"
            raise ConfigError(f"{said} an id that begins with {wanted!r}: `eddyline synth list {stream}` shows them")
    made = []
    for at, dataset_id in enumerate(chosen):
        job.report(0.2 + 0.8 * at / len(chosen), f"holding dataset {dataset_id} against it")
        result_id = result_id_of(job.run_id, dataset_id)
        document = dataset_report(job.spec, lake, known, dataset_id, result_id=result_id, clock=job.clock)
        document = replace(document, duplicates=dataset_slot(lake, stream, dataset_id))
        parent = Node(NodeKind.DATASET, dataset_id)
        edges = edges_of_report(result_id, [parent], stream=stream, made_ms=document.created_ms)
        made.append((document, _publish(job, document, edges)))
    return _outcome(made) if made else JobOutcome(reason="no dataset is new", result={"results": []})


def _publish(job: JobContext, document: QualityDocument, edges: Sequence[Any]) -> str:
    """Lineage, then the page, then the row that says so; returns the page's path below the folder of reports."""
    from pipeline.expectations.report.store import ReportFolder

    folder = Path(job.context.settings.scheduler.reports)
    earlier = job.catalogue.quality_results(document.stream, document.subject.value, limit=_HISTORY)
    document = replace(
        document,
        history=tuple(_past(entry) for entry in reversed(earlier) if entry.result_id != document.result_id),
        lineage=tuple({"kind": edge.parent_kind, "id": edge.parent_id} for edge in edges),
    )
    if document.subject is not Subject.DATASET:
        document = with_live(document, job.catalogue, now_ms=job.clock.now_ms())
    job.catalogue.add_edges(list(edges))
    job.before_publishing()
    page = ReportFolder(folder).write(
        document.document(),
        stream=document.stream,
        result_id=document.result_id,
        created_ms=document.created_ms,
        keep=job.spec.retention.reports,
    )
    relative = str(page.relative_to(folder))
    if all(entry.result_id != document.result_id for entry in earlier):
        job.catalogue.add_quality(quality_entry(document, run_id=job.run_id, page=relative))
    return relative


def _past(entry: QualityEntry) -> PastVerdict:
    return PastVerdict(
        result_id=entry.result_id,
        created_ms=entry.created_ms,
        start_ms=entry.start_ms,
        end_ms=entry.end_ms,
        verdict=Verdict(entry.verdict),
        failed=entry.failed,
        evaluated=entry.evaluated,
        page=entry.page,
    )


def _window_edges(job: JobContext, result_id: str, start_ms: int, end_ms: int) -> list[Any]:
    window = archive_window(job.context.lake(), job.spec.stream, start_ms=start_ms, end_ms=end_ms)
    child = Node(NodeKind.REPORT, result_id)
    return [edge_from_window(window, child, stream=job.spec.stream, made_ms=job.clock.now_ms())]


def _drift_document(job: JobContext, drift: Drift, window: tuple[int, int, int], result_id: str) -> QualityDocument:
    start_ms, end_ms, rows = window
    return QualityDocument(
        stream=job.spec.stream,
        subject=Subject.DRIFT,
        subject_id=drift.model_id,
        result_id=result_id,
        created_ms=job.clock.now_ms(),
        window=Span(start_ms=start_ms, end_ms=end_ms),
        rows=rows,
        looked_at=rows,
        verdict=Verdict.FAILED if drift.drifted else Verdict.PASSED,
        reasons=tuple(drift.reason.split("; ")) if drift.drifted else (),
        drift=drift,
        personal=tuple(job.context.masker(job.spec).personal),
    )


def _retraining(job: JobContext, drift: Drift) -> str:
    """Ask for a challenger, where the spec wants one; what came of asking."""
    from pipeline.lifecycle.triggers import Origin, ask_for_retraining

    run_id = ask_for_retraining(
        job.catalogue, job.spec, origin=Origin.DRIFT, reason=drift.reason, now_ms=job.clock.now_ms()
    )
    return run_id or ""


def _outcome(made: Sequence[tuple[QualityDocument, str]]) -> JobOutcome:
    """Of documents and their pages, at least one."""
    bad = [document for document, _ in made if document.verdict is not Verdict.PASSED]
    reason = "; ".join(bad[0].reasons[:3]) if bad else "all as expected"
    last, page = made[-1]
    result: dict[str, Any] = {
        "result_id": last.result_id,
        "verdict": (bad[0] if bad else last).verdict.value,
        "page": page,
        "results": [{"result_id": d.result_id, "verdict": d.verdict.value, "page": p} for d, p in made],
    }
    if last.drift is not None:
        reason = last.drift.reason
        result |= {"drifted": last.drift.drifted, "asked": last.drift.asked}
    return JobOutcome(reason=reason, result=result)
