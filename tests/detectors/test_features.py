"""The encoding: values come back, strange ones have a price, and nothing in a column can break a batch."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Kind, Role, make_field
from detectors.contract import example
from detectors.errors import UnusableDataError
from detectors.features import FeatureCodec


def one_column(values: pa.Array, kind: Kind = Kind.NUMERIC) -> pa.Table:
    field = make_field("x", kind, [Role.FEATURE], arrow_type=values.type)
    return pa.table([values], schema=pa.schema([field]))


def nats(codec: FeatureCodec, values: pa.Array) -> float:
    """The price of the first value: its class's, where training never showed it, and its own within the class."""
    encoded = codec.encode(one_column(values))
    unseen = codec.parts[0].unseen_nats_K[encoded.classes_PB[0, 0]]
    return float(encoded.extra_PB[0, 0] + unseen)


def test_every_kind_of_column_comes_back() -> None:
    table, _ = example(600)
    codec = FeatureCodec.fit(table)
    back = codec.decode(codec.encode(table))
    for name in ("items", "shop", "code", "member", "empty"):
        assert back[name].to_pylist() == table[name].to_pylist(), name
    for name in ("amount", "total", "constant"):
        wanted = [np.nan if v is None else v for v in table[name].to_pylist()]
        got = [np.nan if v is None else v for v in back[name].to_pylist()]
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5, err_msg=name)
    for moment, kept in zip(table["time"].to_pylist(), back["time"].to_pylist(), strict=True):
        assert (moment.weekday(), moment.hour) == (kept.weekday(), kept.hour)


