"""The gates of a dataset: fidelity and privacy measured on its own rows, and a verdict.

What cannot be measured does not pass.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from detectors.errors import DetectorError
from pipeline.synthesis.comparable import Comparable
from pipeline.synthesis.split import Halves


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the gates said. The document goes into the manifest."""

    passed: bool
    reasons: tuple[str, ...]
    """Why not; empty where it passed."""
    document: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the gates look at."""

    real: Halves
    """All rows learned from, and those held out."""
    compared: Comparable
    """Those of them that the rows for fidelity are to be like."""
    made: pa.Table
    """The dataset's own rows, without injected anomalies: for privacy, and for fidelity where they can be compared."""
    for_fidelity: pa.Table
    """Rows to measure fidelity by: the dataset's own, or some of the same generator without conditions."""
    label: str | None
    seed: int


class Judge(Protocol):
    """Measures and decides; a parameter, so that a job is tested without an hour of measuring."""

    def __call__(self, evidence: Evidence) -> Judged:
        """The verdict. Must not raise for data that cannot be measured: that is a verdict too."""


def judge(evidence: Evidence) -> Judged:
    """Measure fidelity and privacy and decide by the usual thresholds."""
    # Imported late: measuring brings scikit-learn.
    from synth import fidelity, privacy
    from synth.gates import Thresholds, decide

    thresholds = Thresholds()
    compared = evidence.compared.halves
    try:
        likeness = fidelity.measure(
            compared.train, compared.held_out, evidence.for_fidelity, label=evidence.label, seed=evidence.seed
        )
        safety = privacy.measure(evidence.real.train, evidence.real.held_out, evidence.made, seed=evidence.seed)
    except DetectorError as error:
        reason = f"the gates could not be measured, so nothing is published: {error}"
        return Judged(passed=False, reasons=(reason,), document=_unmeasured(evidence, reason))
    verdict = decide(likeness, safety, thresholds)
    document = {
        "passed": verdict.passed,
        "reasons": list(verdict.reasons),
        "compared": evidence.compared.said,
        "rows": {
            "made": evidence.made.num_rows,
            "for_fidelity": evidence.for_fidelity.num_rows,
            "learned_from": compared.train.num_rows,
            "held_out": compared.held_out.num_rows,
        },
        "thresholds": thresholds.document(),
        "fidelity": likeness.document(),
        "privacy": safety.document(),
    }
    return Judged(passed=verdict.passed, reasons=tuple(verdict.reasons), document=document)


def _unmeasured(evidence: Evidence, reason: str) -> dict[str, Any]:
    return {"passed": False, "reasons": [reason], "compared": evidence.compared.said}
