"""What can be asked of a stream, and what is said where it cannot."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from synth.conditions import Conditions, parse_where
from synth.errors import ImpossibleConditionsError
from synth.streams import generator
from tests.synth.streams.payments import SCHEMA, payments
from tests.synth.streams.resampling import ResampledStream, fitted, histories


@pytest.fixture(scope="module")
def stream() -> ResampledStream:
    return fitted(payments())


def asked(stream: ResampledStream, where: str, rows: int = 300) -> pa.Table:
    return stream.sample(rows, seed=4, conditions=Conditions(where=parse_where(where, SCHEMA)))


def test_a_condition_on_the_key_s_own_column_holds_for_whole_histories(stream: ResampledStream) -> None:
    made = asked(stream, "country=BR")
    assert set(made["country"].to_pylist()) == {"BR"}
    steps = [part["step"].to_pylist() for part in histories(made).values()]
    assert sum(one[0] == "open" for one in steps) > 0.9 * len(steps)


def test_conditions_on_events_leave_the_events_that_fit(stream: ResampledStream) -> None:
    made = asked(stream, "step!=open,amount>=10")
    assert made.num_rows == 300
    assert "open" not in made["step"].to_pylist()
    assert pc.min(made["amount"]).as_py() >= 10
    assert made["amount"].null_count == 0


def test_missing_values_and_truths_can_be_asked_for(stream: ResampledStream) -> None:
    assert asked(stream, "amount=null", 20)["amount"].null_count == 20
    assert pc.all(asked(stream, "bad=true", 20)["bad"]).as_py()


def test_a_condition_on_the_time_leaves_later_events(stream: ResampledStream) -> None:
    made = asked(stream, "at>=2026-01-09", 50)
    assert str(pc.min(made["at"]).as_py()) >= "2026-01-09"


def test_a_column_of_the_key_can_be_balanced(stream: ResampledStream) -> None:
    made = stream.sample(600, seed=4, conditions=Conditions(balance="country"))
    counts = [len({k for k, p in histories(made).items() if p["country"][0].as_py() == c}) for c in ("BR", "DE", "FR")]
    assert min(counts) > 0.6 * max(counts)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("amount>1e9", "0 of .* events drawn fit: loosen that"),
        ("customer=c00001", "made anew"),
        ("amount=many", "cannot be compared"),
        ("amount>null", "has no order"),
    ],
)
def test_impossible_conditions_say_why(
    stream: ResampledStream, where: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "LEAST_DRAWN", 1_000)
    with pytest.raises(ImpossibleConditionsError, match=message):
        asked(stream, where, 10)


def test_events_cannot_be_balanced_and_rows_cannot_be_given(stream: ResampledStream) -> None:
    with pytest.raises(ImpossibleConditionsError, match="balance one of country"):
        stream.sample(10, seed=0, conditions=Conditions(balance="bad"))
    with pytest.raises(ImpossibleConditionsError, match="do not fit whole histories"):
        stream.sample(1, seed=0, conditions=Conditions(given=pa.table({"amount": [1.0]})))
