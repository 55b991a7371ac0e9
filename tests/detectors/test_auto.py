"""`auto` chooses what finds injected anomalies, says why in figures, and does not let noise decide."""

import json

import numpy as np
import pyarrow as pa
import pytest

from detectors import auto
from detectors.columns import Kind, Role, make_field
from detectors.errors import UnusableDataError
from detectors.registry import DETECTORS
from tests.detectors.injection.tables import payments


def related(rows: int = 2_000, columns: int = 6) -> pa.Table:
    """Columns that one hidden number moves together: what is out of line is plain to PCA, and to no single column."""
    g = np.random.default_rng(0)
    hidden = g.normal(0, 1, rows)
    x = hidden[:, None] * g.uniform(0.5, 2.0, columns) + g.normal(0, 0.05, (rows, columns))
    fields = [make_field(f"m{c}", Kind.NUMERIC, [Role.FEATURE]) for c in range(columns)]
    return pa.table([pa.array(column) for column in x.T], schema=pa.schema(fields))


def test_the_detector_that_sees_the_relation_is_chosen_and_the_reason_has_its_figures() -> None:
    choice = auto.choose(related(), candidates=("ecod", "pca"))
    assert choice.chosen == "pca"
    pca, ecod = choice.candidates
    assert (pca.name, ecod.name) == ("pca", "ecod")
    assert pca.average_precision["contextual:columns"] > 0.9 > ecod.average_precision["contextual:columns"]
    assert choice.reason.startswith("pca found injected anomalies with a mean rank of 1.0 of 2")
    assert "next ecod with 2.0" in choice.reason
    assert json.loads(json.dumps(choice.document()))["chosen"] == "pca"


def test_the_same_rows_and_seed_give_the_same_choice_and_figures() -> None:
    table = payments(800)
    before = table.to_pydict()
    first, second = (auto.choose(table, candidates=("forest", "half_space_trees")) for _ in range(2))
    assert [c.average_precision for c in first.candidates] == [c.average_precision for c in second.candidates]
    assert first.chosen == second.chosen
    assert first.rows_learned + first.rows_scored == 800
    assert table.to_pydict() == before


def test_a_small_lead_does_not_leave_the_preferred_order() -> None:
    names = ("vae", "forest", "ecod")  # two ranks from first to last: a lead of one is clear
    assert auto._chosen(names, np.array([1.9, 1.5, 2.6])) == "vae"
    assert auto._chosen(names, np.array([2.9, 1.5, 1.6])) == "forest"
    assert auto._chosen(names, np.array([2.9, 2.1, 1.0])) == "ecod"
    assert auto._chosen(("vae",), np.array([1.0])) == "vae"


def test_candidates_are_those_of_the_registry() -> None:
    assert set(auto.available()) <= {detector.name for detector in DETECTORS}
    assert {"vae", "pca", "forest", "ecod", "half_space_trees"} <= set(auto.available())


def test_where_nothing_can_be_compared_the_error_says_what_to_do() -> None:
    with pytest.raises(UnusableDataError, match="name one in the spec"):
        auto.choose(related(50), candidates=("pca",))
    field = make_field("constant", Kind.NUMERIC, [Role.FEATURE])
    with pytest.raises(UnusableDataError, match="name a detector in the spec"):
        auto.choose(pa.table([pa.array([1.0] * 500)], schema=pa.schema([field])), candidates=("pca",))
    with pytest.raises(KeyError, match="no detector 'oracle'"):
        auto.choose(related(300), candidates=("oracle",))
