"""What copies, guessed members and rare values show, and that real rows show none of it."""

import json

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from synth.fidelity.frames import frames
from synth.privacy import Privacy, exact_copies, measure, membership, near_copies, rare_values
from synth.privacy.distances import Space, nearest
from tests.synth.fidelity.tables import apart, people, shuffled

TRAIN, TEST, MORE = people(3000, 1), people(1500, 2), people(1500, 3)


def test_fresh_real_rows_are_no_copies() -> None:
    near, exact = near_copies(TRAIN, TEST, MORE), exact_copies(TRAIN, TEST, MORE)
    assert near.held_out == pytest.approx(0.02, abs=0.001)
    assert near.synthetic == pytest.approx(0.02, abs=0.012)
    assert near.excess_low < 0.0 < near.excess_high
    assert exact.synthetic == 0.0


def test_training_rows_handed_back_are_all_copies() -> None:
    assert near_copies(TRAIN, TEST, TRAIN).synthetic == 1.0
    assert exact_copies(TRAIN, TEST, TRAIN).synthetic == 1.0
    assert membership(TRAIN, TEST, TRAIN).auc > 0.95


def test_more_copies_are_seen_as_more() -> None:
    found = []
    for share in (0.0, 0.05, 0.2, 0.5):
        copied = int(1500 * share)
        found.append(near_copies(TRAIN, TEST, pa.concat_tables([TRAIN.slice(0, copied), MORE.slice(copied)])).synthetic)
    assert found == sorted(found)
    assert found[1] == pytest.approx(0.05 + 0.02, abs=0.015)


def test_rows_moved_a_little_are_near_copies_but_not_exact_ones() -> None:
    place = TRAIN.schema.get_field_index("pay")
    moved = TRAIN.set_column(place, TRAIN.schema.field("pay"), pa.compute.add(TRAIN["pay"], 0.01))
    assert near_copies(TRAIN, TEST, moved).synthetic > 0.98
    assert exact_copies(TRAIN, TEST, moved).synthetic < 0.06, "missing pay does not move"


def test_independent_columns_copy_nobody_and_betray_nobody() -> None:
    found = measure(TRAIN, TEST, apart(MORE, 1), label="label")
    assert found.near_copies.synthetic < 0.02
    assert found.membership.low < 0.52


def test_the_order_of_rows_changes_nothing() -> None:
    first = measure(TRAIN, TEST, MORE, label="label", seed=1)
    second = measure(shuffled(TRAIN, 1), shuffled(TEST, 2), shuffled(MORE, 3), label="label", seed=1)
    assert first.document() == second.document()
    assert (
        Privacy.from_document(json.loads(json.dumps(first.document(), allow_nan=False))).document() == first.document()
    )


def test_repeated_real_rows_are_expected_of_synthetic_ones() -> None:
    g = np.random.default_rng(0)
    train, test, made = (pa.table({"a": g.integers(0, 3, n), "b": g.integers(0, 2, n)}) for n in (500, 300, 300))
    near = near_copies(train, test, made)
    assert (near.synthetic, near.held_out) == (1.0, 1.0), "ties on the threshold count on either side"


def test_distances_are_gowers() -> None:
    x = np.linspace(0, 1, 101)
    train = pa.table({"x": x, "c": ["a"] * 101})
    asked = pa.table({"x": [0.505, None, 5.0], "c": ["a", "a", "b"]})
    a, b = frames(train, asked)
    found = np.sort(nearest(Space.of(a), b, a))
    assert found == pytest.approx([0.005 / 0.96, 1.0, 2.0], abs=1e-5)


def test_rare_levels_and_numbers_that_come_out_again_are_counted() -> None:
    g = np.random.default_rng(0)
    levels = ["common"] * 990 + [f"rare {k}" for k in range(10)]
    train = pa.table({"level": levels, "number": g.random(1000)})
    test = pa.table({"level": ["common"] * 500, "number": g.random(500)})
    made = pa.table({"level": ["common"] * 498 + ["rare 1", "rare 2"], "number": train["number"].slice(0, 500)})
    found = rare_values(train, test, made)
    assert (found.levels, found.levels_held_out) == (10, 0.0)
    assert found.levels_again == pytest.approx(0.2)
    assert found.columns == ("level",)
    assert (found.numbers_again, found.numbers_held_out) == (1.0, 0.0)


def test_classes_of_the_label_may_be_rare() -> None:
    train = pa.table({"label": ["no"] * 97 + ["yes"] * 3, "x": np.arange(100.0) % 7})
    assert rare_values(train, train, train, label="label").levels == 0


def test_personal_values_that_were_not_replaced_are_found() -> None:
    schema = pa.schema([make_field("name", Kind.CATEGORICAL, [Role.PERSONAL]), make_field("x", Kind.NUMERIC)])
    names = [f"name {k}" for k in range(200)]
    train, fresh = (
        pa.table([pa.array(n), pa.array(np.arange(200.0) % 9)], schema=schema) for n in (names, names[::-1])
    )
    found = rare_values(train, train, fresh)
    assert (found.replaced_again, found.replaced_column) == (1.0, "name")
    replaced = pa.table([pa.array([f"fake {k}" for k in range(200)]), pa.array(np.arange(200.0) % 9)], schema=schema)
    assert rare_values(train, train, replaced).replaced_again == 0.0


def test_one_row_is_said_to_be_too_few() -> None:
    one = people(1, 1)
    found = measure(one, one, one, label="label")
    assert np.isnan(found.membership.auc)
    assert found.exact_copies.synthetic == 1.0
