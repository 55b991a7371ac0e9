"""A document made of what was judged: the same for the gate and for a full run."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.bundles import canonical
from pipeline.expectations.asked import What, edited_entries
from pipeline.expectations.diagnosis import reasons
from pipeline.expectations.document import (
    Distribution,
    Freshness,
    HourVolume,
    KeyCoverage,
    QualityDocument,
    Severity,
    Span,
    Subject,
    SuiteFacts,
    Verdict,
)
from pipeline.expectations.judge import Judged
from pipeline.expectations.row_measures import bounds_of, whole_hours
from pipeline.expectations.suite import Suite
from pipeline.expectations.window import HOUR_MS, Window
from pipeline.expectations.words import checked, failed_first, reason_of

MOST_HOURS = 24 * 62
"""Hours listed; of longer windows the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a document is about."""

    stream: str
    subject: Subject
    subject_id: str = ""
    result_id: str
    created_ms: int
    suite_file: str = ""
    key_columns: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def built(
    about: About,
    window: Window,
    suite: Suite,
    judged: Sequence[Judged],
    *,
    engines: Mapping[str, str] | None = None,
    distributions: tuple[Distribution, ...] = (),
) -> QualityDocument:
    """The document of one window. `engines`: who judged each question, by name."""
    rows = [checked(j, window, engine=(engines or {}).get(j.asked.name, "")) for j in judged]
    warnings = [f"warning: {reason_of(j)}" for j in judged if j.failed and j.asked.severity is Severity.WARNING]
    return QualityDocument(
        stream=about.stream,
        subject=about.subject,
        subject_id=about.subject_id,
        result_id=about.result_id,
        created_ms=about.created_ms,
        window=Span(start_ms=window.start_ms, end_ms=window.end_ms),
        rows=window.rows,
        looked_at=window.looked_at,
        verdict=verdict_of(judged),
        reasons=reasons(judged, window, suite),
        notes=(*about.notes, *warnings, *_thinned(window)),
        suite=suite_facts(suite, about.suite_file),
        expectations=failed_first(rows),
        distributions=distributions,
        volume=_volume(window, suite),
        freshness=_freshness(window, judged),
        keys=_keys(about, judged),
        personal=about.personal,
        facts=dict(about.facts),
    )


def verdict_of(judged: Sequence[Judged]) -> Verdict:
    """The gravest of what counts."""
    found = {j.verdict for j in judged if j.asked.severity is Severity.CRITICAL}
    return next((v for v in (Verdict.ERROR, Verdict.FAILED) if v in found), Verdict.PASSED)


def suite_facts(suite: Suite, file: str) -> SuiteFacts:
    """Which suite it was."""
    facts = suite.inferred
    return SuiteFacts(
        file=file,
        sha256=hashlib.sha256(canonical(suite.model_dump(mode="json"))).hexdigest(),
        inferred_ms=_ms(facts.at),
        reference=Span(start_ms=_ms(facts.start), end_ms=_ms(facts.end)),
        reference_rows=facts.rows,
        edited=len(edited_entries(suite)),
    )


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _thinned(window: Window) -> tuple[str, ...]:
    if window.whole:
        return ()
    return (f"looked at {window.looked_at:,} of {window.rows:,} rows, whole moments evenly left out",)


def _volume(window: Window, suite: Suite) -> tuple[HourVolume, ...]:
    hours, expected = whole_hours(window), suite.rows.by_hour
    found = []
    for hour in hours[-MOST_HOURS:]:
        rows = window.hourly.get(hour, 0)
        least, most = bounds_of(expected, hour) if expected is not None else (None, None)
        fits = (least is None or rows >= least) and (most is None or rows <= most)
        found.append(HourVolume(start_ms=hour * HOUR_MS, rows=rows, least=least, most=most, fits=fits))
    return tuple(found)


def _one(judged: Sequence[Judged], what: What) -> Judged | None:
    return next((j for j in judged if j.asked.what is what and j.measured.says), None)


def _freshness(window: Window, judged: Sequence[Judged]) -> Freshness | None:
    if window.times_ms is None or window.end_ms is None:
        return None
    newest = int(window.times_ms.max()) if len(window.times_ms) else None
    age = None if newest is None else max(0.0, (window.end_ms - newest) / 1000)
    asked = _one(judged, What.FRESHNESS)
    return Freshness(
        newest_ms=newest,
        age_seconds=age,
        most_seconds=None if asked is None else asked.asked.most,
        fits=asked is None or not asked.failed,
    )


def _keys(about: About, judged: Sequence[Judged]) -> KeyCoverage | None:
    keys, largest = _one(judged, What.KEYS), _one(judged, What.LARGEST_KEY)
    if keys is None or not about.key_columns:
        return None
    return KeyCoverage(
        columns=about.key_columns,
        distinct=keys.measured.rows,
        per_hour=keys.measured.value,
        least=keys.asked.least,
        most=keys.asked.most,
        largest_share=0.0 if largest is None else largest.measured.value,
        fits=not keys.failed and (largest is None or not largest.failed),
    )
