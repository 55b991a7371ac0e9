"""What people type, and what is refused before anything is generated."""

import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from detectors.injection import AnomalyKind
from detectors.injection.plan import VARIANTS
from synth.anomalies import AnomalyRequest, parse_anomalies, refuse_impossible
from synth.anomalies.names import ALIASES, FAMILIES
from synth.errors import ImpossibleConditionsError

NUMBERS = pa.schema([pa.field("a", pa.float64()), pa.field("b", pa.int32())])
LEVELS = pa.schema([pa.field("a", pa.string()), pa.field("b", pa.dictionary(pa.int8(), pa.string()))])
TIMED = NUMBERS.append(pa.field("at", pa.timestamp("ns")))
KEYED = TIMED.append(make_field("who", Kind.CATEGORICAL, [Role.KEY]))


def test_requests_are_read() -> None:
    assert parse_anomalies("2%:velocity,spike") == AnomalyRequest(share=0.02, names=("velocity", "spike"))
    assert parse_anomalies(" .5 % : Wrong customer, wrong-hour ").names == ("wrong_customer", "wrong_hour")
    assert parse_anomalies("0.1").names == ("all",)
    assert parse_anomalies("50%:collective:burst,burst").names == ("velocity",)
    assert str(parse_anomalies("2%:spike,noise")) == "2%:spike,noisy"


def test_every_family_has_a_name_and_every_alias_a_family() -> None:
    named = {way for ways in FAMILIES.values() for way in ways}
    assert named == {(kind, way) for kind in AnomalyKind for way in VARIANTS[kind]}
    assert set(ALIASES.values()) <= set(FAMILIES)
    assert not set(ALIASES) & set(FAMILIES) - set(AnomalyKind)


@pytest.mark.parametrize("text", ["0%:spike", "51%:spike", "spike", "-1%", "two%:spike", "", "2", "%:spike", "nan%"])
def test_shares_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ImpossibleConditionsError, match="no share"):
        parse_anomalies(text)


def test_unknown_names_are_told_the_known_ones() -> None:
    with pytest.raises(ImpossibleConditionsError, match=r"'spikey' is no anomaly known here: name all, point.*shift"):
        parse_anomalies("2%:spikey")
    with pytest.raises(ImpossibleConditionsError, match="'' is no anomaly"):
        parse_anomalies("2%:spike,")


@pytest.mark.parametrize(
    ("schema", "names", "said"),
    [
        (NUMBERS, "velocity", "give one the role key"),
        (TIMED, "wrong_customer", "give one the role key"),
        (NUMBERS, "wrong_hour", "give one the role time"),
        (NUMBERS, "stuck", "give a column the role time"),
        (LEVELS, "number", "no column of numbers"),
        (NUMBERS, "unseen_level", "no column of names"),
        (NUMBERS, "number,velocity", "velocity cannot be shown"),
    ],
)
def test_what_a_schema_cannot_show_is_refused_with_what_is_lacking(schema: pa.Schema, names: str, said: str) -> None:
    with pytest.raises(ImpossibleConditionsError, match=said):
        refuse_impossible(schema, parse_anomalies(f"1%:{names}"))


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        (KEYED, "velocity,wrong_customer,wrong_hour,drift"),
        (NUMBERS, "all"),
        (LEVELS, "point,contextual"),
        (TIMED, "sensor"),
    ],
)
def test_what_a_schema_can_show_passes(schema: pa.Schema, names: str) -> None:
    refuse_impossible(schema, parse_anomalies(f"1%:{names}"))


def test_rows_that_follow_one_another_need_no_clock() -> None:
    refuse_impossible(NUMBERS, parse_anomalies("1%:stuck"), ordered=True)