def test_a_saved_encoding_encodes_the_same() -> None:
    table, _ = example(400)
    codec = FeatureCodec.fit(table)
    loaded = FeatureCodec.from_document(json.loads(json.dumps(codec.document(), allow_nan=False)))
    for a, b in zip(
        (codec.encode(table).inputs_IB, codec.encode(table).classes_PB, codec.encode(table).extra_PB),
        (loaded.encode(table).inputs_IB, loaded.encode(table).classes_PB, loaded.encode(table).extra_PB),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


numbers = st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(train=numbers, seen=numbers)
def test_no_numbers_break_an_encoding(train: list[float | None], seen: list[float | None]) -> None:
    training = pa.array([0.5, *train], type=pa.float64())
    codec = FeatureCodec.fit(one_column(training))
    encoded = codec.encode(one_column(pa.array(seen, type=pa.float64())))
    assert np.isfinite(encoded.inputs_IB).all()
    assert np.isfinite(encoded.extra_PB).all()
    assert (encoded.extra_PB >= 0).all()
    assert ((encoded.classes_PB >= 0) & (encoded.classes_PB < codec.parts[0].classes)).all()
    absent = [value is None or value != value for value in seen]
    np.testing.assert_array_equal(encoded.classes_PB[0] == codec.parts[0].classes - 1, absent)


names = st.lists(st.one_of(st.none(), st.text(max_size=6)), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(train=names, limit=st.integers(1, 50))
def test_levels_within_the_vocabulary_come_back(train: list[str | None], limit: int) -> None:
    table = one_column(pa.array(["a", *train], type=pa.string()), Kind.CATEGORICAL)
    codec = FeatureCodec.fit(table, vocabulary_limit=limit)
    back = codec.decode(codec.encode(table))["x"].to_pylist()
    vocabulary = codec.document()["columns"][0]["levels"]
    assert len(vocabulary) <= limit
    assert back == [v if v in vocabulary else None for v in table["x"].to_pylist()]


def test_wild_training_rows_move_scale_and_bins_little() -> None:
    g = np.random.default_rng(0)
    clean = g.normal(100.0, 5.0, 2_000)
    wild = np.where(g.random(2_000) < 0.05, 1e9 * g.random(2_000), clean)
    a, b = (FeatureCodec.fit(one_column(pa.array(x))).document()["columns"][0] for x in (clean, wild))
    assert b["center"] == pytest.approx(a["center"], abs=1.0)
    assert b["scale"] == pytest.approx(a["scale"], rel=0.2)


def test_the_price_beyond_the_range_grows_with_the_distance() -> None:
    codec = FeatureCodec.fit(one_column(pa.array(np.random.default_rng(0).normal(size=5_000))))
    prices = [nats(codec, pa.array([x])) for x in (0.0, 6.0, 60.0, 6e3, 6e200)]
    assert prices[0] == 0.0
    assert prices == sorted(prices)
    assert prices[1] > 2.0
    assert nats(codec, pa.array([-60.0])) == pytest.approx(prices[2], rel=0.2)


def test_one_bin_a_value_where_values_are_few() -> None:
    codec = FeatureCodec.fit(one_column(pa.array([0, 0, 1, 5] * 50)))
    assert codec.parts[0].counts_K.tolist() == [100, 50, 50, 0]
    assert nats(codec, pa.array([5])) == 0.0
    assert 0.0 < nats(codec, pa.array([4])) < nats(codec, pa.array([400]))


def test_a_new_name_is_dear_where_names_repeat_and_cheap_where_each_is_new() -> None:
    repeating = pa.array(["a", "b"] * 500)
    always_new = pa.array([f"id{i}" for i in range(1_000)])
    new = pa.array(["never seen"])
    dear = nats(FeatureCodec.fit(one_column(repeating, Kind.CATEGORICAL)), new)
    cheap = nats(FeatureCodec.fit(one_column(always_new, Kind.CATEGORICAL)), new)
    assert dear == pytest.approx(np.log(1_001))
    assert cheap < 1.0


def test_rare_levels_share_a_class_and_cost_their_share_of_it() -> None:
    levels = [f"common{i}" for i in range(30) for _ in range(100)] + ["rare"] * 10 + ["rarer"] * 2
    codec = FeatureCodec.fit(one_column(pa.array(levels), Kind.CATEGORICAL))
    encoded = codec.encode(one_column(pa.array(["common3", "rare", "rarer", "new"])))
    assert encoded.classes_PB[0, 1:].tolist() == [30, 30, 30]
    np.testing.assert_allclose(np.exp(-encoded.extra_PB[0]), [1.0, 10 / 13, 2 / 13, 1 / 13], rtol=1e-5)


def test_a_cycle_is_used_only_where_training_covers_it_twice() -> None:
    def parts(days: float) -> int:
        moments = np.datetime64("2026-01-01", "us") + (np.linspace(0, days, 500) * 86_400e6).astype("m8[us]")
        return len(FeatureCodec.fit(one_column(pa.array(moments).cast(pa.timestamp("us", tz="UTC")), Kind.TIME)).parts)

    assert [parts(days) for days in (1, 3, 20)] == [0, 1, 2]


def test_dictionary_and_wider_types_are_read_as_trained() -> None:
    codec = FeatureCodec.fit(one_column(pa.array(["a", "b", None]), Kind.CATEGORICAL))
    plain = codec.encode(one_column(pa.array(["b", None, "c"])))
    for other in (pa.array(["b", None, "c"]).dictionary_encode(), pa.array(["b", None, "c"], type=pa.large_string())):
        np.testing.assert_array_equal(codec.encode(one_column(other)).codes_PB, plain.codes_PB)
    numbers = FeatureCodec.fit(one_column(pa.array([1.0, 2.0, 3.0])))
    np.testing.assert_array_equal(numbers.encode(one_column(pa.array([2]))).classes_PB, [[1]])


def test_a_column_that_cannot_be_read_is_named() -> None:
    codec = FeatureCodec.fit(one_column(pa.array([1.0, 2.0])))
    with pytest.raises(UnusableDataError, match="'x'"):
        codec.encode(one_column(pa.array(["not a number"])))


def test_memory_of_an_encoding_is_bounded_by_its_vocabulary() -> None:
    table = one_column(pa.array([f"id{i}" for i in range(20_000)]), Kind.CATEGORICAL)
    assert len(json.dumps(FeatureCodec.fit(table).document())) < 60_000


def test_the_outlooks_of_many_rows_are_those_of_each_row() -> None:
    table, _ = example(600)
    codec = FeatureCodec.fit(table)
    rng = np.random.default_rng(5)
    for channel in codec.channels:
        if not channel.parts:
            continue
        chances = [rng.dirichlet(np.full(part.classes, 0.3), 40).T.astype(np.float32) for part in channel.parts]
        chances[0][:, 0] = np.eye(len(chances[0]), dtype=np.float32)[-1]
        together = channel.outlooks(chances)
        alone = [channel.outlook([chance_KB[:, b].astype(np.float64) for chance_KB in chances]) for b in range(40)]
        assert together == alone, channel.column
        for outlook in together:
            if outlook.low is not None and outlook.high is not None:
                assert outlook.low <= float(outlook.expected or 0.0) <= outlook.high
