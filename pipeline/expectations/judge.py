"""Bounds as they hold for one window, and the verdict on each question.

The gate judges with this alone; a full run hands the same bounds to Great Expectations, whose verdict then counts.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from pipeline.expectations.asked import SHARES, Asked, What
from pipeline.expectations.column_measures import ColumnView, measure_column
from pipeline.expectations.document import Verdict
from pipeline.expectations.measured import Measured
from pipeline.expectations.row_measures import measure_rows
from pipeline.expectations.suite import Suite
from pipeline.expectations.tolerance import least_by_chance, most_by_chance
from pipeline.expectations.window import Window

SLACK = 1e-9
"""Of floating point, the same wherever bounds are compared."""
_GROWS = frozenset({What.COPIES, What.DOUBLED, What.REPEATED})
"""Figures that are greater in longer windows."""
_BURSTS = frozenset({What.STANDING, What.LARGEST_KEY})
"""Bursts have a size of their own: in a window with few rows the same one is a greater share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A question, its answer, and what came of it."""

    asked: Asked
    """With the bounds as they hold for this window."""
    measured: Measured
    verdict: Verdict

    @property
    def failed(self) -> bool:
        """Whether it says anything against the window."""
        return self.verdict is not Verdict.PASSED


def judged(window: Window, suite: Suite, questions: Iterable[Asked]) -> Iterator[Judged]:
    """Answers and verdicts, in the order of the questions; a column's rows are decoded once and let go of."""
    for column, group in groupby(questions, key=lambda asked: asked.column):
        view = None if column is None else ColumnView(window, column)
        for asked in group:
            measured = measure_rows(window, asked) if view is None else measure_column(view, asked)
            bounded = for_window(asked, measured, suite, window)
            yield Judged(asked=bounded, measured=measured, verdict=own_verdict(bounded, measured))


def own_verdict(asked: Asked, measured: Measured) -> Verdict:
    """What the bounds say of the answer."""
    if measured.error:
        return Verdict.ERROR
    if not measured.says:
        return Verdict.PASSED
    if asked.what is What.TYPE:
        return Verdict.PASSED if measured.text == asked.arrow_type else Verdict.FAILED
    low = asked.least is not None and measured.value < asked.least - SLACK
    high = asked.most is not None and measured.value > asked.most + SLACK
    return Verdict.FAILED if low or high else Verdict.PASSED


def for_window(asked: Asked, measured: Measured, suite: Suite, window: Window) -> Asked:
    """The question with bounds widened by what chance adds in fewer rows or fewer hours than the suite was made of."""
    asked = _for_length(asked, suite, window)
    if asked.what in _BURSTS and asked.most is not None and measured.rows < suite.inferred.window_rows:
        return replace(asked, most=min(1.0, asked.most * suite.inferred.window_rows / max(1, measured.rows)))
    if asked.what in SHARES and measured.rows:
        chance = suite.chance / 2
        least = None if asked.least is None else least_by_chance(asked.least, measured.rows, chance)
        most = None if asked.most is None else most_by_chance(asked.most, measured.rows, chance)
        return replace(asked, least=least, most=most)
    factor = math.sqrt(max(1.0, suite.inferred.window_rows / measured.rows)) if measured.rows else 1.0
    if factor <= 1.0:
        return asked
    if asked.what is What.MOVED and asked.most is not None:
        return replace(asked, most=min(1.0, asked.most * factor))
    return _wider(asked, factor) if asked.what is What.QUANTILE else asked


def _for_length(asked: Asked, suite: Suite, window: Window) -> Asked:
    if suite.inferred.window_hours is None or window.hours is None:
        return asked
    ratio = window.hours / suite.inferred.window_hours
    if asked.most is not None and asked.what in _GROWS and ratio > 1:
        return replace(asked, most=asked.most * ratio if asked.what is What.DOUBLED else min(1.0, asked.most * ratio))
    if asked.what in (What.PER_HOUR, What.KEYS) and ratio < 1:
        return _wider(asked, math.sqrt(1 / ratio))
    return asked


def _wider(asked: Asked, factor: float) -> Asked:
    """Bounds further apart about their middle, on a scale of ratios where they are positive."""
    if asked.least is None or asked.most is None:
        return asked
    if asked.least > 0:
        middle, half = math.sqrt(asked.least * asked.most), math.sqrt(asked.most / asked.least) ** factor
        return replace(asked, least=middle / half, most=middle * half)
    middle, reach = (asked.least + asked.most) / 2, (asked.most - asked.least) / 2 * factor
    return replace(asked, least=middle - reach, most=middle + reach)
