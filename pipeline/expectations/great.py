"""Great Expectations asks the suite: built-in expectations on the rows where one says what we mean, else on one row of
figures that were measured here. Its verdict is the verdict.

A fresh ephemeral context each run (updating a suite in place is quadratic), suites added whole, progress bars and
analytics off. A column at a time, so that memory is a column's. Personal columns are asked for verdicts alone.
"""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.expectations.asked import Asked, What
from pipeline.expectations.column_measures import ColumnView, measure_column
from pipeline.expectations.document import Verdict
from pipeline.expectations.judge import SLACK, Judged, for_window, own_verdict
from pipeline.expectations.row_measures import measure_rows
from pipeline.expectations.suite import Suite
from pipeline.expectations.window import Window

if TYPE_CHECKING:
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.expectations.expectation import Expectation

FIGURES = "figures"
_ON_NUMBERS = frozenset({What.LIMITS, What.QUANTILE, What.TRUE})
_ON_NAMES = frozenset({What.UNSEEN, What.LENGTHS})
_ON_ROWS = _ON_NUMBERS | _ON_NAMES | {What.MISSING, What.REPEATED}
"""Asked of the rows by an expectation that Great Expectations has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A judged question and who judged it."""

    judged: Judged
    engine: str
    """The expectation's type; empty where there was nothing to ask of."""


class GreatExpectations:
    """One run: an ephemeral context of its own."""

    def __init__(self) -> None:
        with _quiet():
            import great_expectations as gx
            from great_expectations.data_context.types.base import ProgressBarsConfig

        logging.getLogger("great_expectations").setLevel(logging.ERROR)
        self._gx = gx
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._batches: BatchDefinition[Any] = (
            self._context.data_sources.add_pandas("window")
            .add_dataframe_asset("rows")
            .add_batch_definition_whole_dataframe("all")
        )
        self._suites = 0

    @property
    def version(self) -> str:
        """Of the library."""
        return str(self._gx.__version__)

    def answers(self, window: Window, suite: Suite, questions: Sequence[Asked]) -> list[Answered]:
        """Every question's answer and verdict, in their order."""
        found: dict[str, Answered] = {}
        figures: list[Judged] = []
        for column, group in groupby(questions, key=lambda asked: asked.column):
            own = list(_judged(window, suite, column, group))
            on_rows = [j for j in own if j.asked.what in _ON_ROWS and j.measured.says]
            figures += [j for j in own if j.asked.what not in _ON_ROWS and j.measured.says]
            found |= {j.asked.name: Answered(judged=j, engine="") for j in own if not j.measured.says}
            if column is not None and on_rows:
                hidden = column in window.schema.names and window.is_personal(column)
                found |= self._asked(_frame(window, column, on_rows), on_rows, hidden=hidden)
        found |= self._asked(_figures(figures), figures, hidden=False)
        return [found[asked.name] for asked in questions]

    def _asked(self, frame: pd.DataFrame, judged: Sequence[Judged], *, hidden: bool) -> dict[str, Answered]:
        """Validate a frame and take the verdicts. Raises nothing: what cannot be asked is said."""
        if not judged:
            return {}
        self._suites += 1
        expectations = [expectation_of(j.asked) for j in judged]
        suite = self._context.suites.add(
            self._gx.ExpectationSuite(name=f"part {self._suites}", expectations=expectations)
        )
        with _quiet():
            batch = self._batches.get_batch({"dataframe": frame})
            result = batch.validate(suite, result_format="BOOLEAN_ONLY" if hidden else _RESULT_FORMAT)
        verdicts = {r.expectation_config.meta["asked"]: r for r in result.results if r.expectation_config is not None}
        return {j.asked.name: _answered(j, verdicts[j.asked.name]) for j in judged}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The library uses modules that Python calls deprecated; that is nothing our users can mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield


_RESULT_FORMAT: dict[str, Any] = {"result_format": "BASIC", "partial_unexpected_count": 0}


def expectation_of(asked: Asked) -> "Expectation":
    """The expectation that says what a question asks, bounds loosened by the slack of floating point."""
    if asked.what in _BUILT_IN:
        name, facts_of = _BUILT_IN[asked.what]
        column, facts = _column_of(asked), facts_of(asked)
    elif asked.what is What.TYPE:
        name, column, facts = "ExpectColumnValuesToBeInSet", asked.name, {"value_set": [asked.arrow_type]}
    else:
        least = None if asked.least is None else asked.least - SLACK
        most = None if asked.most is None else asked.most + SLACK
        name, column, facts = "ExpectColumnValuesToBeBetween", asked.name, {"min_value": least, "max_value": most}
    made: Expectation = getattr(_expectations(), name)(column=column, meta={"asked": asked.name}, **facts)
    return made


def _expectations() -> Any:
    """The module of expectations; imported late, it takes seconds."""
    with _quiet():
        import great_expectations.expectations as module
    return module


