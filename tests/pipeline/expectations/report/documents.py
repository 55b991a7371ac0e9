"""Documents as quality runs make them, one with every part that a page can have."""

import math
from dataclasses import replace
from typing import Any

from pipeline.canaries.recall import Fall, FamilyRecall, LiveRecall, wilson
from pipeline.expectations.document import (
    Checked,
    ColumnDrift,
    Distribution,
    Drift,
    Freshness,
    HourVolume,
    KeyCoverage,
    Measure,
    PastVerdict,
    QualityDocument,
    Severity,
    Span,
    Subject,
    SuiteFacts,
    TwoSample,
    Verdict,
)

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
START_MS = 1_794_528_000_000  # 13 November 2026, 00:00 UTC
PERSONAL = "holder"


def result(
    result_id: str = "r-60",
    *,
    stream: str = "payments",
    created_ms: int = START_MS + DAY_MS,
    verdict: Verdict = Verdict.FAILED,
    history: tuple[PastVerdict, ...] = (),
    subject: Subject = Subject.ARCHIVE,
) -> QualityDocument:
    """A day of payments with a column that is suddenly empty, another in cents, and an hour that came twice."""
    passed = verdict is Verdict.PASSED
    return QualityDocument(
        stream=stream,
        subject=subject,
        subject_id="d-3f2a" if subject is Subject.DATASET else "",
        result_id=result_id,
        created_ms=created_ms,
        window=Span(start_ms=START_MS, end_ms=START_MS + DAY_MS),
        rows=184_203,
        looked_at=100_000,
        verdict=verdict,
        reasons=() if passed else ("country: 31.2% missing, at most 1.2% expected", "amount: range of another unit"),
        notes=("the suite was inferred from 28 days of the archive; nobody has looked at it yet",),
        suite=suite_facts(),
        expectations=(*(() if passed else failures()), *holding()),
        distributions=distributions(),
        drift=drift(),
        volume=volume(),
        freshness=Freshness(newest_ms=START_MS + DAY_MS - 4_000, age_seconds=4.0, most_seconds=120.0, fits=True),
        keys=KeyCoverage(
            columns=("card",), distinct=4120, per_hour=812.5, least=640, most=980, largest_share=0.004, fits=True
        ),
        duplicates={"rows": 184_203, "exact_rows": 7_650, "near_pairs": 41, "hours": ["2026-11-13 17:00"]},
        canaries=LiveRecall(
            model_id="3f2a9c51d0",
            families=(recall("point:unseen_level", 240, 231), recall("stuck", 240, 96), recall("collective", 0, 0)),
            falls=(Fall(family="stuck", before=0.8, now=0.4, since="day"),),
        ).document(),
        feedback={"confirmed": 38, "false_positives": 9, "alerts": 71, "since_ms": START_MS - 28 * DAY_MS},
        history=history,
        lineage=(
            {"kind": "window", "id": f"{stream}:{START_MS}-{START_MS + DAY_MS}:0a1b2c3d4e5f", "rows": 184_203},
            {"kind": "model", "id": "3f2a9c51d0"},
        ),
        personal=(PERSONAL,),
        facts={"seconds": 4.217, "great_expectations": "1.24.1", "pyarrow": "26.0.1"},
    )


def recall(family: str, injected: int, caught: int) -> FamilyRecall:
    """What came of one kind of canary."""
    low, high = wilson(caught, injected)
    return FamilyRecall(family=family, injected=injected, caught=caught, low=low, high=high)


def suite_facts() -> SuiteFacts:
    """An inferred suite in which people changed two entries."""
    return SuiteFacts(
        file="payments.yaml",
        sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        inferred_ms=START_MS - DAY_MS,
        reference=Span(start_ms=START_MS - 29 * DAY_MS, end_ms=START_MS - DAY_MS),
        reference_rows=5_012_332,
        edited=2,
    )


def failures() -> tuple[Checked, ...]:
    """What fails, cannot be asked, and warns."""
    return (
        checked("country.missing", "country", "missing", "at most 1.2% missing (0.4% when inferred)", "31.2% missing",
                reason="country: 31.2% missing, at most 1.2% expected", value=0.312, most=0.012,
                unexpected=31_190, unexpected_share=0.3119, verdict=Verdict.FAILED),
        checked("amount.range", "amount", "range", "99.9% between 0.5 and 2,400", "8.4% outside",
                reason="amount: 8.4% of values are far beyond the range, as if in cents", value=0.084, most=0.001,
                unexpected=8_402, unexpected_share=0.084, verdict=Verdict.FAILED,
                examples=("129900", "4999", "250000", "87500"), edited=True, note="agreed with billing"),
        checked("holder.levels", PERSONAL, "levels", "names known from before", "12 names not seen before",
                unexpected=12, unexpected_share=0.00012, verdict=Verdict.FAILED, reason="holder: 12 unknown names"),
        checked("channel.type", "channel", "type", "text", "no such column", verdict=Verdict.ERROR,
                reason="channel: the rows have no such column"),
        checked("merchant.distinct", "merchant", "distinct", "between 300 and 420 different", "431 different",
                value=431.0, least=300.0, most=420.0, verdict=Verdict.FAILED, severity=Severity.WARNING),
    )  # fmt: skip


