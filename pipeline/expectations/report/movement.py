"""Drift on the page: what moved, beside its own noise; and each column's shares in the window and the reference."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.expectations.report.distributions import distribution
from pipeline.expectations.report.drawing import both
from pipeline.expectations.report.pictures import MOST_BARS, drift_bars
from pipeline.expectations.report.words import count_text, number_text, plural, said, share_text, span_text, value_text
from synth.report.parts import NOT_KNOWN, section, table, text

MOST_DISTRIBUTIONS = 60
SCORE = "anomaly score"
_DISTANCES = {"ks": "KS", "tv": "TV"}
Part = Mapping[str, Any]


def drift(found: Part | None) -> str:
    """The whole section; nothing where drift was not measured."""
    if found is None:
        return ""
    columns = _measured(found)
    sign = "△ drifted" if found["drifted"] else "✓ no drift"
    badge = f'<span class="badge {"warning" if found["drifted"] else "ok"}">{sign}</span>'
    against = f"{count_text(found['reference_rows'])} rows of {span_text(found['reference'])}"
    model = f", what model {text(found['model_id'])} learned from" if found["model_id"] else ""
    lines = [
        f"<p>{badge} {said(found['reason'])}</p>",
        f'<p class="quiet">Held against {against}{model}. {_how_many(columns)} moved beyond noise, the greatest value '
        "that chance explains: what clean parts of the reference show against each other.</p>",
    ]
    lines += [f"<p>{said(found[slot])}</p>" for slot in ("breadth",) if found[slot]]
    if found["asked"]:
        lines.append(f"<p>Asked for because of it: run {text(found['asked'])}.</p>")
    return section("drift", "Drift", *lines, _two_sample(found["two_sample"]), _bars(columns), _table(columns))


def _how_many(columns: Sequence[Part]) -> str:
    """`2 of 20 columns, and the score`."""
    of_columns = [column for column in columns if column["column"] != SCORE]
    moved = f"{sum(column['drifted'] for column in of_columns):,} of {plural(len(of_columns), 'column')}"
    score = [column for column in columns if column["column"] == SCORE]
    return moved + (f", and the score{'' if score[0]['drifted'] else ' not'}," if score else "")


def _measured(found: Part) -> list[Part]:
    """The score first, then drifted columns, the furthest beyond their noise first."""
    columns = sorted(found["columns"], key=lambda column: (not column["drifted"], -_excess(column)))
    score = [{**found["score"], "column": SCORE}] if found["score"] is not None else []
    return [*score, *columns]


def _excess(column: Part) -> float:
    measures = [column[name] for name in ("psi", "shift", "missing") if column[name] is not None]
    return max((float(m["value"]) / max(float(m["noise"]), 1e-6) for m in measures), default=0.0)


def _two_sample(found: Part | None) -> str:
    if found is None:
        return ""
    words = (
        f"A classifier tells the window's rows from the reference's with an area of {number_text(found['area'])} "
        f"(95% interval {number_text(found['low'])} to {number_text(found['high'])}; 0.5 is a guess, "
        f"{number_text(found['noise'])} is noise): {'beyond noise' if found['beyond'] else 'within noise'}."
    )
    told = ", ".join(f"{value_text(name)} ({number_text(fall)})" for name, fall in found["columns"])
    by = f" It tells them by {told}: how much the area falls without each." if told and found["beyond"] else ""
    return f"<p>{said(words + by)}</p>"


def _bars(columns: Sequence[Part]) -> str:
    """The measure that says most of each column: its distance, or what is missing where that moved more."""
    rows = []
    for column in columns:
        measure = _foremost(column)
        if measure is not None:
            rows.append((_bar_name(column), measure["value"], measure["noise"], column["drifted"]))
    if not rows:
        return ""
    drifted = [name for name, *_, moved in rows if moved]
    alternative = (
        f"Distance of each column from the reference beside its noise; drifted: {', '.join(drifted) or 'none'}"
    )
    drawn = both(lambda width: drift_bars(rows, alternative, width))
    key = (
        '<p class="key"><span class="bar" aria-hidden="true"></span> distance, red with ▲ where it drifted'
        '<span class="noise" aria-hidden="true"></span> noise</p>'
    )
    rest = len(rows) - MOST_BARS
    more = f" {plural(rest, 'more column')} in the table." if rest > 0 else ""
    caption = (
        f"From 0, the same, to 1, nothing in common: KS of numbers, TV of names, difference of missing shares.{more}"
    )
    title = "<h3>Distance from the reference</h3>"
    return f'{key}<figure class="full">{title}{drawn}<figcaption>{caption}</figcaption></figure>'


def _foremost(column: Part) -> Part | None:
    known = [column[name] for name in ("shift", "missing") if column[name] is not None]
    beyond = [measure for measure in known if measure["beyond"]]
    return max(beyond or known[:1], key=lambda measure: float(measure["value"]), default=None)


def _bar_name(column: Part) -> str:
    is_missing = _foremost(column) is column["missing"] and column["shift"] is not None
    return f"{value_text(column['column'])}{' (missing)' if is_missing else ''}"


def _table(columns: Sequence[Part]) -> str:
    with_breadth = any(column["breadth"] is not None for column in columns)
    headers = ["column", "drift", "PSI", "KS or TV", "missing"] + ["keys moved"] * with_breadth
    rows = []
    for column in columns:
        note = f'<span class="quiet">{said(column["note"])}</span>' if column["note"] else ""
        state = '<span class="badge warning">△ drifted</span>' if column["drifted"] else "no"
        distance = _measure(column["shift"], _DISTANCES.get(column["distance"], ""))
        cells = [text(value_text(column["column"])) + note, state, _measure(column["psi"]), distance]
        cells.append(_measure(column["missing"]))
        rows.append(cells + [share_text(column["breadth"])] * with_breadth)
    return table("Measures beside their noise; ▲ is beyond it", headers, rows, numbers_from=2)


def _measure(measure: Part | None, name: str = "") -> str:
    if measure is None:
        return NOT_KNOWN
    mark = "<b>▲ </b>" if measure["beyond"] else ""
    value, noise = number_text(round(measure["value"], 4)), number_text(round(measure["noise"], 4))
    return f'{mark}{name} {value}<span class="quiet"> / {noise}</span>'


def distributions(document: Part) -> str:
    """Small multiples, the drifted columns first, then those that moved most."""
    known = document["distributions"]
    if not known:
        return ""
    moved = {c["column"]: c["drifted"] for c in (document["drift"] or {"columns": ()})["columns"]}
    ordered = sorted(known, key=lambda summary: (not moved.get(summary["column"], False), -_distance(summary)))
    key = (
        '<p class="key"><span class="fill" aria-hidden="true"></span> reference (filled)'
        '<span class="line" aria-hidden="true"></span><span class="hatch" aria-hidden="true"></span> '
        "this window (outline, hatched)</p>"
    )
    shown = ordered[:MOST_DISTRIBUTIONS]
    figures = "".join(_figure(summary, moved.get(summary["column"], False)) for summary in shown)
    rest = len(ordered) - len(shown)
    more = f"<p>{plural(rest, 'more column')} that moved less in the JSON beside this page.</p>" if rest > 0 else ""
    return section("distributions", "Distributions", key, f'<div class="figures">{figures}</div>', more)


def _distance(summary: Part) -> float:
    """Half the sum of differences of shares."""
    pairs = zip(summary["reference"], summary["observed"], strict=True)
    extra = [summary[name] for name in ("missing", "beyond")]
    return 0.5 * sum(abs(float(before) - float(now)) for before, now in (*pairs, *extra))


def _figure(summary: Part, drifted: bool) -> str:
    name = value_text(summary["column"])
    missing, beyond = summary["missing"], summary["beyond"]
    facts = []
    if max(missing) > 0:
        facts.append(f"missing {share_text(missing[0])} → {share_text(missing[1])}")
    if max(beyond) > 0 and summary["kind"] != "levels":
        facts.append(f"outside the drawn range {share_text(beyond[0])} → {share_text(beyond[1])}")
    caption = "; ".join([f"the two differ in {share_text(_distance(summary))} of the rows", *facts])
    drawn = distribution(summary, f"{name}: shares in the reference and in this window; {caption}")
    badge = ' <span class="badge warning">△ drifted</span>' if drifted else ""
    return f"<figure><h3><span>{text(name)}</span>{badge}</h3>{drawn}<figcaption>{text(caption)}</figcaption></figure>"
