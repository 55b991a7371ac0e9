"""The parts of the page with pictures: columns, pairs, correlations, time patterns; and the sequence measures."""

from collections.abc import Mapping, Sequence
from typing import Any

from synth.report.parts import descriptions, figure, figure_text, interval_text, percent_text, section, table, text
from synth.report.pictures import associations, marginal, pair, time_patterns

Document = Mapping[str, Any]
KEY = (
    '<p class="key"><span class="real" aria-hidden="true"></span> real (filled) '
    '<span class="made" aria-hidden="true"></span> synthetic (dashed or hatched)</p>'
)
"""What the colours of marginals and time patterns stand for; lines and fills tell them apart too."""


def columns(document: Document) -> str:
    """Each column drawn, and all their scores."""
    pictures, items = document["pictures"], document["fidelity"]["columns"]
    scored = {item["names"][0]: item for item in items}
    figures = [_column(summary, scored[summary["column"]]) for summary in pictures["marginals"]]
    drawn = _drawn(len(figures), pictures["there_are"]["columns"], "columns")
    listed = table(
        "Shape of each column",
        ("column", "synthetic", "held-out real rows"),
        [(text(i["names"][0]), figure_text(i["value"]), figure_text(i["ceiling"])) for i in items],
    )
    left = document["fidelity"]["left_out"]
    skipped = "".join(f"<li>{text(name)}: {text(why)}</li>" for name, why in left.items())
    said = f"<p>Neither measured nor shown:</p><ul>{skipped}</ul>" if skipped else ""
    scores = f"<details><summary>All scores of columns</summary>{listed}</details>"
    shown = f'{KEY}<div class="figures">{"".join(figures)}</div>'
    return section("columns", "Columns", drawn, said, shown, scores, _classes(document["fidelity"]))


def _column(summary: Document, item: Document) -> str:
    alternative = f"{summary['column']}: shares of real and synthetic rows; {_both(item)}"
    return figure(summary["column"], marginal(dict(summary), alternative), _both(item) + _edges_note(summary))


def _both(item: Document) -> str:
    return f"score {figure_text(item['value'])}, real rows {figure_text(item['ceiling'])}"


def _edges_note(summary: Document) -> str:
    if summary["kind"] == "levels":
        return ""
    missing, beyond = summary["missing"], summary["beyond"]
    return (
        f"; missing {percent_text(missing[0])} real, {percent_text(missing[1])} synthetic"
        f"; beyond the ends {percent_text(beyond[0])} and {percent_text(beyond[1])}"
    )


def _drawn(shown: int, there_are: int, what: str) -> str:
    if shown == there_are:
        return ""
    return f"<p>Drawn are {shown} of {there_are:,} {what}: those that lose most against real rows.</p>"


def _classes(fidelity: Document) -> str:
    if not fidelity["classes"]:
        return ""
    rows = [(text(i["names"][0]), figure_text(i["value"]), figure_text(i["ceiling"])) for i in fidelity["classes"]]
    return table("Mean shape within each class of the label", ("class", "synthetic", "held-out real rows"), rows)


def pairs(document: Document) -> str:
    """The pairs that lose most."""
    pictures, items = document["pictures"], document["fidelity"]["pairs"]
    scored = {tuple(item["names"]): item for item in items}
    figures = []
    for summary in pictures["pairs"]:
        names = " × ".join(summary["columns"])
        both = _both(scored[tuple(summary["columns"])])
        figures.append(figure(names, pair(summary, f"{names}: joint shares of real and synthetic rows; {both}"), both))
    if not figures:
        return ""
    note = '<p class="quiet">Numbers in parts of equally many real rows, low to high; brighter is more frequent.</p>'
    drawn = _drawn(len(figures), pictures["there_are"]["pairs"], "pairs")
    return section("pairs", "Pairs of columns", drawn, note, f'<div class="figures wide">{"".join(figures)}</div>')


def correlations(pictures: Document) -> str:
    """Associations of all drawn columns."""
    found = pictures["associations"]
    if len(found["columns"]) < 2:
        return ""
    alternative = f"Associations between {len(found['columns'])} columns: real, synthetic, and their difference"
    gaps = [
        (abs(made - real), i, j)
        for i, (row_real, row_made) in enumerate(zip(found["real"], found["synthetic"], strict=True))
        for j, (real, made) in enumerate(zip(row_real, row_made, strict=True))
        if i < j
    ]
    worst, i, j = max(gaps)
    caption = (
        "Pearson's correlation of two numbers, Cramér's V of others. The greatest difference is "
        f"{worst:.3f}, {found['columns'][i]} with {found['columns'][j]}."
    )
    return section(
        "associations", "Correlations", figure("All columns", associations(dict(found), alternative), caption)
    )


def times(pictures: Document) -> str:
    """Rhythm and volume of each time column."""
    figures = [
        figure(
            found["column"],
            time_patterns(found, f"{found['column']}: hours, weekdays and volume of real and synthetic rows"),
            "UTC",
        )
        for found in pictures["times"]
    ]
    return section("times", "Time patterns", KEY, *figures) if figures else ""


def sequences(fidelity: Document) -> str:
    """What was measured of histories."""
    found = fidelity["sequences"]
    if not found:
        return ""
    scored = [
        (text(name), figure_text(score["value"]), interval_text(score["low"], score["high"]),
         figure_text(score["ceiling"]), figure_text(score["floor"]))
        for name, score in _scores(found)
    ]  # fmt: skip
    plain = {name.replace("_", " "): value for name, value in found.items() if not isinstance(value, Mapping)}
    headers = ("score", "synthetic", "95% interval", "ceiling: other real keys", "floor: shuffled")
    scores = table("Histories of keys: pace, rhythm, what follows what", headers, scored)
    return section("sequences", "Sequences", scores, descriptions(plain))


def _scores(found: Document, before: str = "") -> Sequence[tuple[str, Document]]:
    """Scores by name, those of a column under the name of their part."""
    rows: list[tuple[str, Document]] = []
    for name, value in found.items():
        if isinstance(value, Mapping):
            rows += [(before + name, value)] if "ceiling" in value else _scores(value, f"{before}{name}: ")
    return rows
