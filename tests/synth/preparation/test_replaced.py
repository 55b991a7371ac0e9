"""Identifiers, personal columns and texts: what comes out is never what went in."""

import json
import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from synth.preparation import Preparation
from tests.synth.preparation.tables import orders, people


def restored(table: pa.Table, rows: int, *, seed: int = 1, first_row: int = 0) -> pa.Table:
    prepared = Preparation.fit(table, label=None, seed=1)
    learned = prepared.learned(table)
    places = pa.array(np.arange(rows) % len(learned))
    return prepared.restored(learned.take(places), seed=seed, first_row=first_row)


def identified(values: Sequence[str | None]) -> pa.Table:
    return pa.table({"id": values, "x": np.arange(len(values)) % 7})


HEX = "0123456789abcdef"
UUID_HEAD = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}"


def hexadecimal(count: int, width: int) -> list[str]:
    g = np.random.default_rng(0)
    return ["".join(row) for row in g.choice(list(HEX), (count, width)).tolist()]


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ([f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}" for h in hexadecimal(300, 32)], UUID_HEAD),
        (hexadecimal(300, 64), r"[0-9a-f]{64}"),
        ([f"INV{n * 7919 % 10**8:08d}" for n in range(300)], r"INV\d{8}"),
        ([f"K-{n}" for n in range(1, 300)], r"K-\d+"),
        ([f"{chr(65 + n % 26)}{chr(65 + n // 26)}-{n * 37 % 1000:03d}" for n in range(300)], r"[A-Z]{2}-\d{3}"),
        ([f"x{n}" if n % 2 else f"long-{n * 7919 % 9973:04d}" for n in range(10, 99)], r"x\d\d|long-\d{4}"),
    ],
    ids=["uuid", "digest", "number", "counted", "plate", "mixed"],
)  # fmt: skip
def test_identifiers_keep_their_shape_and_are_all_new(values: list[str], shape: str) -> None:
    made = restored(identified(values), 700)["id"].to_pylist()
    assert all(re.fullmatch(shape, value) for value in made[:40])
    assert len(set(made)) == 700
    assert not set(made) & set(values)


def test_identifiers_do_not_repeat_over_chunks_and_depend_on_row_and_seed_alone() -> None:
    table = orders(400)
    whole = restored(table, 400)
    parts = [restored(table, 100, first_row=first) for first in (0, 100, 200, 300)]
    for name in ("order", "token", "number", "note"):
        assert pa.concat_tables(parts)[name].to_pylist() == whole[name].to_pylist()
        assert len(set(whole[name].to_pylist())) == 400
    assert restored(table, 100, seed=2)["token"].to_pylist() != parts[0]["token"].to_pylist()


def test_chunks_with_seeds_of_their_own_never_meet() -> None:
    values = [f"{chr(65 + n % 26)}{chr(65 + n // 26)}-{n * 37 % 1000:03d}" for n in range(300)]
    made = [
        restored(identified(values), 2_000, seed=first, first_row=first)["id"].to_pylist()
        for first in (0, 2_000, 4_000)
    ]
    assert len(set().union(*made)) == 6_000


def test_a_space_that_runs_out_grows_instead_of_repeating() -> None:
    values = [f"{n:03d}" for n in np.random.default_rng(0).permutation(1_000)[:400] * 1]
    values = [f"{v}{chr(97 + int(v) % 26)}" for v in values]
    made = restored(identified(values), 30_000)["id"].to_pylist()
    assert len(set(made)) == 30_000
    assert not set(made) & set(values)


def test_integer_identifiers_go_on_behind_the_greatest() -> None:
    row = pa.table({"row": np.random.default_rng(0).permutation(500) * 5 + 100, "x": np.arange(500) % 9})
    assert restored(row, 3)["row"].to_pylist() == [2600, 2605, 2610]
    by_role = pa.table(
        [pa.array([900, 17, 4_000_000]), pa.array([1.0, 2.0, 3.0])],
        schema=pa.schema(
            [make_field("event", Kind.CATEGORICAL, [Role.ID], arrow_type=pa.int64()), pa.field("x", pa.float64())]
        ),
    )
    assert min(restored(by_role, 3)["event"].to_pylist()) > 4_000_000


def test_measurements_are_no_identifiers() -> None:
    g = np.random.default_rng(0)
    table = pa.table({"epoch": g.permutation(10**6)[:300] + 10**9, "salary": g.permutation(90_000)[:300] + 10_000})
    assert Preparation.fit(table, label=None, seed=1).learned_schema.names == ["epoch", "salary"]


def test_missing_identifiers_stay_as_frequent() -> None:
    values = [f"{h}" if n % 4 else None for n, h in enumerate(hexadecimal(400, 16))]
    made = restored(identified(values), 4_000)["id"]
    assert 0.2 < made.null_count / 4_000 < 0.3


def test_no_personal_value_comes_out() -> None:
    table = people()
    made = restored(table, 600)
    for name in ("customer", "account", "mail", "phone", "address", "name", "plate"):
        assert not set(made[name].to_pylist()) & set(table[name].to_pylist()), name
    assert all(mail.endswith(".example") for mail in made["mail"].to_pylist())
    assert all(re.fullmatch(r"198\.1[89]\.\d+\.\d+", address) for address in made["address"].to_pylist())
    assert all(re.fullmatch(r"\+49 30 \d{4} \d{4}", phone) for phone in made["phone"].to_pylist())
    assert all(re.fullmatch(r"[A-Z][a-z]+ [A-Z][a-z]+", name) for name in made["name"].to_pylist())


def test_no_personal_value_is_written_down() -> None:
    table = people()
    prepared = Preparation.fit(table, label=None, seed=1)
    text = json.dumps(prepared.document()) + str(prepared.learned(table).to_pydict())
    for name in ("customer", "mail", "phone", "address", "name", "plate"):
        assert not [value for value in set(table[name].to_pylist()) if f'"{value}"' in text or f"'{value}'" in text], (
            name
        )


def test_pseudonyms_link_what_was_linked_and_depend_on_the_seed() -> None:
    table = people()
    one, two = (Preparation.fit(table, label=None, seed=seed) for seed in (1, 2))
    made = one.restored(one.learned(table), seed=9)
    pairs = set(zip(table["customer"].to_pylist(), made["customer"].to_pylist(), strict=True))
    assert len(pairs) == len({old for old, _ in pairs}) == len({new for _, new in pairs})
    accounts = set(zip(made["customer"].to_pylist(), made["account"].to_pylist(), strict=True))
    assert len(accounts) == len(pairs)
    assert one.learned(table)["customer"].to_pylist() != two.learned(table)["customer"].to_pylist()
    assert any("pseudonyms" in note for note in one.notes)


def test_mail_addresses_are_personal_without_being_told() -> None:
    table = pa.table({"contact": [f"a{n}@b.example" for n in range(40)], "x": np.arange(40) % 5})
    prepared = Preparation.fit(table, label=None, seed=1)
    assert any("e-mail" in note for note in prepared.notes)
    assert not set(prepared.restored(prepared.learned(table), seed=1)["contact"].to_pylist()) & set(
        table["contact"].to_pylist()
    )


def test_texts_become_words_of_ours_as_long_as_they_were() -> None:
    table = orders(600)
    made = restored(table, 600)
    lengths = [np.mean([len(text.split()) for text in t["note"].to_pylist()]) for t in (table, made)]
    assert abs(lengths[0] - lengths[1]) < 1.5
    assert not {w for t in made["note"].to_pylist() for w in t.split()} & {"please", "call", "later", "now"}
