"""The fast gate before training: the suite's questions by numpy and Arrow alone, without Great Expectations.

It asks what a full run asks and comes to the same answers; a test holds the two equal. A window that fails is refused,
with the reasons, by whoever trains.

One thing it takes more lightly: what merely moved. A stream that changes its ways fails a report, and must yet be
learned anew, so figures of movement (quantiles, shares of levels, volume, keys) are warnings here, unless a fault
explains them: swapped columns, another unit, a stretch sent twice, a clock that stands still. Whether a movement is to
be followed is for the check of drift and the comparison with the champion to say. Nor is a window blamed for the time
before the archive began.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from detectors.columns import Role
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.expectations.asked import Asked, What, asked_of
from pipeline.expectations.build import About, built
from pipeline.expectations.diagnosis import explained
from pipeline.expectations.document import Severity, Subject, Verdict
from pipeline.expectations.judge import Judged, judged
from pipeline.expectations.suite import Suite
from pipeline.expectations.window import Window, WindowArchive, archive_rows

NOT_ASKED = frozenset({What.FRESHNESS})
"""Of a window to train on: how old it is does not spoil a model."""
MOVEMENTS = frozenset(
    {
        What.QUANTILE, What.ZEROS, What.TRUE, What.UNSEEN, What.MOVED, What.RELATION,
        What.PER_HOUR, What.BY_HOUR, What.KEYS, What.LARGEST_KEY,
    }
)  # fmt: skip
"""What may change because the world did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """Whether a window may be trained on."""

    passed: bool
    reasons: tuple[str, ...]
    """One line each, naming column and fault; empty where it passed."""
    document: dict[str, Any]
    """As a report's, without distributions."""


def check_window(
    spec: StreamSpec,
    lake: WindowArchive,
    *,
    start_ms: int,
    end_ms: int,
    suite: Suite | None,
    clock: Clock,
) -> GateResult:
    """Judge the archived rows with `start_ms` ≤ time < `end_ms`. Without a suite the window passes, with a note.

    Raises StorageUnavailableError.
    """
    if suite is None:
        note = f"no expectations are kept for {spec.stream} yet: `eddyline quality run {spec.stream}` infers them"
        return GateResult(passed=True, reasons=(), document={"notes": [note]})
    start_ms = since_archived(lake, spec.stream, start_ms)
    window = archive_rows(lake, spec.stream, spec.schema(), start_ms=start_ms, end_ms=max(start_ms, end_ms))
    return judge_window(window, suite, about_gate(spec, clock))


def judge_window(window: Window, suite: Suite, about: About) -> GateResult:
    """As `check_window`, of a window at hand."""
    answers = eased(list(judged(window, suite, gate_questions(suite))), window, suite)
    document = built(about, window, suite, answers)
    return GateResult(passed=document.verdict is Verdict.PASSED, reasons=document.reasons, document=document.document())


def eased(answers: Sequence[Judged], window: Window, suite: Suite) -> list[Judged]:
    """The answers with what merely moved as warnings."""
    faults = explained(answers, window, suite)
    return [
        replace(one, asked=replace(one.asked, severity=Severity.WARNING))
        if one.asked.what in MOVEMENTS and one.asked.name not in faults and one.verdict is not Verdict.ERROR
        else one
        for one in answers
    ]


def since_archived(lake: WindowArchive, stream: str, start_ms: int) -> int:
    """The window's start, or the archive's first event where that came later."""
    first = min((part.first_ms for part in lake.contents(stream)), default=start_ms)
    return max(start_ms, first)


def gate_questions(suite: Suite) -> list[Asked]:
    """What the gate asks."""
    return [asked for asked in asked_of(suite) if asked.what not in NOT_ASKED]


def about_gate(spec: StreamSpec, clock: Clock) -> About:
    """What the gate's document is about."""
    return About(
        stream=spec.stream,
        subject=Subject.GATE,
        result_id=uuid.uuid4().hex,
        created_ms=clock.now_ms(),
        suite_file=f"{spec.stream}.yaml",
        key_columns=spec.columns_with(Role.KEY),
        personal=spec.columns_with(Role.PERSONAL),
    )
