"""The page: one HTML file that needs nothing else, made from the report's JSON document alone."""

from collections.abc import Mapping
from typing import Any

from synth.fidelity.fidelity import SCORES
from synth.report.drawings import columns, correlations, pairs, sequences, times
from synth.report.parts import (
    NOT_KNOWN,
    descriptions,
    figure_text,
    interval_text,
    percent_text,
    scale,
    section,
    table,
    text,
)
from synth.report.style import STYLE

Document = Mapping[str, Any]
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Nothing is loaded from anywhere, whatever a value in the data says."""


def page(document: Document) -> str:
    """The report as HTML: no script, no font, no address is loaded; readable on a phone, in the dark, on paper."""
    title = text(document["title"])
    sections = [
        _gates(document["verdict"]),
        _scores(document["fidelity"]),
        _privacy(document["privacy"]),
        columns(document),
        pairs(document),
        correlations(document["pictures"]),
        times(document["pictures"]),
        sequences(document["fidelity"]),
        _lineage(document),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<style>{STYLE}</style></head><body><a class="skip" href="#verdict">To the verdict</a>'
        f'<header><h1>{title}</h1><p class="quiet">{text(document["subtitle"])}</p></header>'
        f"<main>{_verdict(document['verdict'])}{''.join(sections)}</main>"
        f'<footer><p class="quiet">Synthetic data, origin=synthetic. {_masked_note(document)}</p></footer>'
        "</body></html>"
    )


def _verdict(verdict: Document) -> str:
    passed = verdict["passed"]
    words = "Passed: every gate" if passed else f"Failed: {len(verdict['reasons'])} of {len(verdict['gates'])} gates"
    reasons = "".join(f"<li>{text(reason)}</li>" for reason in verdict["reasons"])
    listed = f"<ul>{reasons}</ul>" if reasons else ""
    kind = "passed" if passed else "failed"
    said = f"<p>{text(words)}</p>{listed}"
    return f'<div class="verdict {kind}" id="verdict" role="region" aria-label="Verdict">{said}</div>'


def _gates(verdict: Document) -> str:
    rows = [
        (text(gate["name"]), _mark(gate["passed"]), text(gate["reason"]))
        for gate in sorted(verdict["gates"], key=lambda gate: gate["passed"])
    ]
    return section(
        "gates",
        "Gates",
        table("Each gate with its reason, failed ones first", ("gate", "verdict", "reason"), rows, numbers_from=9),
    )


def _mark(passed: bool) -> str:
    return '<span class="ok">passed</span>' if passed else '<span class="no">failed</span>'


def _scores(fidelity: Document) -> str:
    rows = [
        (
            f'{text(name)}<span class="quiet">{text(SCORES.get(name, ""))}</span>',
            scale(score["value"], score["ceiling"], score["floor"]),
            figure_text(score["value"]),
            interval_text(score["low"], score["high"]),
            figure_text(score["ceiling"]),
            figure_text(score["floor"]),
        )
        for name, score in fidelity["scores"].items()
    ]
    beside = ("ceiling: held-out real rows", "floor: independent columns")
    headers = ("score", "as a bar", "synthetic", "95% interval", *beside)
    counts = fidelity["rows"]
    compared = f"Compared on {counts.get('compared', 0):,} rows each; every score is from 0 to 1, higher is better."
    notes = "".join(f"<p>{text(note)}.</p>" for note in fidelity["notes"])
    not_asked = "".join(
        f"<p>{text(name)}: not measured, {text(why)}.</p>" for name, why in fidelity["inapplicable"].items()
    )
    return section(
        "scores",
        "Fidelity",
        f"<p>{text(compared)}</p>",
        table("Scores", headers, rows, numbers_from=2),
        notes,
        not_asked,
    )


def _privacy(privacy: Document | None) -> str:
    if privacy is None:
        return section("privacy", "Privacy", "<p>Not measured.</p>")
    near, exact, rare = (privacy[name] for name in ("near_copies", "exact_copies", "rare_values"))
    member = privacy["membership"]
    rows = [
        ("rows as near to a training row as the nearest 2% of held-out rows", *_shares(near)),
        ("rows that equal a training row", *_shares(exact)),
        ("rare levels of the training rows that came out again", percent_text(rare["levels_again"]),
         percent_text(rare["levels_held_out"]), ""),
        ("exact numbers that equal a rare training value", percent_text(rare["numbers_again"]),
         percent_text(rare["numbers_held_out"]), ""),
        ("values of replaced columns that are training values", percent_text(rare["replaced_again"]), NOT_KNOWN, ""),
    ]  # fmt: skip
    interval, floor = interval_text(member["low"], member["high"]), figure_text(member["floor"])
    attack = (
        f"Membership inference: a training row is told from another row with an AUC of {figure_text(member['auc'])} "
        f"({interval}; by independent columns {floor}; 0.5 is a guess), on {member['candidates']:,} rows."
    )
    headers = ("what", "synthetic rows", "held-out real rows", "95% interval of the excess")
    notes = "".join(f"<p>{text(note)}.</p>" for note in privacy["notes"])
    return section(
        "privacy",
        "Privacy",
        table("What synthetic rows share with training rows", headers, rows),
        f"<p>{text(attack)}</p>",
        notes,
    )


def _shares(share: Document) -> tuple[str, str, str]:
    low, high = share["excess_low"], share["excess_high"]
    interval = NOT_KNOWN if low is None or high is None else f"{low:+.2%} to {high:+.2%}"
    return percent_text(share["synthetic"]), percent_text(share["held_out"]), interval


def _lineage(document: Document) -> str:
    rows = document["fidelity"]["rows"]
    counts = {f"rows, {name.replace('_', ' ')}": f"{value:,}" for name, value in rows.items()}
    return section("lineage", "Lineage", descriptions({**document["lineage"], **counts}))


def _masked_note(document: Document) -> str:
    hidden = document["personal"]
    return text(f"Values of {', '.join(hidden)} are personal and not shown.") if hidden else ""
