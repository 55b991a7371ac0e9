"""Expectations on the page: failed ones as cards with counts and examples, warnings after them, passed ones folded."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.expectations.report.pictures import range_bar
from pipeline.expectations.report.words import (
    count_text,
    name_text,
    number_text,
    plural,
    said,
    share_text,
    value_html,
    value_text,
)
from synth.report.parts import section, table, text

Check = Mapping[str, Any]
MOST_CARDS = 40
MOST_EXAMPLES = 10


def failed(checks: Sequence[Check], personal: frozenset[str]) -> str:
    """Those that fail the window, then those that warn."""
    found = [check for check in checks if check["verdict"] != "passed"]
    grave = [check for check in found if check["severity"] != "warning"]
    warnings = [check for check in found if check["severity"] == "warning"]
    parts = []
    if grave:
        parts.append(_cards("failed", "Failed expectations", grave, personal))
    if warnings:
        note = "<p>Said, without failing the window: their severity in the suite is <em>warning</em>.</p>"
        parts.append(_cards("warnings", "Warnings", warnings, personal, note))
    return "".join(parts)


def _cards(identifier: str, title: str, checks: Sequence[Check], personal: frozenset[str], note: str = "") -> str:
    cards = "".join(_card(check, personal) for check in checks[:MOST_CARDS])
    others = checks[MOST_CARDS:]
    more = table(f"{title} beyond the first {MOST_CARDS}", _HEADERS, _rows(others), numbers_from=9) if others else ""
    return section(identifier, f"{title} ({len(checks):,})", note, f'<div class="cards">{cards}</div>', more)


def _card(check: Check, personal: frozenset[str]) -> str:
    lines = [("expected", said(check["expected"])), ("observed", said(check["observed"]))]
    if check["unexpected"] is not None:
        share = "" if check["unexpected_share"] is None else f" ({share_text(check['unexpected_share'])})"
        lines.append(("do not fit", f"{plural(check['unexpected'], 'row')}{share}"))
    lines += _examples(check, personal)
    if check["note"]:
        lines.append(("note", said(check["note"])))
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in lines)
    bar = ""
    if check["value"] is not None and not (check["least"] is None and check["most"] is None):
        bar = range_bar(check["value"], check["least"], check["most"], check["verdict"] == "passed")
    reason = f'<p class="reason">{said(check["reason"])}</p>' if check["reason"] else ""
    kind = "card warning" if check["severity"] == "warning" else "card"
    return f'<article class="{kind}"><h3>{_title(check)} {badge(check)}</h3>{reason}<dl>{listed}</dl>{bar}</article>'


def _examples(check: Check, personal: frozenset[str]) -> list[tuple[str, str]]:
    if check["column"] in personal:
        return [("examples", '<span class="quiet">values of a personal column are not shown</span>')]
    if not check["examples"]:
        return []
    shown = "".join(value_html(value) for value in check["examples"][:MOST_EXAMPLES])
    return [("examples", f'<span class="values">{shown}</span>')]


def _title(check: Check) -> str:
    about = check["column"] if check["column"] is not None else "all rows"
    edited = ' <span class="quiet">(edited)</span>' if check["edited"] else ""
    return f"<span>{text(value_text(about))}: {text(name_text(check['kind']))}{edited}</span>"


def badge(check: Check) -> str:
    """A verdict in words with its sign."""
    if check["verdict"] == "passed":
        return '<span class="badge ok">✓ passed</span>'
    if check["verdict"] == "error":
        return '<span class="badge">! could not be asked</span>'
    return (
        '<span class="badge warning">△ warning</span>'
        if check["severity"] == "warning"
        else '<span class="badge">✗ failed</span>'
    )


def passed(checks: Sequence[Check]) -> str:
    """Those that hold, folded; by column, in the order of the suite."""
    found = [check for check in checks if check["verdict"] == "passed"]
    if not found:
        return ""
    listed = table("Expectations that hold", _HEADERS, _rows(found), numbers_from=9)
    summary = f"<summary>Expectations that hold ({len(found):,})</summary>"
    return section("passed", "Passed expectations", f"<details>{summary}{listed}</details>")


_HEADERS = ("expectation", "expected", "observed", "verdict")


def _rows(checks: Iterable[Check]) -> list[tuple[str, str, str, str]]:
    rows = []
    for check in checks:
        note = f'<span class="quiet">{said(check["note"])}</span>' if check["note"] else ""
        rows.append((_title(check) + note, said(check["expected"]), said(check["observed"]), badge(check)))
    return rows


def evaluated(checks: Sequence[Check]) -> tuple[int, int, int, int]:
    """How many were asked, and how many of them failed, could not be asked, and only warn."""
    warn = [check for check in checks if check["verdict"] == "failed" and check["severity"] == "warning"]
    errors = sum(check["verdict"] == "error" for check in checks)
    return len(checks), sum(check["verdict"] == "failed" for check in checks) - len(warn), errors, len(warn)


def terminal_row(check: Check) -> tuple[str, str, str, str]:
    """Expectation, expected, observed and rows that do not fit, as the terminal shows them."""
    column = check["column"] if check["column"] is not None else "all rows"
    count = "" if check["unexpected"] is None else count_text(check["unexpected"])
    observed = check["observed"] or number_text(check["value"])
    return f"{value_text(column)}: {name_text(check['kind'])}", check["expected"], observed, count
