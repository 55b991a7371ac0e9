"""Levels, thousands of them too, as one token or two; and whole tables."""

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from synth.codec import CodecSettings, TokenCodec
from synth.codec.levels import OTHER, LevelsCodec
from synth.codec.table import MOST_CLASSES
from synth.conditions import Condition, Operator
from synth.errors import ImpossibleConditionsError


def levels(values: pa.Array, *, keep_all: bool = False) -> LevelsCodec:
    return LevelsCodec.fit("x", values, least_rows=5, keep_all=keep_all)


def back(codec: LevelsCodec, values: pa.Array) -> pa.Array:
    return codec.decode(codec.encode(values), np.random.default_rng(0))


def test_rare_texts_become_other_rare_codes_become_missing_and_a_label_keeps_all() -> None:
    texts = pa.array(["a"] * 20 + ["b"] * 3 + [None])
    assert back(levels(texts), texts).to_pylist() == ["a"] * 20 + [OTHER] * 3 + [None]
    codes = pa.array([7] * 20 + [8] * 3, pa.int64())
    assert back(levels(codes), codes).to_pylist() == [7] * 20 + [None] * 3
    assert back(levels(texts, keep_all=True), texts).equals(texts)
    assert levels(texts).merged_levels == 1
    assert levels(texts).merged_rows == 3


def test_truths_come_back() -> None:
    values = pa.array([True, False, None] * 10)
    assert back(levels(values), values).equals(values)


def test_levels_that_are_not_there_are_refused_with_those_that_are() -> None:
    with pytest.raises(ImpossibleConditionsError, match="knows a"):
        levels(pa.array(["a"] * 9)).allowed(Condition(column="x", operator=Operator.EQUAL, values=("z",)))
    with pytest.raises(ImpossibleConditionsError, match="never showed"):
        levels(pa.array(["a"] * 9)).encode(pa.array(["z"]))


def table(rows: int = 6_000) -> pa.Table:
    g = np.random.default_rng(0)
    fields = [
        make_field("city", Kind.CATEGORICAL, [Role.FEATURE]),
        make_field("amount", Kind.NUMERIC, [Role.FEATURE]),
        make_field("good", Kind.BOOLEAN, [Role.FEATURE]),
    ]
    city = [f"c{n}" for n in g.permutation(np.resize(np.arange(700), rows))]
    arrays = [pa.array(city), pa.array(g.normal(0, 1, rows)), pa.array(g.random(rows) < 0.5)]
    return pa.table(arrays, schema=pa.schema(fields))


def test_many_levels_take_two_small_tokens_and_come_back_exactly() -> None:
    source = table()
    codec = TokenCodec.fit(source, CodecSettings())
    assert max(token.classes for token in codec.tokens) <= MOST_CLASSES
    assert [token.second for token in codec.tokens] == [False, True, False, False]
    made = codec.decode(codec.encode(source), np.random.default_rng(0))
    assert made["city"].combine_chunks().equals(source["city"].combine_chunks())
    assert made["good"].combine_chunks().equals(source["good"].combine_chunks())


def test_every_pair_of_tokens_decodes_even_those_that_no_row_had() -> None:
    codec = TokenCodec.fit(table(), CodecSettings())
    sizes = [token.classes for token in codec.tokens]
    last = np.array([[size - 1 for size in sizes]], dtype=np.int32)
    assert codec.decode(last, np.random.default_rng(0)).num_rows == 1


def test_a_document_describes_it_wholly() -> None:
    source = table()
    codec = TokenCodec.fit(source, CodecSettings())
    again = TokenCodec.from_document(codec.document())
    np.testing.assert_array_equal(again.encode(source), codec.encode(source))
    assert again.document() == codec.document()
