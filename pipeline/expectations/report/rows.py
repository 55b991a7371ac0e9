"""What the page says of the rows as a whole: volume by hour, freshness, keys, duplicates, canaries, feedback."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.expectations.report.drawing import both
from pipeline.expectations.report.pictures import recall_bar, volume
from pipeline.expectations.report.words import (
    count_text,
    length_text,
    moment_text,
    name_text,
    number_text,
    plural,
    said,
    share_text,
    value_text,
)
from synth.report.parts import NOT_KNOWN, descriptions, section, table, text

Part = Mapping[str, Any]
_MS_AT_LEAST = 10**11
"""A number under a name that ends in _ms is a moment from here on (1973), else a stretch of time."""


def hours(found: Sequence[Part]) -> str:
    """Rows by hour before the band that was expected, and a table of the hours that do not fit."""
    if not found:
        return ""
    odd = [hour for hour in found if not hour["fits"]]
    alternative = f"Rows of each of {len(found)} hours; {len(odd)} outside what was expected"
    drawn = both(lambda width: volume(found, alternative, width))
    key = (
        '<p class="key"><span class="bar" aria-hidden="true"></span> rows of an hour (red, with ▼ above: does not fit)'
        '<span class="band" aria-hidden="true"></span> expected</p>'
    )
    title = f"<h3>Rows by hour (UTC)</h3>{drawn}"
    figure = f'<figure class="full">{title}<figcaption>{text(_volume_caption(found, odd))}</figcaption></figure>'
    return section("volume", "Volume by hour", key, figure, _odd_hours(odd))


def _volume_caption(found: Sequence[Part], odd: Sequence[Part]) -> str:
    total = sum(hour["rows"] for hour in found)
    fits = "all as expected" if not odd else f"{len(odd)} not as expected"
    return f"{plural(total, 'row')} in {plural(len(found), 'hour')}; {fits}"


def _odd_hours(odd: Sequence[Part]) -> str:
    if not odd:
        return ""
    rows = [
        (moment_text(hour["start_ms"]), count_text(hour["rows"]), count_text(hour["least"]), count_text(hour["most"]))
        for hour in odd
    ]
    listed = table(
        "Rows of hours that do not fit, and what was expected", ("hour from (UTC)", "rows", "expected from", "to"), rows
    )
    opened = " open" if len(odd) <= 8 else ""
    return f"<details{opened}><summary>Hours that do not fit ({len(odd):,})</summary>{listed}</details>"


def freshness_and_keys(freshness: Part | None, keys: Part | None) -> str:
    """How old the newest event was, and how many keys were seen."""
    rows: list[tuple[str, ...]] = []
    if freshness is not None:
        newest = NOT_KNOWN if freshness["newest_ms"] is None else f"{moment_text(freshness['newest_ms'])} UTC"
        age = NOT_KNOWN if freshness["age_seconds"] is None else length_text(1000 * freshness["age_seconds"])
        most = "" if freshness["most_seconds"] is None else f"at most {length_text(1000 * freshness['most_seconds'])}"
        rows.append(("newest event", _fits(None), newest, ""))
        rows.append(("its age at the window's end", _fits(freshness["fits"]), age, most))
    if keys is not None:
        name = ", ".join(value_text(column) for column in keys["columns"]) or "key"
        between = f"{number_text(keys['least'])} to {number_text(keys['most'])}"
        expected = "" if keys["least"] is None and keys["most"] is None else between
        rows.append((f"different keys ({text(name)})", _fits(None), count_text(keys["distinct"]), ""))
        rows.append(("different keys an hour", _fits(keys["fits"]), number_text(keys["per_hour"]), expected))
        rows.append(("rows of the busiest key", _fits(None), share_text(keys["largest_share"]), ""))
    if not rows:
        return ""
    listed = table(
        "How new the events are and how many keys they have",
        ("what", "verdict", "observed", "expected"),
        rows,
        numbers_from=2,
    )
    return section("coverage", "Freshness and keys", listed)


def _fits(fits: bool | None) -> str:
    if fits is None:
        return '<span class="badge none">not judged</span>'
    return '<span class="badge ok">✓ as expected</span>' if fits else '<span class="badge">✗ not as expected</span>'


def duplicates(found: Part | None) -> str:
    """What was found of equal and nearly equal rows."""
    if found is None:
        return ""
    rows, exact = found.get("rows"), found.get("exact_rows")
    lead = ""
    if isinstance(rows, int) and isinstance(exact, int) and rows:
        lead = f"<p>{plural(exact, 'row')} of {count_text(rows)} equal an earlier one ({share_text(exact / rows)}).</p>"
    return section("duplicates", "Duplicates", lead, descriptions(readable(found)))


def canaries(found: Part | None) -> str:
    """Live recall by family: of anomalies put into a shadow copy of the stream, those that were caught."""
    if found is None:
        return ""
    families = sorted(found.get("families", ()), key=lambda family: str(family["family"]))
    rows = [_family(family) for family in families]
    note = (
        "<p>Anomalies of known kind, put into a shadow copy of the live stream and scored by the champion; they are "
        "never shown as alerts.</p>"
    )
    fallen = "".join(
        f'<p><span class="badge warning">△ fell</span> {said(words)}</p>' for words in found.get("fallen", ())
    )
    headers = ("kind", "put in", "caught", "recall", "95% interval", "as a bar")
    listed = table("Live recall by kind of anomaly", headers, rows) if rows else "<p>None were put in.</p>"
    rest = readable({name: value for name, value in found.items() if name not in ("families", "fallen")})
    return section("canaries", "Canaries", note, fallen, listed, descriptions(rest) if rest else "")


def _family(family: Part) -> tuple[str, ...]:
    share = family["caught"] / family["injected"] if family["injected"] else None
    low, high = family.get("low"), family.get("high")
    return (
        text(name_text(value_text(family["family"]))),
        count_text(family["injected"]),
        count_text(family["caught"]),
        share_text(share),
        NOT_KNOWN if low is None or high is None or share is None else f"{share_text(low)} – {share_text(high)}",
        NOT_KNOWN if share is None else recall_bar(share),
    )


def feedback(found: Part | None) -> str:
    """Precision as judged by people."""
    if found is None:
        return ""
    confirmed, false = found.get("confirmed", 0), found.get("false_positives", 0)
    judged = confirmed + false
    precision = share_text(confirmed / judged) if judged else NOT_KNOWN
    words = (
        f"Of {plural(judged, 'alert')} that people judged, {confirmed:,} were confirmed and {false:,} were false: "
        f"precision {precision}. Alerts that nobody judged are in neither number."
    )
    rest = {name: value for name, value in found.items() if name not in ("confirmed", "false_positives")}
    return section("feedback", "What people said of alerts", f"<p>{text(words)}</p>", descriptions(readable(rest)))


def readable(values: Part) -> dict[str, Any]:
    """Names as words, counts with their thousands apart, moments as such; nested as they are."""
    return {name_text(value_text(name)).removesuffix(" ms"): _readable(name, value) for name, value in values.items()}


def _readable(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return readable(value)
    if isinstance(value, list | tuple):
        return [_readable(name, inner) for inner in value]
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: None}[value]
    if isinstance(value, int | float):
        if name.endswith("_ms"):
            return f"{moment_text(value)} UTC" if value >= _MS_AT_LEAST else length_text(value)
        if name.endswith("_share"):
            return share_text(value)
        return number_text(value) if isinstance(value, float) else count_text(value)
    return value_text(value)
