"""Verdicts over runs: a strip of marks, newest last, linked to the pages that still lie beside this one, and a table.

The part stands between two marks of its own, so that a folder of reports can take links out of it when the pages that
they lead to are removed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.expectations.report.words import VERDICTS, machine_time, moment_text, span_text
from synth.report.parts import section, table, text

MOST_RUNS = 60
BEGIN, END = "<!--history-->", "<!--/history-->"
Run = Mapping[str, Any]


def history(document: Mapping[str, Any], links: Mapping[str, str]) -> str:
    """The section, between its marks. `links`: result id → address of the pages that exist."""
    now = {**document["window"], **{name: document[name] for name in ("result_id", "created_ms", "verdict")}}
    now |= {"failed": _failed(document), "evaluated": len(document["expectations"])}
    runs = [run for run in document["history"] if run["result_id"] != document["result_id"]][-(MOST_RUNS - 1) :]
    marks = "".join(_mark(run, links) for run in runs) + _mark(now, {}, " now")
    counts = _counts([*runs, now])
    strip = f'<ol class="strip" aria-label="Verdicts, oldest first">{marks}</ol>'
    rows = [_row(run, links) for run in reversed(runs)]
    rows.insert(0, _row(now, {}, "this report"))
    listed = table("Runs, newest first", ("made (UTC)", "window", "verdict", "failed", "asked"), rows, numbers_from=3)
    legend = '<p class="quiet">✓ passed, ✗ failed, ! could not be judged; dashed marks have no page any more.</p>'
    folded = f"<details><summary>All of them as a table</summary>{listed}</details>"
    body = section("history", "Verdicts over runs", f"<p>{text(counts)}</p>", strip, legend, folded)
    return f"{BEGIN}{body}{END}"


def _failed(document: Mapping[str, Any]) -> int:
    return sum(check["verdict"] != "passed" and check["severity"] != "warning" for check in document["expectations"])


def _counts(runs: Sequence[Run]) -> str:
    bad = sum(run["verdict"] != "passed" for run in runs)
    streak = next((at for at, run in enumerate(reversed(runs)) if run["verdict"] != runs[-1]["verdict"]), len(runs))
    word = VERDICTS[runs[-1]["verdict"]][0]
    if len(runs) == 1:
        return f"{word.capitalize()}; the first run."
    newest = f"the newest {streak} in a row" if streak > 1 else "the newest"
    return f"{len(runs) - bad} of {len(runs)} runs passed; {newest} {word}."


def _mark(run: Run, links: Mapping[str, str], more: str = "") -> str:
    words, sign = VERDICTS[run["verdict"]]
    told = f"{moment_text(run['created_ms'])} UTC: {words}" + (" (this report)" if more else "")
    inner = f'<span aria-hidden="true">{sign}</span><span class="hidden">{text(told)}</span>'
    kind = f'class="mark {run["verdict"]}{more}" title="{text(told)}"'
    link = links.get(run["result_id"])
    return (
        f"<li><span {kind}>{inner}</span></li>"
        if link is None
        else f'<li><a {kind} href="{text(link)}">{inner}</a></li>'
    )


def _row(run: Run, links: Mapping[str, str], note: str = "") -> tuple[str, ...]:
    words, sign = VERDICTS[run["verdict"]]
    moment = f'<time datetime="{machine_time(run["created_ms"])}" class="whole">{moment_text(run["created_ms"])}</time>'
    link = links.get(run["result_id"])
    name = moment if link is None else f'<a href="{text(link)}">{moment}</a>'
    kind = "badge ok" if run["verdict"] == "passed" else "badge"
    verdict = f'<span class="{kind}">{sign} {words}</span>'
    return (
        name + (f' <span class="quiet">{note}</span>' if note else ""),
        f'<span class="whole">{text(span_text(run))}</span>',
        verdict,
        f"{run['failed']:,}",
        f"{run['evaluated']:,}",
    )


def with_history(html: str, document: Mapping[str, Any], links: Mapping[str, str]) -> str:
    """A page with its part on earlier runs made anew; as it was where it has none."""
    before, begin, rest = html.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{history(document, links)}{after}" if begin and end else html
