"""The page of one quality result: one HTML file that needs nothing else, made from the result's document alone."""

from collections.abc import Mapping
from typing import Any

from pipeline.expectations.report import checks, movement, rows
from pipeline.expectations.report.past import history
from pipeline.expectations.report.personal import without_personal
from pipeline.expectations.report.style import HATCH, STYLE
from pipeline.expectations.report.words import (
    SUBJECTS,
    count_text,
    machine_time,
    moment_text,
    name_text,
    plural,
    said,
    span_text,
    value_text,
    visible_document,
)
from synth.report.parts import NOT_KNOWN, descriptions, section, table, text

Document = Mapping[str, Any]
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'"
"""Nothing is loaded from anywhere, whatever a value in the data says."""
_PARTS = {
    "failed": "Failed",
    "warnings": "Warnings",
    "passed": "Passed",
    "history": "Verdicts over runs",
    "drift": "Drift",
    "distributions": "Distributions",
    "volume": "Volume",
    "coverage": "Freshness and keys",
    "duplicates": "Duplicates",
    "canaries": "Canaries",
    "feedback": "Feedback",
    "lineage": "Lineage",
    "about": "About",
}


def page(document: Document, *, links: Mapping[str, str] | None = None, index: str | None = None) -> str:
    """The result as HTML: no script, no font, no address is loaded; readable on a phone, in the dark, on paper.

    `links`: result id → address, of the earlier pages that exist; `index`: address of the page over all results.
    Values of the document's personal columns are not shown, even where the document has some.
    """
    document = visible_document(without_personal(document))
    personal, asked = frozenset(document["personal"]), document["expectations"]
    found = "".join(
        [
            checks.failed(asked, personal),
            checks.passed(asked),
            history(document, links or {}),
            movement.drift(document["drift"]),
            movement.distributions(document),
            rows.hours(document["volume"]),
            rows.freshness_and_keys(document["freshness"], document["keys"]),
            rows.duplicates(document["duplicates"]),
            rows.canaries(document["canaries"]),
            rows.feedback(document.get("feedback")),
            _lineage(document),
            _about(document),
        ]
    )
    is_drift = document["subject"] == "drift"
    title = f"{value_text(document['stream'])}: {'' if is_drift else 'quality of a '}{SUBJECTS[document['subject']]}"
    top = f"{_verdict(document)}{_facts(document)}{_contents(found)}"
    back = (
        "" if index is None else f'<nav class="back" aria-label="Reports"><a href="{text(index)}">All reports</a></nav>'
    )
    return framed(
        title,
        f'{back}<h1>{text(title)}</h1><p class="quiet">{said(_subtitle(document))}</p>',
        top + found,
        _footer(document),
    )


