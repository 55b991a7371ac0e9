"""Gates: what passes, what fails and why, and that nothing unknown ever passes."""

import json
import math
import re
from dataclasses import replace

import pytest

from synth.fidelity import SCORES, Fidelity, Item, Score
from synth.gates import Thresholds, Verdict, decide
from synth.privacy import CopyShare, Membership, Privacy, RareValues
from tests.project.repository import ROOT

NAN = math.nan


def _score(value: float, *, ceiling: float = 0.98, floor: float = 0.1) -> Score:
    return Score(value=value, low=value - 0.005, high=value + 0.005, ceiling=ceiling, floor=floor)


GOOD = Fidelity(
    scores={
        "shape": _score(0.98),
        "trend": _score(0.97),
        "c2st": _score(0.9),
        "c2st_strong": _score(0.8),
        "utility": _score(0.96),
        "class_shape": _score(0.97),
    },
    columns=(Item(names=("x",), value=1.0, ceiling=1.0),),
    pairs=(),
    classes=(),
    rows={},
    left_out={},
)
COPIES = CopyShare(synthetic=0.021, held_out=0.02, excess_low=-0.003, excess_high=0.005)
PRIVATE = Privacy(
    near_copies=COPIES,
    exact_copies=CopyShare(synthetic=0.0, held_out=0.0, excess_low=0.0, excess_high=0.0),
    membership=Membership(auc=0.505, low=0.49, high=0.52, floor=0.5, candidates=6000),
    rare_values=RareValues(
        levels=3,
        levels_again=0.0,
        levels_held_out=0.3,
        numbers_again=0.2,
        numbers_held_out=0.3,
        replaced_again=0.0,
        replaced_column=None,
        columns=(),
    ),
    rows={},
)


def _failed(verdict: Verdict) -> set[str]:
    return {gate.name for gate in verdict.gates if not gate.passed}


def test_a_good_dataset_passes_and_every_gate_says_why() -> None:
    verdict = decide(GOOD, PRIVATE)
    assert verdict.passed, verdict.reasons
    assert verdict.reasons == ()
    assert all(gate.reason for gate in verdict.gates)


@pytest.mark.parametrize("name", ["shape", "trend", "c2st", "c2st_strong", "utility", "class_shape"])
def test_each_score_has_a_gate_that_names_its_figures(name: str) -> None:
    bad = replace(GOOD, scores={**GOOD.scores, name: _score(0.15)})
    verdict = decide(bad, PRIVATE)
    assert _failed(verdict) == {name}
    assert "0.150, less than" in verdict.reasons[0]
    assert "real rows 0.980" in verdict.reasons[0]


@pytest.mark.parametrize("name", ["shape", "trend", "c2st", "c2st_strong", "utility"])
def test_a_score_that_is_missing_or_not_known_fails(name: str) -> None:
    without = {key: score for key, score in GOOD.scores.items() if key != name}
    assert _failed(decide(replace(GOOD, scores=without), PRIVATE)) == {name}
    for unknown in (_score(NAN), _score(0.9, ceiling=NAN)):
        assert _failed(decide(replace(GOOD, scores={**without, name: unknown}), PRIVATE)) == {name}


def test_nothing_measured_fails() -> None:
    assert _failed(decide(None, None)) == {"fidelity", "privacy"}
    empty = replace(GOOD, scores={}, columns=(), notes=("3 rows to compare with",))
    assert decide(empty, PRIVATE).reasons == ("fidelity could not be measured; 3 rows to compare with",)


def test_what_means_nothing_for_the_real_rows_is_not_asked() -> None:
    without = {key: score for key, score in GOOD.scores.items() if key != "utility"}
    verdict = decide(replace(GOOD, scores=without, inapplicable={"utility": "no label is named"}), PRIVATE)
    assert verdict.passed
    assert any("not asked, no label is named" in gate.reason for gate in verdict.gates)


def test_few_rows_do_not_fail_what_they_cannot_tell() -> None:
    unsure = Score(value=0.5, low=0.3, high=0.7, ceiling=0.75, floor=0.4)
    assert decide(replace(GOOD, scores={**GOOD.scores, "utility": unsure}), PRIVATE).passed
    crossed = Score(value=0.95, low=0.93, high=0.97, ceiling=0.96, floor=0.99)
    assert decide(replace(GOOD, scores={**GOOD.scores, "c2st": crossed}), PRIVATE).passed


