"""Tables that measures must not break on: constant, empty, tiny, wide, of thousands of levels, of every type."""

import datetime as dt
import decimal
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from detectors.errors import UnusableDataError
from synth.fidelity import Fidelity, c2st, column_shapes, measure, pair_trends
from synth.fidelity.trends import MOST_PAIRS
from tests.synth.fidelity.tables import people

ROWS = 200
RANDOM = np.random.default_rng(0)


def _table(**columns: object) -> pa.Table:
    return pa.table(columns)


CORNERS: dict[str, Callable[[], pa.Table]] = {
    "constants": lambda: _table(a=[1.5] * ROWS, b=["x"] * ROWS, c=[True] * ROWS),
    "nothing but nulls": lambda: _table(
        a=pa.nulls(ROWS),
        b=pa.nulls(ROWS, pa.float64()),
        c=pa.nulls(ROWS, pa.string()),
        d=pa.nulls(ROWS, pa.timestamp("us")),
    ),
    "thousands of levels": lambda: _table(
        a=[f"level {k % 70}" for k in range(ROWS)], b=[f"{k // 2}" for k in range(ROWS)], c=RANDOM.random(ROWS)
    ),
    "infinities": lambda: _table(a=np.where(RANDOM.random(ROWS) < 0.5, np.inf, 1.0), b=RANDOM.random(ROWS)),
    "types": lambda: _table(
        small=pa.array(RANDOM.integers(0, 9, ROWS), pa.int8()),
        day=pa.array([dt.date(2024, 1, 1 + k % 28) for k in range(ROWS)]),
        nanos=pa.array(RANDOM.integers(0, 10**18, ROWS), pa.timestamp("ns")),
        price=pa.array([decimal.Decimal(k % 50) / 4 for k in range(ROWS)]),
        coded=pa.array(["a", "b"] * (ROWS // 2)).dictionary_encode(),
        large=pa.array(["u", "v"] * (ROWS // 2), pa.large_string()),
        clock=pa.array(RANDOM.integers(0, 80_000, ROWS).astype(np.int32)).cast(pa.time32("s")),
        lasting=pa.array(RANDOM.integers(0, 80_000, ROWS), pa.duration("s")),
    ),
    "one column": lambda: _table(a=RANDOM.random(ROWS)),
    "one row": lambda: _table(a=[1.0], b=["x"]),
}


@pytest.mark.parametrize("name", CORNERS)
def test_every_corner_is_measured_or_said(name: str) -> None:
    table = CORNERS[name]()
    assert set(column_shapes(table, table).values()) == {1.0}
    found = measure(table, table, table)
    assert Fidelity.from_document(found.document()) == found
    assert found.scores or found.notes
    assert all(0.0 <= score.value <= 1.0 for score in found.scores.values())


def test_levels_of_one_table_only_count_as_absent_in_the_other() -> None:
    real, made = _table(a=["x"] * 50 + ["y"] * 50), _table(a=["z"] * 100)
    assert column_shapes(real, made) == {"a": 0.0}


def test_many_levels_cost_no_more_than_their_rows() -> None:
    g = np.random.default_rng(1)
    real, made = (_table(a=[f"{k}" for k in g.integers(0, 3000, 4000)], b=g.random(4000)) for _ in range(2))
    assert c2st(real, made, seed=0) > 0.9


def test_a_wide_table_has_a_seeded_choice_of_its_pairs_measured() -> None:
    g = np.random.default_rng(2)
    wide = _table(**{f"c{k}": g.random(45) for k in range(60)})
    found = pair_trends(wide, wide)
    assert (len(found.pairs), found.pairs_there_are) == (MOST_PAIRS, 1770)
    assert found.pairs == pair_trends(wide, wide).pairs


def test_what_is_replaced_on_purpose_is_not_measured() -> None:
    table = people(300, 1)
    assert "name" not in column_shapes(table, people(300, 2))
    assert measure(table, table, table).left_out == {"event": "an identifier", "name": "personal"}


def test_identifiers_without_a_role_are_recognised() -> None:
    table = _table(number=np.arange(1000, 1000 + ROWS), word=[f"w{k}" for k in range(ROWS)], a=RANDOM.random(ROWS))
    assert set(measure(table, table, table).left_out) == {"number", "word"}


def test_addresses_without_a_role_are_personal() -> None:
    mails = [f"user{k % 40}@mail.example.org" for k in range(ROWS)]
    table = _table(contact=mails, a=RANDOM.random(ROWS))
    assert measure(table, table, table).left_out == {"contact": "personal"}


def test_a_table_without_rows_or_columns_is_refused() -> None:
    table = people(50, 1)
    with pytest.raises(UnusableDataError, match="without rows"):
        column_shapes(table, table.slice(0, 0))
    with pytest.raises(UnusableDataError, match="no column 'age'"):
        column_shapes(table, table.drop_columns(["age"]))
    keyed = pa.table([pa.array(["k"])], schema=pa.schema([make_field("key", Kind.CATEGORICAL, [Role.KEY])]))
    with pytest.raises(UnusableDataError, match="no column can be measured"):
        column_shapes(keyed, keyed)
