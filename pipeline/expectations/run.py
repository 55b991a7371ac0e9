"""A full run: a window of the archive or a synthetic dataset against its suite, judged by Great Expectations."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.expectations.asked import asked_of
from pipeline.expectations.build import About, built
from pipeline.expectations.document import QualityDocument
from pipeline.expectations.great import GreatExpectations
from pipeline.expectations.profile import ColumnProfile, distributions
from pipeline.expectations.suite import Suite
from pipeline.expectations.window import Window


def validated_window(
    window: Window, suite: Suite, about: About, *, profiles: Sequence[ColumnProfile] = ()
) -> QualityDocument:
    """The document of a window. Great Expectations' verdicts; the words are ours."""
    began = time.perf_counter()
    engine = GreatExpectations()
    answers = engine.answers(window, suite, asked_of(suite))
    facts: dict[str, Any] = {
        "great_expectations": engine.version,
        "seconds": round(time.perf_counter() - began, 2),
        "window_hours": window.hours,
        **about.facts,
    }
    return built(
        replace(about, facts=facts),
        window,
        suite,
        [answer.judged for answer in answers],
        engines={answer.judged.asked.name: answer.engine for answer in answers},
        distributions=distributions(profiles, window),
    )