def framed(title: str, header: str, main: str, footer: str) -> str:
    """A whole page around its parts."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'
        f'<meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">'
        f'<style>{STYLE}</style></head><body><a class="skip" href="#main">To the content</a>{HATCH}'
        f'<header>{header}</header><main id="main" tabindex="-1">{main}</main><footer>{footer}</footer></body></html>\n'
    )


def _subtitle(document: Document) -> str:
    about = f" {value_text(document['subject_id'])}," if document["subject_id"] else ""
    return f"{SUBJECTS[document['subject']].capitalize()},{about} {span_text(document['window'])}".replace(
        f", {NOT_KNOWN}", ""
    )


def verdict_words(document: Document) -> str:
    """The verdict in one line."""
    total, failed, errors, warnings = checks.evaluated(document["expectations"])
    if not total and document["drift"] is not None:
        return "Drifted: recent rows moved away" if document["drift"]["drifted"] else "Passed: no drift"
    warned = f"; {plural(warnings, 'warning')}" if warnings else ""
    if document["verdict"] == "passed":
        return f"Passed: {plural(total, 'expectation')} asked{warned or ', all hold'}"
    parts = [f"{failed:,} of {plural(total, 'expectation')} failed"] if failed or not errors else []
    parts += [f"{errors:,} could not be asked"] if errors else []
    word = "Failed" if document["verdict"] == "failed" else "Could not be judged"
    return f"{word}: {', '.join(parts)}{warned}"


def _verdict(document: Document) -> str:
    kind = document["verdict"]
    sign = {"passed": "✓", "failed": "✗", "error": "!"}[kind]
    reasons = "".join(f"<li>{said(reason)}</li>" for reason in document["reasons"])
    listed = f"<ul>{reasons}</ul>" if reasons else ""
    words = f'<p><span class="sign" aria-hidden="true">{sign}</span>{said(verdict_words(document))}</p>'
    notes = "".join(f"<li>{said(note)}</li>" for note in document["notes"])
    noted = f'<ul class="notes" aria-label="Notes">{notes}</ul>' if notes else ""
    return f'<div class="verdict {kind}" id="verdict" role="region" aria-label="Verdict">{words}{listed}</div>{noted}'


def _facts(document: Document) -> str:
    """The figures that one looks for first."""
    looked = document["looked_at"]
    sample = f"{count_text(looked)} looked at" if looked < document["rows"] else "all looked at"
    total, failed, errors, warnings = checks.evaluated(document["expectations"])
    moved = [c for c in (document["drift"] or {"columns": ()})["columns"] if c["drifted"]]
    drift = NOT_KNOWN if document["drift"] is None else plural(len(moved), "column")
    odd = sum(not hour["fits"] for hour in document["volume"])
    facts = [
        ("rows", count_text(document["rows"]), sample),
        ("expectations failed", f"{failed + errors:,}", f"of {total:,}, and {plural(warnings, 'warning')}")
        if total or document["drift"] is None
        else None,
        (
            "drifted",
            drift,
            "not measured" if document["drift"] is None else f"of {len(document['drift']['columns']):,}",
        ),
        ("odd hours", f"{odd:,}", f"of {len(document['volume']):,}") if document["volume"] else None,
        ("made", moment_text(document["created_ms"]), "UTC"),
    ]
    cells = (fact for fact in facts if fact is not None)
    boxes = "".join(
        f'<div><dt>{name}</dt><dd>{text(value)}<span class="quiet">{text(note)}</span></dd></div>'
        for name, value, note in cells
    )
    return f'<dl class="facts">{boxes}</dl>'


def _contents(found: str) -> str:
    links = "".join(
        f'<li><a href="#{name}">{words}</a></li>' for name, words in _PARTS.items() if f'<h2 id="{name}">' in found
    )
    return f'<nav class="parts" aria-label="On this page"><ul>{links}</ul></nav>'


def _lineage(document: Document) -> str:
    """What this came from."""
    if not document["lineage"]:
        return ""
    lines = []
    for node in document["lineage"]:
        facts = {k: v for k, v in node.items() if k not in ("kind", "id")}
        more = "; ".join(f"{name} {value}" for name, value in rows.readable(facts).items())
        lines.append((text(name_text(str(node["kind"]))), f'<bdi class="value">{text(node["id"])}</bdi>', said(more)))
    listed = table("What this was made from", ("kind", "id", "more"), lines, numbers_from=9)
    hint = '<p class="quiet"><code>eddyline lineage ID</code> shows what came of each, and what each came from.</p>'
    return section("lineage", "Lineage", listed, hint)


def _about(document: Document) -> str:
    about: dict[str, Any] = {"result": document["result_id"], "JSON": f"{document['result_id']}.json beside this page"}
    suite = document["suite"]
    if suite is not None:
        inferred = NOT_KNOWN if suite["inferred_ms"] is None else f"{moment_text(suite['inferred_ms'])} UTC"
        about["suite"] = f"{suite['file']} (SHA-256 {suite['sha256'][:12]})"
        about["inferred"] = (
            f"{inferred}, from {plural(suite['reference_rows'], 'row')} of {span_text(suite['reference'])}"
        )
        about["changed by people"] = plural(suite["edited"], "entry", "entries")
    return section("about", "About this report", descriptions({**about, **rows.readable(document["facts"])}))


def _footer(document: Document) -> str:
    hidden = ", ".join(value_text(name) for name in document["personal"])
    masked = f" Values of {hidden} are personal and not shown." if hidden else ""
    origin = " Synthetic data, origin=synthetic." if document["subject"] == "dataset" else ""
    made = f'<time datetime="{machine_time(document["created_ms"])}">{moment_text(document["created_ms"])} UTC</time>'
    return f'<p class="quiet">Made by Eddyline, {made}.{text(origin + masked)}</p>'
