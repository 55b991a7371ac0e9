"""Every copy that was put in is found, exact or near; none is that is not there."""

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.duplicates import looking
from pipeline.duplicates.content import ContentColumns
from pipeline.duplicates.frame import FrameMaker
from pipeline.duplicates.looking import Looked, look
from pipeline.duplicates.near import NearOptions, chance, near_rows
from tests.pipeline.duplicates.events import SPEC, events, with_copies

SMALL = st.lists(
    st.tuples(st.sampled_from(["1", "2", "3", None]), st.integers(0, 2), st.sampled_from(["x", "y", None])), max_size=30
)


def seen(table: pa.Table, cuts: list[int] | None = None, *, near: NearOptions | None = None) -> Looked:
    """What is found when rows come in batches cut at these places."""
    edges = sorted({0, table.num_rows, *(cut for cut in cuts or [] if cut < table.num_rows)})
    batches = [b for low, high in pairwise(edges) for b in table.slice(low, high - low).combine_chunks().to_batches()]
    return look(batches, table.schema, near=near)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(rows=SMALL, cuts=st.lists(st.integers(0, 30), max_size=4))
def test_exact_copies_are_those_that_comparing_every_pair_finds(
    rows: list[tuple[str | None, int, str | None]], cuts: list[int]
) -> None:
    base = events(len(rows))
    table = base.set_column(0, base.schema.field("id"), pa.array([r[0] for r in rows], pa.string()))
    table = table.set_column(1, base.schema.field("at"), pa.array([r[1] for r in rows], base.schema.field("at").type))
    for name, value in (("card", "a"), ("amount", 1.0), ("weight", None)):
        at = base.schema.get_field_index(name)
        table = table.set_column(at, base.schema.field(name), pa.array([value] * len(rows), base.schema.types[at]))
    shop = base.schema.get_field_index("shop")
    table = table.set_column(shop, base.schema.field("shop"), pa.array([r[2] for r in rows], pa.string()))
    found = seen(table, cuts)
    ids = [r[0] for r in rows]
    contents = [(r[1], r[2]) for r in rows]
    again = {n for n, i in enumerate(ids) if i is not None and i in ids[:n]}
    assert found.by_id is not None
    assert dict(zip(found.by_id.rows.tolist(), found.by_id.first.tolist(), strict=True)) == {
        n: ids.index(ids[n]) for n in again
    }
    assert set(found.by_content.rows.tolist()) == {n for n, c in enumerate(contents) if c in contents[:n]} - again
    assert found.other_content == sum(contents[n] != contents[ids.index(ids[n])] for n in again)


def truly_near(table: pa.Table, first: int, second: int, options: NearOptions) -> bool:
    """By comparing value by value."""
    differing = 0
    for name in ContentColumns.of(table.schema).content:
        values = table[name].to_pylist()
        x, y = values[first], values[second]
        if isinstance(x, float) and isinstance(y, float):
            low, high = np.quantile([known for known in values if known is not None], [0.02, 0.98])
            differing += abs(x - y) > options.tolerance * (high - low)
        else:
            differing += x != y
    return differing <= options.most_differing


@settings(max_examples=12, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 1000),
    columns=st.lists(st.sampled_from(["at", "card", "amount", "shop", "weight"]), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 300), max_size=3),
)
def test_every_copy_with_one_column_changed_is_found_and_none_invented(
    seed: int, columns: list[str], cuts: list[int]
) -> None:
    table = events(300, seed=seed)
    other: dict[str, list[Any]] = {
        "at": [n * 7_777_777 for n in range(len(columns))],
        "card": ["other"] * len(columns),
        "shop": [None] * len(columns),
        "amount": [1e6 + n for n in range(len(columns))],
        "weight": [None] * len(columns),
    }
    for n, column in enumerate(columns):
        table = with_copies(table, [n * 11], id=[f"copy{n}"], **{column: [other[column][n]]})
    options = NearOptions()
    found = seen(table, cuts, near=options)
    assert found.near is not None
    near = {int(n): int(found.near.earlier[n]) for n in np.flatnonzero(found.near.earlier >= 0)}
    assert near.items() >= {300 + n: n * 11 for n in range(len(columns))}.items()
    assert all(truly_near(table, first, second, options) for second, first in near.items())
    assert [found.near_columns[found.near.differs[300 + n]] for n in range(len(columns))] == columns
    assert (found.near.earlier == seen(table, near=options).near.earlier).all()  # type: ignore[union-attr]