def _mostly(asked: Asked) -> float:
    return max(0.0, 1.0 - (asked.most or 0.0) - SLACK)


def _present(asked: Asked) -> dict[str, Any]:
    """Bounds on missing shares as bounds on the shares that are there."""
    least, most = asked.least or 0.0, 1.0 if asked.most is None else asked.most
    return {"min_value": max(0.0, 1.0 - most - SLACK), "max_value": min(1.0, 1.0 - least + SLACK)}


def _limits(asked: Asked) -> dict[str, Any]:
    return {"min_value": asked.low, "max_value": asked.high, "mostly": _mostly(asked)}


def _lengths(asked: Asked) -> dict[str, Any]:
    ends = [None if end is None else int(end) for end in (asked.low, asked.high)]
    return {"min_value": ends[0], "max_value": ends[1], "mostly": _mostly(asked)}


def _quantile(asked: Asked) -> dict[str, Any]:
    least = None if asked.least is None else asked.least - SLACK
    most = None if asked.most is None else asked.most + SLACK
    return {"quantile_ranges": {"quantiles": [asked.probability], "value_ranges": [[least, most]]}}


def _mean(asked: Asked) -> dict[str, Any]:
    least, most = asked.least or 0.0, 1.0 if asked.most is None else asked.most
    return {"min_value": least - SLACK, "max_value": most + SLACK}


_BUILT_IN: Mapping[What, tuple[str, Callable[[Asked], dict[str, Any]]]] = {
    What.MISSING: ("ExpectColumnProportionOfNonNullValuesToBeBetween", _present),
    What.LIMITS: ("ExpectColumnValuesToBeBetween", _limits),
    What.QUANTILE: ("ExpectColumnQuantileValuesToBeBetween", _quantile),
    What.TRUE: ("ExpectColumnMeanToBeBetween", _mean),
    What.UNSEEN: ("ExpectColumnValuesToBeInSet", lambda a: {"value_set": list(a.levels), "mostly": _mostly(a)}),
    What.LENGTHS: ("ExpectColumnValueLengthsToBeBetween", _lengths),
    What.REPEATED: ("ExpectColumnValuesToBeUnique", lambda a: {"mostly": _mostly(a)}),
}


def _column_of(asked: Asked) -> str:
    """The frame's column that a question is asked of: for each quantile one of its own, since figures of the same kind
    and column are taken for the same."""
    if asked.what is What.QUANTILE:
        return f"{asked.column} (number) {asked.probability:g}"
    form = "number" if asked.what in _ON_NUMBERS else "name" if asked.what in _ON_NAMES else "value"
    return f"{asked.column} ({form})"


def _judged(window: Window, suite: Suite, column: str | None, group: Iterable[Asked]) -> Iterator[Judged]:
    view = None if column is None else ColumnView(window, column)
    for asked in group:
        measured = measure_rows(window, asked) if view is None else measure_column(view, asked)
        bounded = for_window(asked, measured, suite, window)
        yield Judged(asked=bounded, measured=measured, verdict=own_verdict(bounded, measured))


def _frame(window: Window, column: str, judged: Sequence[Judged]) -> pd.DataFrame:
    """A column in the forms that its questions need."""
    forms: dict[str, Any] = {}
    for j in judged:
        name = _column_of(j.asked)
        if name not in forms:
            forms[name] = _form(window, column, name.removeprefix(f"{column} ").partition(" ")[0])
    return pd.DataFrame(forms)


def _form(window: Window, column: str, form: str) -> Any:
    view = ColumnView(window, column)
    if form == "(number)":
        return window.numbers(column)
    if form == "(name)" or pa.types.is_string(view.arrow_type) or pa.types.is_large_string(view.arrow_type):
        return window.names(column).to_pandas()
    values = window.table[column]
    if pa.types.is_floating(values.type):
        return window.numbers(column)
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    return values.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype(), pa.int8(): pd.Int8Dtype()}.get)


def _figures(judged: Sequence[Judged]) -> pd.DataFrame:
    """One row: what was measured of each question that Great Expectations cannot ask of rows."""
    return pd.DataFrame({j.asked.name: [j.measured.text or np.float64(j.measured.value)] for j in judged})


def _answered(judged: Judged, result: Any) -> Answered:
    info = result.exception_info or {}
    raised = next((e for e in info.values() if isinstance(e, dict) and e.get("raised_exception")), None)
    if raised is None and info.get("raised_exception"):
        raised = info
    engine = str(result.expectation_config.type)
    if raised is not None:
        measured = replace(judged.measured, error=f"could not be asked: {raised.get('exception_message', '')}"[:300])
        return Answered(judged=replace(judged, measured=measured, verdict=Verdict.ERROR), engine=engine)
    verdict = Verdict.PASSED if result.success else Verdict.FAILED
    return Answered(judged=replace(judged, verdict=verdict), engine=engine)
