"""Conditions on columns that are not learned: the model hears what it can, the impossible is refused at once."""

import numpy as np
import pyarrow as pa
import pytest

from synth.conditions import Condition, Conditions, Operator, parse_where
from synth.errors import ImpossibleConditionsError
from synth.independent import IndependentGenerator
from synth.preparation import Preparation
from tests.synth.preparation.tables import orders, people

TABLE = orders(1_500)
PREPARED = Preparation.fit(TABLE, label="kept", seed=1)


def split(text: str) -> tuple[list[str], list[str]]:
    asked, left = PREPARED.split(Conditions(where=parse_where(text, PREPARED.kinds)))
    return sorted(map(str, asked.where)), sorted(map(str, left.where))


def test_learned_columns_pass_through() -> None:
    assert split("tax>=1,city=city 3") == (["city=city 3", "tax>=1"], [])


def test_functions_become_levels_and_leave_nothing() -> None:
    asked, left = split("country=country 3")
    assert left == []
    assert asked[0].startswith("city=")
    assert {int(c.removeprefix("city ")) % 7 for c in asked[0].removeprefix("city=").split("|")} == {3}


def test_constants_are_decided_at_once() -> None:
    assert split("currency=EUR,nothing=null") == ([], [])
    with pytest.raises(ImpossibleConditionsError, match="is EUR in every row"):
        split("currency=USD")


def test_what_is_only_necessary_is_looked_at_again() -> None:
    asked, left = split("made>=2025-05-01T12:00")
    assert asked == ["made week>=2887"]
    assert left == ["made>=2025-05-01T12:00"]
    asked, left = split("sent<2025-04-01")
    assert asked == ["made week<=2883"]
    assert left == ["sent<2025-04-01"]
    assert split("gross>30") == ([], ["gross>30"])
    assert split("weekday=Sat|Sun") == (["made weekday=5|6"], ["weekday=Sat|Sun"])
    assert split("hour<5") == (["made time of day<18000", "made time of day>=0"], ["hour<5"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("made=2030-01-01", "lies between 2025-03-03"),
        ("gross<-1", "lies between"),
        ("tax>1e9", "lies between"),
        ("country=nowhere", "is one of country"),
        ("weekday=Someday", "is one of"),
        ("order=A-1", "never learned"),
        ("net>abc", "'abc' is no value"),
        ("sent<soon", "'soon' is no value"),
    ],
)
def test_what_no_row_can_fit_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(ImpossibleConditionsError, match=said):
        split(text)


@pytest.mark.parametrize(
    "text",
    ["country!=country 3", "group=young", "group=null", "fahrenheit>=50", "celsius<5", "total=1000", "made<2025-04-01",
     "date=2025-04-02", "weekday=Sat|Sun", "hour>=20", "sent=null", "sent!=null", "age!=30", "items=2|3"],
)  # fmt: skip
def test_split_conditions_mean_what_was_asked(text: str) -> None:
    where = parse_where(text, PREPARED.kinds)
    asked, left = PREPARED.split(Conditions(where=where))
    learned = Preparation.fit(PREPARED.learned(TABLE), label=None, seed=1)  # its conditions can be held against rows
    wanted = PREPARED.fitting(TABLE, where)
    through = learned.fitting(PREPARED.learned(TABLE), asked.where)
    assert np.array_equal(wanted, through & PREPARED.fitting(TABLE, left.where))
    if text not in ("total=1000",):
        assert 0 < wanted.sum() < len(wanted)


def test_pseudonyms_are_asked_for_by_the_names_behind_them() -> None:
    table = people()
    prepared = Preparation.fit(table, label=None, seed=1)
    who = table["customer"][0].as_py()
    asked, left = prepared.split(
        Conditions(where=(Condition(column="customer", operator=Operator.EQUAL, values=(who,)),))
    )
    assert asked.where[0].values[0] == prepared.learned(table)["customer"][0].as_py()
    assert left.empty
    given, _ = prepared.split(Conditions(given=table.select(["customer"])))
    assert given.given is not None
    assert given.given["customer"].combine_chunks().equals(prepared.learned(table)["customer"].combine_chunks())


def test_balance_goes_to_the_column_behind() -> None:
    rank = np.random.default_rng(0).integers(0, 5, 300)
    table = pa.table({"rank": rank, "name": [f"r{r}" for r in rank.tolist()], "pair": (rank // 2).tolist()})
    prepared = Preparation.fit(table, label=None, seed=1)
    assert prepared.split(Conditions(balance="name"))[0].balance == "rank"
    with pytest.raises(ImpossibleConditionsError, match="balance rank instead"):
        prepared.split(Conditions(balance="pair"))
    with pytest.raises(ImpossibleConditionsError, match="no column 'x'"):
        prepared.split(Conditions(balance="x"))


def test_given_values_become_learned_ones() -> None:
    given = TABLE.select(["made", "city", "currency"]).slice(0, 5)
    asked, _ = PREPARED.split(Conditions(given=given))
    assert asked.given is not None
    learned = PREPARED.learned(TABLE).slice(0, 5)
    assert asked.given.column_names == ["made week", "made weekday", "made time of day", "city"]
    assert all(asked.given[name].to_pylist() == learned[name].to_pylist() for name in asked.given.column_names)
    with pytest.raises(ImpossibleConditionsError, match="give net, tax instead"):
        PREPARED.split(Conditions(given=TABLE.select(["gross"])))
    with pytest.raises(ImpossibleConditionsError, match="leave it out"):
        PREPARED.split(Conditions(given=TABLE.select(["token"])))
    with pytest.raises(ImpossibleConditionsError, match="is EUR in every row"):
        PREPARED.split(Conditions(given=pa.table({"currency": ["USD"]})))


def test_generated_rows_keep_relations() -> None:
    generator = IndependentGenerator(seed=1)
    generator.fit(TABLE, label="kept")
    made = generator.sample(500, seed=3)
    assert made.schema.equals(TABLE.schema, check_metadata=True)
    frame = made.to_pandas()
    assert (np.round(frame["net"] + frame["tax"], 2) == frame["gross"]).all()
    assert (frame["made"].dt.hour == frame["hour"]).all()
