"""Questions and answers in words, and the rows of the document. Values of personal columns are never among them."""

from pipeline.expectations.asked import SHARES, What
from pipeline.expectations.document import Checked, Verdict
from pipeline.expectations.judge import Judged
from pipeline.expectations.moments import number_text, seconds_text, share_text
from pipeline.expectations.window import Window

_OF = {
    What.MISSING: "missing",
    What.LIMITS: "of the values are impossible",
    What.ZEROS: "of the values are 0",
    What.TRUE: "of the values are true",
    What.UNSEEN: "of the values are names never seen before",
    What.LENGTHS: "of the texts have an unusual length",
    What.REPEATED: "of the rows have a value that another row has too",
    What.BACKWARDS: "of the rows are more than a minute behind the newest before them",
    What.STANDING: "of the rows are dated the same moment",
    What.COPIES: "of the rows are copies of another row",
    What.LARGEST_KEY: "of the rows belong to one key",
}
_PLAIN = {
    What.PER_HOUR: "{} rows an hour",
    What.KEYS: "{} different keys an hour",
    What.DOUBLED: "{} minutes in which every row stands twice",
    What.BY_HOUR: "{} hours with an unusual number of rows",
}


def checked(judged: Judged, window: Window, *, engine: str = "") -> Checked:
    """A question's row in the document."""
    asked, measured = judged.asked, judged.measured
    hidden = asked.column is not None and _is_personal(window, asked.column)
    reason = reason_of(judged) if judged.failed else ""
    return Checked(
        name=asked.name,
        column=asked.column,
        kind=asked.what.value,
        expected=expected_text(judged),
        observed=observed_text(judged),
        verdict=judged.verdict,
        severity=asked.severity,
        reason=reason,
        value=measured.value if measured.says and not measured.text else None,
        least=asked.least,
        most=asked.most,
        unexpected=measured.unexpected,
        unexpected_share=measured.unexpected / measured.rows if measured.unexpected and measured.rows else None,
        examples=() if hidden else measured.examples,
        edited=asked.edited,
        note=asked.note,
        engine=engine,
    )


def reason_of(judged: Judged) -> str:
    """One line that names the column and the fault."""
    asked, measured = judged.asked, judged.measured
    subject = asked.column if asked.column is not None else _SUBJECTS.get(asked.what, "rows")
    if measured.error:
        return f"{subject}: {measured.error}"
    if asked.what is What.RELATION:
        return f"{asked.smaller} and {asked.larger}: {observed_text(judged)}, expected {expected_text(judged)}"
    detail = f" ({measured.detail})" if measured.detail else ""
    return f"{subject}: {observed_text(judged)}{detail}, expected {expected_text(judged)}"


def expected_text(judged: Judged) -> str:
    """The bounds in words."""
    asked = judged.asked
    if asked.what is What.TYPE:
        return asked.arrow_type
    if asked.what is What.BY_HOUR:
        return "every hour within its bounds"
    if asked.what in (What.LIMITS, What.LENGTHS):
        ends = [None if end is None else number_text(end) for end in (asked.low, asked.high)]
        between = (
            f"{ends[0]} to {ends[1]}"
            if None not in ends
            else (f"{ends[0]} or more" if ends[0] else f"at most {ends[1]}")
        )
        return f"{between}, but for at most {share_text(asked.most or 0.0)}"
    least, most = (None if end is None else _figure(asked.what, end) for end in (asked.least, asked.most))
    if least is None:
        return f"at most {most}"
    return f"at least {least}" if most is None else f"{least} to {most}"


def observed_text(judged: Judged) -> str:
    """The answer in words."""
    asked, measured = judged.asked, judged.measured
    if measured.error:
        return measured.error
    if not measured.says:
        return "nothing to judge by: too few rows"
    if asked.what is What.TYPE:
        return measured.text
    figure = _figure(asked.what, measured.value)
    if asked.what in _OF:
        return f"{figure} {_OF[asked.what]}"
    if asked.what in _PLAIN:
        text = _PLAIN[asked.what].format(figure)
        return text.replace("1 hours", "1 hour") if figure == "1" else text
    if asked.what is What.QUANTILE:
        return f"{_quantile_name(asked.probability)} {figure}"
    if asked.what is What.MOVED:
        return f"shares of names moved by {figure}"
    if asked.what is What.FRESHNESS:
        return f"the newest event is {figure} old"
    if asked.what is What.LAG:
        return f"1 event in 20 arrives {figure} late or later"
    return f"{asked.smaller} is below {asked.larger} in {figure} of the rows"


def _figure(what: What, value: float) -> str:
    if what in SHARES or what is What.MOVED:
        return share_text(value)
    return seconds_text(value) if what in (What.FRESHNESS, What.LAG) else number_text(value)


def _quantile_name(probability: float) -> str:
    return "median" if probability == 0.5 else f"{100 * probability:g}th percentile"


def _is_personal(window: Window, column: str) -> bool:
    known = column in window.schema.names or column in window.table.column_names
    return known and window.is_personal(column)


_SUBJECTS = {
    What.PER_HOUR: "volume", What.BY_HOUR: "volume by hour", What.FRESHNESS: "clock", What.LAG: "clock",
    What.BACKWARDS: "clock", What.STANDING: "clock", What.KEYS: "keys", What.LARGEST_KEY: "keys",
}  # fmt: skip


def failed_first(rows: list[Checked]) -> tuple[Checked, ...]:
    """Errors, then failures, then the others; each in the suite's order."""
    order = {Verdict.ERROR: 0, Verdict.FAILED: 1, Verdict.PASSED: 2}
    return tuple(sorted(rows, key=lambda row: order[row.verdict]))