def test_numbers_within_tolerance_are_equal_and_two_columns_may_differ_where_asked() -> None:
    table = events(2_000, seed=5)
    of = list(range(0, 1_000, 10))
    amounts, weights = (np.asarray(table[name].take(of)) for name in ("amount", "weight"))
    hardly = with_copies(table, of, id=[f"c{n}" for n in of], amount=amounts + 0.05, weight=weights - 1e-3)
    found = seen(hardly, near=NearOptions(tolerance=2e-3)).near
    assert found is not None
    assert (found.earlier[2_000:] == of).mean() > 0.95
    assert (found.differs[2_000:] == -1).mean() > 0.95
    assert seen(hardly, near=NearOptions(tolerance=0.0)).near.earlier.max() == -1  # type: ignore[union-attr]
    both = seen(hardly, near=NearOptions(tolerance=0.0, most_differing=2)).near
    assert both is not None
    assert (both.earlier[2_000:] == of).all()


def test_exact_copies_are_no_near_ones_and_hide_none() -> None:
    table = with_copies(events(100), [3] * 60, id=[f"c{n}" for n in range(60)])
    table = with_copies(table, [3], id=["near"], amount=[-5.0])
    found = seen(table, near=NearOptions())
    assert found.near is not None
    assert len(found.by_content.rows) == 60
    assert found.near.earlier[160] == 3
    assert (found.near.earlier[:160] == -1).all()


def test_frames_end_where_they_end_however_rows_are_batched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "NEAR_ROWS", 100)
    table = with_copies(events(160), [150, 20], id=["a", "b"], amount=[1.0, 2.0])
    one, other = (seen(table, cuts, near=NearOptions()).near for cuts in ([], [1, 99, 101, 130]))
    assert one is not None
    assert other is not None
    assert (one.earlier == other.earlier).all()
    assert one.earlier[160] == 150, "in the same frame"
    assert one.earlier[161] == -1, "too far away, as is said"


def test_chance_says_how_many_rows_that_know_nothing_of_each_other_are_near() -> None:
    rng = np.random.default_rng(99)
    base = events(4_000)
    coarse = base
    for name, values in (("amount", rng.integers(0, 9, 4_000) * 1.0), ("weight", rng.integers(0, 9, 4_000) * 1.0)):
        at = base.schema.get_field_index(name)
        coarse = coarse.set_column(at, base.schema.field(name), pa.array(values))
    coarse = coarse.drop_columns(["at"])
    found = seen(coarse, near=NearOptions())
    assert found.near is not None
    rows = int((found.near.earlier >= 0).sum())
    assert rows > 100
    assert found.chance_rows == pytest.approx(rows, rel=0.1)
    assert found.chance_exact_rows == pytest.approx(len(found.by_content.rows), rel=0.1)
    assert seen(base, near=NearOptions()).chance_rows < 10


def test_too_few_columns_and_too_few_rows_have_no_near_copies() -> None:
    assert seen(events(50).select(["id", "card", "shop"]), near=NearOptions()).near is None
    for rows in (0, 1):
        found = seen(events(rows), near=NearOptions())
        assert found.near is not None
        assert found.rows == rows
        assert (found.near.earlier == -1).all()


def test_a_frame_of_any_types_can_be_looked_at() -> None:
    table: pa.Table = pa.table(
        {
            "whole": [1, 1, 2, None],
            "flag": [True, True, False, None],
            "name": pa.array(["a", "a", "b", None]).dictionary_encode(),
            "odd": [float("nan"), float("nan"), float("inf"), None],
        }
    )
    maker = FrameMaker(table.schema, ContentColumns.of(table.schema))
    for batch in table.to_batches():
        maker.take(batch)
    frame = maker.frame()
    assert near_rows(frame, NearOptions()).exact_rows == 1
    assert chance(frame, NearOptions(), seed=1).earlier.shape == (4,)


def test_what_counts_as_near_is_checked() -> None:
    with pytest.raises(ValueError, match="most_differing"):
        NearOptions(most_differing=3)
    assert SPEC.schema().names[0] == "id"
