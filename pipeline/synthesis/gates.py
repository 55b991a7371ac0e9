"""The gates of a dataset: fidelity and privacy measured on its own rows, and a verdict.

What cannot be measured does not pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from detectors.errors import DetectorError
from pipeline.synthesis.comparable import Comparable
from pipeline.synthesis.split import Halves
from synth.conditions import Conditions

if TYPE_CHECKING:
    from synth.fidelity import Fidelity


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
    """Rows learned from, and those held out."""
    made: pa.Table
    """The dataset's own rows, without injected anomalies."""
    for_fidelity: pa.Table
    """Rows to measure fidelity by: the dataset's own with more of the same request where they are few, or rows of the
    same generator without conditions where `compared` says so."""
    compared: Comparable
    conditions: Conditions
    label: str | None
    seed: int


Judge = Callable[[Evidence], Judged]
"""Measures and decides; a parameter, so that a job is tested without minutes of measuring. Rows that cannot be measured
are a verdict too, and no error."""


def judge(evidence: Evidence) -> Judged:
    """Measure fidelity and privacy and decide by the usual thresholds."""
    # Imported late: measuring brings scikit-learn.
    from synth import privacy
    from synth.gates import Thresholds, decide

    thresholds, real = Thresholds(), evidence.real
    try:
        likeness = _fidelity(evidence)
        safety = privacy.measure(real.train, real.held_out, evidence.made, label=evidence.label, seed=evidence.seed)
        broken = _conditions_broken(evidence)
    except DetectorError as error:
        reason = f"the gates could not be measured, so nothing is published: {error}"
        document = {"passed": False, "reasons": [reason], "compared": evidence.compared.said}
        return Judged(passed=False, reasons=(reason,), document=document)
    verdict = decide(likeness, safety, thresholds)
    reasons = (*verdict.reasons, *broken)
    document = {
        "passed": not reasons and verdict.passed,
        "reasons": list(reasons),
        "compared": evidence.compared.said,
        "rows": {"own": evidence.made.num_rows, "for_fidelity": evidence.for_fidelity.num_rows},
        "thresholds": thresholds.document(),
        "verdict": verdict.document(),
        "fidelity": likeness.document(),
        "privacy": safety.document(),
    }
    return Judged(passed=not reasons and verdict.passed, reasons=reasons, document=document)


def _fidelity(evidence: Evidence) -> "Fidelity":
    from synth.fidelity import measure

    real = evidence.real
    return measure(
        real.train,
        real.held_out,
        evidence.for_fidelity,
        label=evidence.label,
        seed=evidence.seed,
        conditions=evidence.conditions if evidence.compared.conditioned else None,
    )


def _conditions_broken(evidence: Evidence) -> tuple[str, ...]:
    """Whether a row of the dataset does not meet what was asked, where fidelity was measured without conditions."""
    from synth.fidelity import matching

    where = Conditions(where=evidence.conditions.where)
    if where.empty or evidence.compared.conditioned:
        return ()
    met = matching(evidence.made, where).num_rows
    wrong = evidence.made.num_rows - met
    return (f"{wrong:,} of {evidence.made.num_rows:,} rows do not meet the conditions",) if wrong else ()
