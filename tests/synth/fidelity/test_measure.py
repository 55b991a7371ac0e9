"""All measures together: ceilings and floors, conditions, intervals, the document."""

import json
from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from synth.conditions import Condition, Conditions, Operator, parse_where
from synth.errors import ImpossibleConditionsError
from synth.fidelity import SCORES, Fidelity, matching, measure
from synth.fidelity.detection import detection
from synth.fidelity.frames import frames
from synth.fidelity.intervals import area_with_error
from synth.fidelity.shapes import mean_shape
from synth.fidelity.trends import mean_trend
from tests.synth.fidelity.tables import apart, people, shuffled

TRAIN, TEST, MORE = people(1000, 1), people(500, 2), people(500, 3)


@pytest.fixture(scope="module")
def good() -> Fidelity:
    return measure(TRAIN, TEST, MORE, label="label", seed=0)


def test_real_rows_reach_the_ceiling_and_spoiled_ones_lie_on_the_floor(good: Fidelity) -> None:
    bad = measure(TRAIN, TEST, apart(MORE, 1), label="label", seed=0)
    assert good.scores.keys() <= SCORES.keys()
    for name in ("trend", "c2st", "c2st_strong", "utility", "class_shape"):
        assert good.scores[name].reached > 0.7, name
        assert bad.scores[name].reached < 0.45, name
        assert good.scores[name].ceiling == bad.scores[name].ceiling


def test_intervals_hold_their_value(good: Fidelity) -> None:
    for name in ("shape", "trend", "c2st", "c2st_strong", "utility"):
        score = good.scores[name]
        assert 0.0 <= score.low <= score.value <= score.high <= 1.0


def test_more_rows_make_intervals_narrower() -> None:
    real, few, many = frames(TEST, MORE.slice(0, 150), MORE)
    for score in (mean_shape, mean_trend, partial(detection, seed=0)):
        narrow, wide = score(real, many), score(real, few)
        assert narrow.high - narrow.low < wide.high - wide.low


def test_intervals_cover_what_other_draws_of_real_rows_score() -> None:
    found = [mean_trend(*frames(people(300, 2 * k), people(300, 2 * k + 1))) for k in range(40)]
    spread = np.std([score.value for score in found])
    reach = np.mean([score.high - score.low for score in found]) / 2
    assert 1.2 * spread < reach < 4.0 * spread


def test_the_same_rows_in_another_order_give_the_same_document() -> None:
    tables = TRAIN.slice(0, 400), TEST.slice(0, 200), MORE.slice(0, 200)
    first = measure(*tables, label="label", seed=5)
    second = measure(*(shuffled(table, k) for k, table in enumerate(tables)), label="label", seed=5)
    assert first.scores.keys() == second.scores.keys()
    for name, score in first.scores.items():
        again = second.scores[name]
        for got, expected in ((again.value, score.value), (again.low, score.low), (again.floor, score.floor)):
            assert got == pytest.approx(expected, abs=1e-9, nan_ok=True), name


def test_the_document_is_json_and_comes_back(good: Fidelity) -> None:
    assert (
        Fidelity.from_document(json.loads(json.dumps(good.document(), allow_nan=False))).document() == good.document()
    )


def test_conditioned_rows_are_compared_with_the_real_rows_that_match() -> None:
    asked = Conditions(where=parse_where("age>=50", TRAIN.schema))
    obedient = measure(TRAIN, TEST, matching(MORE, asked), label="label", conditions=asked)
    assert obedient.score("conditions") == 1.0
    assert obedient.scores["c2st"].reached > 0.8
    heedless = measure(TRAIN, TEST, MORE, label="label", conditions=asked)
    assert heedless.score("conditions") < 0.6
    assert heedless.scores["c2st"].value < 0.6


def test_balanced_rows_are_compared_with_balanced_real_rows() -> None:
    asked = Conditions(balance="label")
    found = measure(TRAIN.slice(0, 800), TEST, matching(MORE, asked), label="label", conditions=asked)
    assert found.scores["shape"].value > found.scores["shape"].ceiling - 0.03


def test_one_class_asked_for_leaves_nothing_to_learn_and_says_so() -> None:
    asked = Conditions(where=parse_where("label=high", TRAIN.schema))
    found = measure(TRAIN, TEST, matching(MORE, asked), label="label", conditions=asked)
    assert "utility" not in found.scores
    assert "one class" in found.inapplicable["utility"]


def test_too_few_matching_rows_give_no_score_and_a_reason() -> None:
    asked = Conditions(where=parse_where("age>=79", TRAIN.schema))
    found = measure(TRAIN.slice(0, 300), TEST.slice(0, 100), MORE, label="label", conditions=asked)
    assert set(found.scores) == {"conditions"}
    assert "nothing can be said" in found.notes[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("city=Faro|Braga", lambda t: pc.is_in(t["city"], pa.array(["Faro", "Braga"]))),
        ("city!=Faro", lambda t: pc.not_equal(t["city"], "Faro")),
        ("pay=null", lambda t: t["pay"].is_null()),
        ("pay!=null", lambda t: t["pay"].is_valid()),
        ("pay<2000", lambda t: pc.fill_null(pc.less(t["pay"], 2000.0), False)),
        ("flag=true", lambda t: t["flag"]),
        ("age>30.5", lambda t: pc.greater(t["age"], 30)),
        ("when>=2023-12-01", lambda t: pc.greater_equal(t["when"].cast(pa.int64()), 1_701_388_800_000_000)),
    ],
)
def test_matching_follows_the_words_of_conditions(text: str, expected: Callable[[pa.Table], pa.ChunkedArray]) -> None:
    found = matching(TRAIN, Conditions(where=parse_where(text, TRAIN.schema)))
    assert found.equals(TRAIN.filter(expected(TRAIN)))


def test_values_that_a_column_cannot_have_are_refused() -> None:
    asked = Conditions(where=(Condition(column="age", operator=Operator.AT_LEAST, values=("old",)),))
    with pytest.raises(ImpossibleConditionsError, match="'old' is no value"):
        matching(TRAIN, asked)


def test_errors_of_areas_agree_with_repeated_draws() -> None:
    g = np.random.default_rng(0)
    labels = np.arange(400) < 150
    drawn = [area_with_error(g.normal(labels * 0.8, 1.0), labels) for _ in range(300)]
    spread = np.std([area for area, _ in drawn])
    assert np.mean([error for _, error in drawn]) == pytest.approx(spread, rel=0.15)
