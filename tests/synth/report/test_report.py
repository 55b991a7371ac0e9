"""The page: whole, offline, readable by everyone, and silent about persons."""

import json
import re
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from synth import fidelity, privacy
from synth.gates import Thresholds, decide
from synth.report import document, page
from synth.report.style import STYLE
from synth.report.summaries import MOST_COLUMNS, MOST_PAIRS, OTHERS
from tests.html_elements import Elements
from tests.synth.fidelity.tables import apart, people

TRAIN, TEST, MORE = people(400, 1), people(200, 2), apart(people(200, 3), 4)


def _document(
    train: pa.Table, test: pa.Table, made: pa.Table, label: str | None, title: str = "Payments"
) -> dict[str, Any]:
    found = fidelity.measure(train, test, made, label=label)
    private = privacy.measure(train, test, made, label=label)
    made_of = document(
        title=title,
        real=test,
        synthetic=made,
        fidelity=found,
        privacy=private,
        verdict=decide(found, private),
        thresholds=Thresholds(),
        lineage={"dataset": "d-1", "model": {"hash": "abc", "seed": 7}, "files": ["part-0", "part-1"], "parent": None},
        label=label,
    )
    restored: dict[str, Any] = json.loads(json.dumps(made_of, allow_nan=False))
    return restored


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    found = _document(TRAIN, TEST, MORE, "label")
    found["pictures"]["pairs"] = found["pictures"]["pairs"][:4]  # each takes time to draw
    return found


@pytest.fixture(scope="module")
def html(made: dict[str, Any]) -> str:
    return page(made)


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    for tag, attributes in Elements(html).elements:
        assert tag not in ("script", "link", "iframe", "object", "embed")
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert "url(http" not in html
    assert "@import" not in html


def test_the_verdict_comes_first_with_its_reasons(made: dict[str, Any], html: str) -> None:
    assert html.index("Failed:") < html.index("<h2")
    for reason in made["verdict"]["reasons"]:
        assert reason.replace("'", "&#x27;") in html


def test_readers_of_any_kind_find_their_way(html: str) -> None:
    elements = Elements(html).elements
    tags = [tag for tag, _ in elements]
    assert [tags.count(tag) for tag in ("h1", "main", "header", "footer")] == [1, 1, 1, 1]
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in elements if tag == "th")
    assert tags.count("caption") == tags.count("table")
    drawn = [attributes for tag, attributes in elements if tag == "svg"]
    assert len(drawn) >= 10
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in drawn)
    names = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(names) == len(set(names)), "pictures share no names"
    assert dict(elements[0][1])["lang"] == "en"


def test_scores_stand_beside_their_ceilings_and_floors(made: dict[str, Any], html: str) -> None:
    for name in ("shape", "trend", "c2st", "c2st_strong", "utility"):
        score = made["fidelity"]["scores"][name]
        row = html[html.index(f">{name}<span") :].split("</tr>")[0]
        for part in ("value", "ceiling", "floor"):
            assert f"{score[part]:.3f}" in row


def test_personal_values_are_nowhere(made: dict[str, Any], html: str) -> None:
    told = json.dumps(made) + html
    assert "person " not in told
    assert "Values of name are personal and not shown" in html
    identifiers = TRAIN["event"].to_pylist()
    assert not any(f">{value}<" in html or f'"{value}"' in told for value in identifiers)


def test_personal_numbers_are_measured_and_not_shown() -> None:
    field = TRAIN.schema.get_field_index("pay")
    roles = make_field("pay", Kind.NUMERIC, [Role.PERSONAL])
    train, test, made = (table.set_column(field, roles, table["pay"]) for table in (TRAIN, TEST, MORE))
    told = _document(train, test, made, "label")
    assert "pay" in [item["names"][0] for item in told["fidelity"]["columns"]]
    assert "pay" not in [summary["column"] for summary in told["pictures"]["marginals"]]
    assert not any("pay" in summary["columns"] for summary in told["pictures"]["pairs"])
    assert "pay" in told["personal"]


def test_rare_levels_and_extreme_numbers_of_the_real_rows_are_not_named() -> None:
    def table(rows: int) -> pa.Table:
        pay = [float(k % 50) for k in range(rows - 1)] + [987654.25]
        return pa.table({"town": ["Aveiro"] * (rows - 2) + ["Lonely hamlet"] * 2, "pay": pay})

    train, test, made = table(300), table(200), table(200)
    told = _document(train, test, made, None)
    assert "Lonely hamlet" not in json.dumps(told)
    assert "987654" not in json.dumps(told)
    assert OTHERS in told["pictures"]["marginals"][0]["levels"]


def test_names_cannot_break_out_of_the_page() -> None:
    name = '</style><script>alert("x")</script>$a_b$'
    schema = pa.schema([make_field(name, Kind.CATEGORICAL, [Role.FEATURE]), make_field("x", Kind.NUMERIC)])
    table = pa.table([pa.array(["<b>", "&"] * 60), pa.array([float(k % 7) for k in range(120)])], schema=schema)
    html = page(_document(table, table, table, None, title=name))
    assert "<script" not in html
    assert "<b>" not in html.replace("<b style", "")
    Elements(html)


def test_a_wide_table_is_drawn_in_part_and_says_so() -> None:
    table = pa.table({f"c{k}": [float((k * row) % 11) for row in range(60)] for k in range(MOST_COLUMNS + 3)})
    made = _document(table, table, table, None)
    assert len(made["pictures"]["marginals"]) == MOST_COLUMNS
    assert len(made["pictures"]["pairs"]) == MOST_PAIRS
    made["pictures"]["marginals"] = made["pictures"]["marginals"][:2]  # the others take time to draw
    made["pictures"] |= {"pairs": [], "associations": {"columns": [], "real": [], "synthetic": []}}
    assert f"of {MOST_COLUMNS + 3} columns" in page(made)


def test_too_little_to_measure_still_makes_a_page() -> None:
    one = people(1, 1)
    html = page(_document(one, one, one, "label"))
    assert "Failed:" in html
    assert "nothing can be said" in html


def test_the_page_follows_from_the_document_alone(made: dict[str, Any], html: str) -> None:
    assert page(made) == html


def _luminance(colour: str) -> float:
    short = len(colour) == 4
    parts = [int(colour[1 + k] * 2 if short else colour[1 + 2 * k : 3 + 2 * k], 16) / 255 for k in range(3)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_texts_stand_out_from_what_is_behind_them(theme: str) -> None:
    blocks = re.findall(r":root \{([^}]*)\}", STYLE)
    block = blocks[("light", "dark", "print").index(theme)]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block))
    pairs = [(text, "paper") for text in ("ink", "quiet", "good", "bad", "real", "made")]
    for text, behind in (*pairs, ("ink", "band"), ("good", "good-band"), ("bad", "bad-band")):
        bright, dim = sorted((_luminance(colours[text]), _luminance(colours[behind])), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (text, behind)
