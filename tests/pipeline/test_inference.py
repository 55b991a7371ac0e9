"""A guessed spec is one a person only has to touch up, and errs on the side that does little harm."""

import datetime as dt
import random
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from detectors.columns import Kind, Role
from pipeline.config import ColumnSpec, TimeUnit
from pipeline.errors import ConfigError
from pipeline.inference import Inferred, infer_spec
from pipeline.role_guesses import Wishes
from pipeline.spec_writer import settings_yaml, spec_yaml
from pipeline.value_patterns import is_card_number, words_of
from pipeline.yaml_files import load_files, read_spec


def payments(count: int = 400) -> list[dict[str, Any]]:
    rng = random.Random(5)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return [
        {
            "payment_id": str(uuid.UUID(int=rng.getrandbits(128))),
            "at": (start + dt.timedelta(seconds=i)).isoformat(),
            "received": 1_770_000_000_000 + i,
            "customer": {"ref": f"c{rng.randrange(60)}", "email": f"p{rng.randrange(60)}@example.org"},
            "pan": "4111111111111111",
            "client_address": f"10.0.{rng.randrange(9)}.{rng.randrange(200)}",
            "amount": rng.random() * 100,
            "attempts": rng.randrange(4),
            "mcc": rng.choice([5411, 5812, 5999]),
            "is_new": rng.random() < 0.5,
            "country": rng.choice(["DE", "FR"]),
            "note": f"free text {i}",
            "tags": ["a"],
            "fraud": rng.random() < 0.02,
            "fraud_kind": rng.choice([None, "stolen", "probe"]),
            "empty": None,
        }
        for i in range(count)
    ]


def inferred(**wishes: str) -> Inferred:
    return infer_spec(payments(), stream="payments", topic="pay", wishes=Wishes(**wishes))


def columns(found: Inferred) -> dict[str, ColumnSpec]:
    return {column.name: column for column in found.spec.columns}


def test_kinds_and_roles_of_a_typical_stream() -> None:
    found = columns(inferred())
    expected = {
        "payment_id": (Kind.TEXT, {Role.ID}),
        "at": (Kind.TIME, {Role.TIME}),
        "received": (Kind.TIME, set()),
        "ref": (Kind.CATEGORICAL, {Role.KEY}),
        "email": (Kind.CATEGORICAL, {Role.PERSONAL}),
        "pan": (Kind.CATEGORICAL, {Role.PERSONAL}),
        "client_address": (Kind.TEXT, {Role.PERSONAL}),
        "amount": (Kind.NUMERIC, {Role.FEATURE}),
        "attempts": (Kind.NUMERIC, {Role.FEATURE}),
        "mcc": (Kind.CATEGORICAL, {Role.FEATURE}),
        "is_new": (Kind.BOOLEAN, {Role.FEATURE}),
        "country": (Kind.CATEGORICAL, {Role.FEATURE}),
        "note": (Kind.TEXT, set()),
        "fraud": (Kind.BOOLEAN, {Role.LABEL}),
        "fraud_kind": (Kind.CATEGORICAL, {Role.LABEL}),
    }
    assert {name: (c.kind, set(c.roles)) for name, c in found.items()} == expected
    assert found["ref"].path == "customer.ref"
    assert (found["mcc"].integer, found["received"].unit) == (True, TimeUnit.MILLISECONDS)


def test_what_no_column_was_made_of_is_said_with_the_reason() -> None:
    assert set(inferred().left_out) == {"tags", "empty"}


def test_stated_roles_are_not_guessed() -> None:
    found = columns(inferred(key="country", label="is_new", time="received"))
    assert Role.KEY in found["country"].roles
    assert found["is_new"].roles == {Role.LABEL}
    assert Role.TIME in found["received"].roles
    assert Role.TIME not in found["at"].roles


def test_what_reads_like_the_truth_is_never_scored() -> None:
    found = columns(inferred(label="fraud_kind"))
    assert found["fraud"].roles == frozenset()
    assert found["fraud_kind"].roles == {Role.LABEL}


def test_a_stated_column_that_is_not_there_or_no_time_is_an_error_that_says_so() -> None:
    with pytest.raises(ConfigError, match=r"--key nobody: .*they have payment_id"):
        inferred(key="nobody")
    with pytest.raises(ConfigError, match="--time amount: its values are no times"):
        inferred(time="amount")


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no events"):
        infer_spec([], stream="a", topic="a")
    with pytest.raises(ConfigError, match="no field could be scored"):
        infer_spec([{"note": f"n{i}"} for i in range(100)], stream="a", topic="a")


def test_the_written_spec_reads_back_as_what_was_guessed(tmp_path: Path) -> None:
    found = inferred()
    path = tmp_path / "payments.yaml"
    path.write_text(spec_yaml(found, source="a\nfile"))
    spec, problems = read_spec(path)
    assert problems == ()
    assert spec == found.spec


def test_awkward_names_survive_the_writing(tmp_path: Path) -> None:
    names = ["no", "1", "a: b", "#x", "é\n", "with.dot", "yes", "- x", "'", '"']
    table = pa.table({name: [float(i) for i in range(20)] for name in names})
    found = infer_spec(table, stream="odd", topic="odd")
    path = tmp_path / "odd.yaml"
    path.write_text(spec_yaml(found, source="odd"))
    spec, problems = read_spec(path)
    assert problems == ()
    assert spec is not None
    assert [c.name for c in spec.columns] == [n for n in names if n != "with.dot"] or spec == found.spec


def test_first_settings_are_the_defaults(tmp_path: Path) -> None:
    plain, written = tmp_path / "plain", tmp_path / "written"
    (plain / "streams").mkdir(parents=True)
    (written / "streams").mkdir(parents=True)
    (plain / "eddyline.yaml").write_text("")
    defaults = load_files(plain / "eddyline.yaml", environment={}).settings
    (written / "eddyline.yaml").write_text(settings_yaml(defaults))
    again = load_files(written / "eddyline.yaml", environment={}).settings
    assert again.kafka == defaults.kafka
    assert again.lake == str(written / "lake")


def test_a_table_with_structs_and_dictionaries_is_read_by_paths() -> None:
    table = pa.table(
        {
            "who": [{"host": f"h{i % 5}", "port": i % 3} for i in range(90)],
            "state": pa.array(["up", "down", "up"] * 30).dictionary_encode(),
            "when": pa.array([dt.datetime(2026, 1, 1)] * 90, pa.timestamp("ns")),
        }
    )
    found = {c.name: c for c in infer_spec(table, stream="a", topic="a").spec.columns}
    assert found["host"].path == "who.host"
    assert Role.KEY in found["host"].roles
    assert found["port"].kind is Kind.CATEGORICAL
    assert found["when"].kind is Kind.TIME


def test_same_names_at_different_places_are_told_apart() -> None:
    events = [{"src": {"port": i}, "dst": {"port": i + 1}, "bytes": i} for i in range(30)]
    assert set(columns(infer_spec(events, stream="a", topic="a"))) == {"src_port", "dst_port", "bytes"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("srcIP", ["src", "ip"]),
        ("customer_id", ["customer", "id"]),
        ("TX_AMOUNT", ["tx", "amount"]),
        ("a1", ["a", "1"]),
    ],
)
def test_words_of_names(name: str, words: list[str]) -> None:
    assert words_of(name) == words


def test_card_numbers_keep_their_check_digit() -> None:
    assert is_card_number("4111 1111 1111 1111")
    assert not is_card_number("4111 1111 1111 1112")
    assert not is_card_number("0000000000000000")