def test_rows_that_miss_a_condition_fail() -> None:
    scores = {**GOOD.scores, "conditions": Score(value=0.999, ceiling=1.0, floor=0.2)}
    assert _failed(decide(replace(GOOD, scores=scores), PRIVATE)) == {"conditions"}


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        (
            {"near_copies": replace(COPIES, synthetic=0.06, excess_low=0.03, excess_high=0.05)},
            "near_copies",
            "0.50% above",
        ),
        ({"near_copies": replace(COPIES, excess_low=-0.06, excess_high=0.08)}, "near_copies", "too few rows"),
        ({"exact_copies": replace(COPIES, synthetic=1.0, excess_low=0.9, excess_high=1.0)}, "exact_copies", "100.00%"),
        ({"near_copies": replace(COPIES, synthetic=NAN)}, "near_copies", "not measured"),
        ({"membership": Membership(auc=0.62, low=0.6, high=0.64, floor=0.5, candidates=99)}, "membership", "AUC 0.620"),
        (
            {"membership": Membership(auc=0.52, low=0.3, high=0.7, floor=0.5, candidates=20)},
            "membership",
            "too few rows",
        ),
        (
            {"membership": Membership(auc=NAN, low=NAN, high=NAN, floor=NAN, candidates=0)},
            "membership",
            "too few held-out",
        ),
        (
            {"rare_values": replace(PRIVATE.rare_values, levels_again=0.4, columns=("city",))},
            "rare_levels_again",
            "(city): 10.00%",
        ),
        ({"rare_values": replace(PRIVATE.rare_values, numbers_again=0.9)}, "rare_numbers_again", "60.00%"),
        (
            {"rare_values": replace(PRIVATE.rare_values, replaced_again=0.9, replaced_column="name")},
            "replaced_again",
            "values of name",
        ),
    ],
)
def test_each_leak_fails_with_its_reason(changes: dict[str, object], name: str, words: str) -> None:
    verdict = decide(GOOD, replace(PRIVATE, **changes))  # type: ignore[arg-type]
    assert _failed(verdict) == {name}
    assert words in verdict.reasons[0]


def test_what_values_alone_betray_is_not_held_against_the_rows() -> None:
    found = Membership(auc=0.6, low=0.58, high=0.62, floor=0.57, candidates=6000)
    assert decide(GOOD, replace(PRIVATE, membership=found)).passed
    assert not decide(GOOD, replace(PRIVATE, membership=replace(found, floor=0.5))).passed
    common = replace(PRIVATE.rare_values, levels_again=0.25, columns=("city",))
    assert decide(GOOD, replace(PRIVATE, rare_values=common)).passed, "held-out rows have more of the levels"


def test_an_excess_within_chance_passes() -> None:
    lucky = replace(COPIES, synthetic=0.03, excess_low=-0.01, excess_high=0.03)
    assert decide(GOOD, replace(PRIVATE, near_copies=lucky)).passed


def test_histories_of_a_keyed_stream_are_gated() -> None:
    fine, bad = _score(0.95).document(), _score(0.4).document()
    absent = Score(value=NAN).document()
    kept = {"gaps": fine, "rhythm": absent, "transitions": {"page": fine}}
    assert decide(replace(GOOD, sequences=kept), PRIVATE).passed
    lost = decide(replace(GOOD, sequences={**kept, "transitions": {"page": bad}}), PRIVATE)
    assert _failed(lost) == {"sequences: transitions of page"}
    unknown = {**fine, "value": None}
    assert _failed(decide(replace(GOOD, sequences={**kept, "gaps": unknown}), PRIVATE)) == {"sequences: gaps"}


def test_documents_come_back_and_a_verdict_follows_from_its_gates() -> None:
    verdict = decide(replace(GOOD, scores={}), PRIVATE)
    document = json.loads(json.dumps(verdict.document(), allow_nan=False))
    assert Verdict.from_document(document).document() == verdict.document()
    assert not Verdict.from_document({**document, "passed": True}).passed
    assert not Verdict.from_document({"gates": []}).passed
    limits = Thresholds(least_c2st_of_way=0.5)
    assert Thresholds.from_document(json.loads(json.dumps(limits.document()))) == limits
    with pytest.raises(ValueError, match="no such limit"):
        Thresholds.from_document({"least_beauty": 1.0})


def test_the_page_on_gates_has_every_limit_with_its_default() -> None:
    page = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", page, flags=re.MULTILINE))
    assert {name: float(value) for name, value in rows.items()} == Thresholds().document()
    assert all(f"`{name}`" in page for name in SCORES)
