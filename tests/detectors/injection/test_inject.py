"""Whatever is injected: the truth names exactly what changed, and nothing else did."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Kind, Role, make_field
from detectors.errors import UnusableDataError
from detectors.injection import AnomalyKind, Family, Injected, Plan, inject, possible_families
from tests.detectors.injection.tables import payments

TABLE = payments()
EVERYTHING = Plan(families=possible_families(TABLE.schema, share=0.01))


def cells(table: pa.Table) -> np.ndarray[tuple[int, int], np.dtype[np.object_]]:
    return np.array([column.to_pylist() for column in table.columns], dtype=object).T


@pytest.fixture(scope="module")
def injected() -> Injected:
    return inject(TABLE, EVERYTHING, seed=0)


def test_truth_names_every_changed_cell_and_no_other(injected: Injected) -> None:
    before, after = cells(TABLE)[injected.source_N], cells(injected.table)
    kept = ~injected.added_N
    changed = before[kept] != after[kept]
    assert (changed <= injected.truth.affected_NC[kept]).all()
    # an unchanged cell may be called affected only where it was swapped for an equal value of another row
    assert (injected.truth.affected_NC[kept] & ~changed).mean() < 1e-3
    assert (injected.truth.labels_N == injected.truth.affected_NC.any(axis=1)).all()


def test_every_family_finds_its_share(injected: Injected) -> None:
    for at, family in enumerate(injected.truth.families):
        rows = injected.truth.of(at).sum()
        assert 0.005 * TABLE.num_rows <= rows <= 0.0125 * TABLE.num_rows, (family.name, rows)


def test_types_metadata_and_nulls_stay(injected: Injected) -> None:
    assert injected.table.schema.equals(TABLE.schema, check_metadata=True)
    before = np.array([column.is_null().to_numpy() for column in TABLE.columns])[:, injected.source_N]
    after = np.array([column.is_null().to_numpy() for column in injected.table.columns])
    kept = ~injected.added_N
    assert (before[:, kept] == after[:, kept]).all()


def test_events_tell_their_rows_and_columns(injected: Injected) -> None:
    truth = injected.truth
    for number, event in enumerate(truth.events):
        rows = np.flatnonzero(truth.event_N == number)
        assert (event.first_row, event.last_row, event.rows) == (rows[0], rows[-1], len(rows))
        assert set(truth.family_N[rows].tolist()) == {event.family}
        assert event.columns == tuple(np.array(truth.columns)[truth.affected_NC[rows].any(axis=0)])
    assert sum(event.rows for event in truth.events) == truth.labels_N.sum()


def test_the_truth_is_a_table_of_labels(injected: Injected) -> None:
    table = injected.truth.to_table()
    assert table.num_rows == injected.table.num_rows
    row = int(np.flatnonzero(injected.truth.of(0))[0])
    assert table["family"][row].as_py() == injected.truth.families[0].name
    assert table["affected"][row].as_py()
    normal = int(np.flatnonzero(~injected.truth.labels_N)[0])
    assert table["family"][normal].as_py() is None
    assert table["affected"][normal].as_py() == []


@settings(max_examples=8, derandomize=True, deadline=None)
@given(seed=st.integers(0, 2**62), rows=st.integers(1, 400), keys=st.integers(1, 30))
def test_same_seed_same_anomalies_and_input_untouched(seed: int, rows: int, keys: int) -> None:
    table = payments(rows, keys=keys, seed=seed % 1000)
    before = table.to_pydict()
    first, second = (inject(table, EVERYTHING, seed=seed) for _ in range(2))
    assert table.to_pydict() == before
    assert first.table.equals(second.table)
    assert (first.truth.family_N == second.truth.family_N).all()
    assert first.truth.events == second.truth.events


def test_another_seed_gives_other_anomalies(injected: Injected) -> None:
    other = inject(TABLE, EVERYTHING, seed=1)
    assert not other.table.equals(injected.table)


def test_a_table_without_features_or_with_constants_gets_what_fits() -> None:
    field = make_field("constant", Kind.NUMERIC, [Role.FEATURE])
    constant = pa.table([pa.array([7.0] * 100)], schema=pa.schema([field]))
    for kind in AnomalyKind:
        done = inject(constant, Plan(families=(Family(kind=kind),), columns=None), seed=0)
        assert not done.truth.affected_NC[:, 0].any()


def test_columns_may_be_named() -> None:
    plan = Plan(families=(Family(kind=AnomalyKind.POINT, share=0.1),), columns=("fee",))
    assert {event.columns for event in inject(TABLE, plan, seed=0).truth.events} == {("fee",)}
    with pytest.raises(UnusableDataError, match="no column 'absent'"):
        inject(TABLE, Plan(families=(), columns=("absent",)), seed=0)
    with pytest.raises(UnusableDataError, match="no rows"):
        inject(TABLE.slice(0, 0), plan, seed=0)
