"""What people type after --where, read or refused; chunks that agree however a run is cut."""

import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from synth.chunks import chunk_seed, chunks
from synth.conditions import Operator, parse_where
from synth.contract import LABEL, example
from synth.errors import ImpossibleConditionsError
from synth.independent import IndependentGenerator

SCHEMA = pa.schema([make_field("country", Kind.CATEGORICAL), make_field("amount", Kind.NUMERIC, [Role.FEATURE])])


def test_terms_are_read() -> None:
    terms = parse_where("country=BR|PT, amount>=500,amount != 7", SCHEMA)
    assert [(t.column, t.operator, t.values) for t in terms] == [
        ("country", Operator.EQUAL, ("BR", "PT")),
        ("amount", Operator.AT_LEAST, ("500",)),
        ("amount", Operator.UNEQUAL, ("7",)),
    ]
    assert str(terms[0]) == "country=BR|PT"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("amount", "write column=value"),
        ("amount>", "write column=value"),
        ("size=3", "name one of country, amount"),
        ("country>BR", "has no order"),
        ("amount>1|2", "give one"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_way_out(text: str, says: str) -> None:
    with pytest.raises(ImpossibleConditionsError, match=says):
        parse_where(text, SCHEMA)


def test_a_resumed_run_agrees_with_an_uninterrupted_one() -> None:
    generator = IndependentGenerator(seed=0)
    generator.fit(example(300), label=LABEL)
    whole = list(chunks(generator, 250, seed=7, chunk_rows=100))
    assert [chunk.num_rows for chunk in whole] == [100, 100, 50]
    rest = list(chunks(generator, 250, seed=7, chunk_rows=100, first_chunk=1))
    assert all(a.equals(b) for a, b in zip(whole[1:], rest, strict=True))
    ids = pa.concat_tables(whole)["id"].to_pylist()
    assert len(set(ids)) == 250
    assert len({chunk_seed(seed, index) for seed in range(20) for index in range(20)}) == 400
