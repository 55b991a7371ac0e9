"""The pages that are opened in the browser: a stream's reports with their index, and one on a synthetic dataset."""

from functools import cache
from pathlib import Path

from pipeline.expectations.document import Subject
from pipeline.expectations.report.store import ReportFolder
from synth import fidelity, privacy
from synth.gates import Thresholds, decide
from synth.report import document as synthetic_document
from synth.report import page as synthetic_page
from tests.pipeline.expectations.report.documents import past, result
from tests.synth.fidelity.tables import apart, people

RUNS = 14


def quality_reports(root: Path) -> Path:
    """A folder with reports of two streams, the oldest gone by policy; the newest page of payments."""
    folder, path = ReportFolder(root), root
    for stream, first, subject in (("logins", RUNS - 3, Subject.DATASET), ("payments", 0, Subject.ARCHIVE)):
        runs = past(RUNS + 1, stream=stream)
        for at in range(first, RUNS + 1):
            run = runs[at]
            made = result(
                run.result_id, stream=stream, subject=subject, verdict=run.verdict if at < RUNS else past(5)[4].verdict,
                created_ms=run.created_ms, history=runs[:at],
            )  # fmt: skip
            path = folder.write(
                made.document(), stream=stream, result_id=run.result_id, created_ms=run.created_ms, keep=8
            )
    return path


@cache
def synthetic_report() -> str:
    """A page of the report on a synthetic dataset with every part."""
    train, test, made = people(400, 1), people(200, 2), apart(people(200, 3), 4)
    found = fidelity.measure(train, test, made, label="label")
    private = privacy.measure(train, test, made, label="label")
    document = synthetic_document(
        title="People: dataset d-1", real=test, synthetic=made, fidelity=found, privacy=private,
        verdict=decide(found, private), thresholds=Thresholds(), lineage={"dataset": "d-1", "files": ["part-0"]},
        label="label",
    )  # fmt: skip
    document["pictures"]["pairs"] = document["pictures"]["pairs"][:3]  # each takes time to draw
    return synthetic_page(document)
