"""The page: the verdict first, whole, offline, readable by everyone, silent about persons, and safe from its data."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.expectations.document import Distribution, QualityDocument, Span, Subject, Verdict
from pipeline.expectations.report.page import page
from pipeline.expectations.report.past import MOST_RUNS
from pipeline.expectations.report.style import STYLE
from tests.html_elements import Elements
from tests.pipeline.expectations.report.documents import PERSONAL, checked, past, result


def as_json(made: QualityDocument) -> dict[str, Any]:
    """As it is read back."""
    restored: dict[str, Any] = json.loads(json.dumps(made.document(), allow_nan=False))
    return restored


@pytest.fixture(scope="module")
def html() -> str:
    links = {f"r-{at}": f"r-{at}.html" for at in range(30, 60)}
    return page(as_json(result(history=past(60))), links=links, index="../index.html")


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    for tag, attributes in Elements(html).elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "img", "form", "base")
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith("#") or re.fullmatch(r"r-\d+\.html|\.\./index\.html", value)
    assert re.findall(r"url\(([^)]*)\)", html) == ["#hatch"]
    assert "@import" not in html
    assert "default-src &#x27;none&#x27;" in html


def test_the_verdict_comes_first_then_what_failed(html: str) -> None:
    order = [html.index(part) for part in ('id="verdict"', 'id="failed"', 'id="warnings"', 'id="passed"', 'id="drift"')]
    assert order == sorted(order)
    assert "Failed: 3 of 24 expectations failed, 1 could not be asked; 1 warning" in html
    card = html[html.index(">country: missing<") :].split("</article>")[0]
    for told in ("at most 1.2% missing (0.4% when inferred)", "31.2% missing", "31,190 rows (31.2%)"):
        assert told in card
    assert '<bdi class="value">129900</bdi>' in html


def test_a_passed_window_says_so_and_has_no_failed_part() -> None:
    html = page(as_json(result(verdict=Verdict.PASSED)))
    assert "Passed: 19 expectations asked, all hold" in html
    assert 'id="failed"' not in html


def test_readers_of_any_kind_find_their_way(html: str) -> None:
    elements = Elements(html).elements
    tags = [tag for tag, _ in elements]
    assert [tags.count(tag) for tag in ("h1", "main", "header", "footer")] == [1, 1, 1, 1]
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in elements if tag == "th")
    assert tags.count("caption") == tags.count("table")
    drawn = [attributes for tag, attributes in elements if tag == "svg"]
    assert all(a.get("aria-hidden") == "true" or (a["role"] == "img" and a["aria-label"]) for a in drawn)
    names = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(names) == len(set(names))
    targets = [value[1:] for _, a in elements if (value := a.get("href") or "").startswith("#")]
    assert set(targets) <= set(names)
    assert dict(elements[0][1])["lang"] == "en"


def test_values_of_personal_columns_are_nowhere_even_where_the_document_has_them() -> None:
    leak = checked("h", PERSONAL, "levels", "known", "12 new", verdict=Verdict.FAILED, examples=("Ada Lovelace",))
    drawn = Distribution(column=PERSONAL, kind="levels", levels=("Ada Lovelace",), reference=(1.0,), observed=(1.0,))
    told = page(as_json(replace(result(), expectations=(leak,), distributions=(drawn,))))
    assert "Lovelace" not in told
    assert f"{PERSONAL}: levels" in told
    assert "values of a personal column are not shown" in told
    assert f"Values of {PERSONAL} are personal and not shown." in told


def test_history_shows_the_last_runs_and_links_only_to_pages_that_exist(html: str) -> None:
    strip = html.split('<ol class="strip"')[1].split("</ol>")[0]
    assert strip.count("<li>") == MOST_RUNS
    assert set(re.findall(r'href="(r-\d+)\.html"', html)) == {f"r-{at}" for at in range(30, 60)}
    assert strip.rindex("this report") > strip.rindex("href")
    assert "href" not in page(as_json(result(history=past(5)))).split("<!--history-->")[1].split("<!--/history-->")[0]


def test_what_drifted_is_drawn_first(html: str) -> None:
    figures = re.findall(r"<figure><h3><span>(\w+)</span>(.*?)</h3>", html)
    assert [name for name, _ in figures][:2] == ["amount", "country"]
    assert ["drifted" in badge for _, badge in figures] == [True, True, False, False]


def test_live_recall_precision_and_duplicates_are_said(html: str) -> None:
    words = " ".join(Elements(html).words)
    for told in (
        "96.2%",
        "34.0% – 46.3%",
        "stuck is caught 40% of the time",
        "precision 80.9%",
        "7,650 rows of 184,203 equal an earlier one (4.2%)",
    ):
        assert told in words


def test_a_document_with_nothing_but_a_verdict_makes_a_page() -> None:
    bare = QualityDocument(
        stream="s", subject=Subject.GATE, subject_id="", result_id="r", created_ms=0,
        window=Span(start_ms=None, end_ms=None),
        rows=0, looked_at=0, verdict=Verdict.ERROR, reasons=("the window has no rows",),
    )  # fmt: skip
    html = page(as_json(bare))
    Elements(html)
    assert "Could not be judged" in html
    assert "the window has no rows" in html


def test_bins_of_every_odd_kind_are_drawn() -> None:
    odd = (
        Distribution(column="one", kind="numbers", edges=(1.0, 1.0), reference=(1.0,), observed=(0.0,),
                     missing=(0.0, 1.0)),
        Distribution(column="huge", kind="numbers", edges=(-1e300, 1e300), reference=(1.0,), observed=(1.0,)),
        Distribution(column="tiny", kind="numbers", edges=(1e-12, 2e-12, 3e-12), reference=(1.0, 0.0),
                     observed=(0.5, 0.5)),
        Distribution(column="old", kind="time", edges=(-9e18, 9e18), reference=(1.0,), observed=(1.0,)),
        Distribution(column="none", kind="levels", missing=(1.0, 1.0)),
        Distribution(column="nothing", kind="numbers"),
    )  # fmt: skip
    html = page(as_json(replace(result(), distributions=odd, drift=None)))
    Elements(html)
    assert "nan" not in html
    assert html.count("<figure>") == len(odd)


def test_the_page_follows_from_the_document_alone() -> None:
    document = as_json(result(history=past(3)))
    before = json.dumps(document)
    assert page(document) == page(document)
    assert json.dumps(document) == before


def _poisoned(document: Any, poison: str) -> Any:
    """Every text of a document that comes from data or people, replaced."""
    kept = ("verdict", "severity", "subject", "kind", "distance", "result_id", "format", "page")
    if isinstance(document, dict):
        return {
            name: value if name in kept and value in _WORDS else _poisoned(value, poison)
            for name, value in document.items()
        }
    if isinstance(document, list):
        return [_poisoned(value, poison) for value in document]
    return poison if isinstance(document, str) else document


_WORDS = {"passed", "failed", "error", "critical", "warning", "archive", "numbers", "levels", "time", "ks", "tv"}
_DOCUMENT = as_json(result(history=past(2)))
_TAME = Elements(page(_poisoned(_DOCUMENT, "plain"))).shape
_texts = st.one_of(
    st.text(min_size=1, max_size=30),
    st.sampled_from(
        [
            "</style><script>alert(1)</script>",
            "--><!--/history-->",
            '" onload="x',
            "' x='",
            "<b>",
            "&lt;b&gt;",
            "]]>",
            "\x00\u202e",
        ]
    ),
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(_texts)
def test_no_text_in_the_data_breaks_out(poison: str) -> None:
    html = page(_poisoned(_DOCUMENT, poison))
    assert Elements(html).shape == _TAME
    assert html.count("<!--/history-->") == 1
    assert not set(html) & {"\u202e", "\u2066", "\x00", "\x1b"}


def _luminance(colour: str) -> float:
    short = len(colour) == 4
    parts = [int(colour[1 + k] * 2 if short else colour[1 + 2 * k : 3 + 2 * k], 16) / 255 for k in range(3)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_texts_stand_out_from_what_is_behind_them(theme: str) -> None:
    block = re.findall(r":root \{([^}]*)\}", STYLE)[("light", "dark", "print").index(theme)]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block))
    pairs = [(text, behind) for text in ("ink", "quiet", "made", "good", "bad") for behind in ("paper", "band")]
    for text, behind in (*pairs, ("good", "good-band"), ("bad", "bad-band")):
        bright, dim = sorted((_luminance(colours[text]), _luminance(colours.get(behind, "#f3f3f3"))), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (text, behind)
