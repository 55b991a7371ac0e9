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
from pipeline.expectations.suite import ColumnSuite, KeysSuite, RowsSuite, ShareBetween, Suite
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


def dataset_suite(
    suite: Suite, *, columns: Sequence[str], replaced: Sequence[str] = (), conditioned: bool = False
) -> Suite:
    """The suite as it is asked of a synthetic dataset: no times, volumes, keys or clocks. Of columns whose values are
    made up on purpose (`replaced`: identifiers, keys, personal ones) only type, missing share and repeats are asked.

    A dataset that was asked for under conditions (a label's share, a column's value) has other shares on purpose: of
    it only types, missing shares and impossible values are asked.
    """
    entries = {
        name: _of_dataset(entry, replaced=name in replaced, conditioned=conditioned)
        for name, entry in suite.columns.items()
        if name in columns
    }
    relations = () if conditioned else suite.relations
    copies = suite.rows.copies
    return suite.model_copy(
        update={
            "rows": RowsSuite(copies=None if copies is None else ShareBetween(most=copies.most)),
            "keys": KeysSuite(),
            "columns": entries,
            "relations": tuple(one for one in relations if {one.smaller, one.larger} <= set(columns)),
        }
    )


def _of_dataset(entries: ColumnSuite, *, replaced: bool, conditioned: bool) -> ColumnSuite:
    if replaced:
        return ColumnSuite(type=entries.type, missing=entries.missing, repeated=entries.repeated)
    if not conditioned:
        return entries
    levels = None if entries.levels is None else entries.levels.model_copy(update={"moved": None})
    return entries.model_copy(update={"quantiles": None, "zeros": None, "true": None, "levels": levels})