def checked(name: str, column: str | None, kind: str, expected: str, observed: str, **more: Any) -> Checked:
    """One expectation."""
    return Checked(
        **{"name": name, "column": column, "kind": kind, "expected": expected, "observed": observed,
           "verdict": Verdict.PASSED, **more}
    )  # fmt: skip


def holding() -> tuple[Checked, ...]:
    """What holds."""
    columns = ("amount", "country", "card", "merchant", "currency", PERSONAL)
    volume = checked("volume", None, "volume", "between 6,000 and 9,400 rows an hour", "23 of 24 hours", value=23.0)
    of_columns = [
        checked(f"{column}.{kind}", column, kind, "as in the reference, within 1.2%", "as in the reference")
        for column in columns
        for kind in ("type", "uniqueness", "rate")
    ]
    return (*of_columns, volume)


def distributions() -> tuple[Distribution, ...]:
    """Numbers in bins, levels with long names, and times."""
    bins = range(24)
    before = [math.exp(-((k - 7) ** 2) / 18) for k in bins]
    now = [math.exp(-((k - 11) ** 2) / 30) for k in bins]
    return (
        Distribution(column="amount", kind="numbers", edges=tuple(k * 100.0 for k in range(25)),
                     reference=tuple(0.99 * v / sum(before) for v in before),
                     observed=tuple(0.916 * v / sum(now) for v in now), beyond=(0.01, 0.084)),
        Distribution(column="country", kind="levels",
                     levels=("PT", "BR", "DE", "a very long name of a country indeed", "all others"),
                     reference=(0.5, 0.25, 0.15, 0.07, 0.026), observed=(0.33, 0.18, 0.1, 0.05, 0.028),
                     missing=(0.004, 0.312)),
        Distribution(column="hour", kind="time", edges=tuple(1e3 * (START_MS + k * HOUR_MS) for k in range(25)),
                     reference=tuple([1 / 24] * 24), observed=tuple([1 / 25] * 17 + [2 / 25] + [1 / 25] * 6)),
        Distribution(column="merchant_rating", kind="numbers", edges=tuple(1 + k / 8 for k in range(33)),
                     reference=tuple([1 / 32] * 32), observed=tuple([1 / 32] * 32)),
    )  # fmt: skip


def drift() -> Drift:
    """Two columns that moved, one that did not, and the score."""

    def column(name: str, shift: float, noise: float, missing: float, breadth: float | None) -> ColumnDrift:
        return ColumnDrift(
            column=name, distance="tv" if name == "country" else "ks", drifted=shift > noise or missing > 0.02,
            psi=Measure(value=shift * 2.1, noise=noise * 1.5, beyond=shift > noise),
            shift=Measure(value=shift, noise=noise, beyond=shift > noise),
            missing=Measure(value=missing, noise=0.004, beyond=missing > 0.02), breadth=breadth,
        )  # fmt: skip

    return Drift(
        drifted=True,
        reason="amount, country moved beyond what chance explains, over most keys",
        model_id="3f2a9c51d0",
        reference=Span(start_ms=START_MS - 29 * DAY_MS, end_ms=START_MS - DAY_MS),
        reference_rows=5_012_332,
        columns=(
            column("merchant_rating", 0.004, 0.021, 0.0, 0.02),
            column("amount", 0.27, 0.018, 0.0, 0.81),
            column("country", 0.163, 0.025, 0.308, 0.66),
            column("currency", 0.011, 0.02, 0.0, 0.01),
        ),
        score=replace(column("score", 0.092, 0.03, 0.0, None), psi=None),
        two_sample=TwoSample(area=0.742, low=0.731, high=0.753, noise=0.53, beyond=True,
                             columns=(("amount", 0.19), ("country", 0.04))),
        breadth="81% of the keys moved: a change of the stream, not of a few keys.",
        asked="9b1c2d3e",
    )  # fmt: skip


def volume() -> tuple[HourVolume, ...]:
    """A day with one hour that came twice."""
    hours = []
    for hour in range(24):
        usual = 7_400 + 1_800 * math.sin((hour - 8) / 24 * 2 * math.pi)
        rows = round(usual * (2.05 if hour == 17 else 1.0 + 0.03 * math.sin(hour * 2.3)))
        hours.append(HourVolume(start_ms=START_MS + hour * HOUR_MS, rows=rows, least=round(usual * 0.82),
                                most=round(usual * 1.18), fits=hour != 17))  # fmt: skip
    return tuple(hours)


def past(count: int, *, stream: str = "payments", every_ms: int = DAY_MS) -> tuple[PastVerdict, ...]:
    """Verdicts of earlier runs, oldest first; the newest is `r-{count - 1}`."""
    runs = []
    for at in range(count):
        created = START_MS + DAY_MS - (count - at) * every_ms
        verdict = Verdict.ERROR if at % 29 == 11 else Verdict.FAILED if at % 9 == 4 else Verdict.PASSED
        failed = 0 if verdict is Verdict.PASSED else 1 + at % 4
        runs.append(PastVerdict(result_id=f"r-{at}", created_ms=created, start_ms=created - DAY_MS, end_ms=created,
                                verdict=verdict, failed=failed, evaluated=44,
                                page=f"{stream}/r-{at}.html"))  # fmt: skip
    return tuple(runs)
