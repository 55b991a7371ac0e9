"""A stream goes in, a stream comes out: what a user would miss if it did not."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from detectors.columns import Kind, Role, make_field
from detectors.errors import IncompatibleArtifactError, NotFittedError, UnusableDataError
from synth.autoregressive.generator import Config
from synth.base import FitReport
from synth.chunks import chunks
from synth.independent import IndependentGenerator
from synth.streams import StreamGenerator, StreamSettings
from synth.streams.histories import histories_of
from tests.synth.streams.payments import BEGIN_US, DAY_US, payments
from tests.synth.streams.resampling import ResampledStream, fitted, histories, reloaded


@pytest.fixture(scope="module")
def source() -> pa.Table:
    return payments()


@pytest.fixture(scope="module")
def stream(source: pa.Table) -> ResampledStream:
    return fitted(source, label="bad")


@pytest.fixture(scope="module")
def learned(source: pa.Table) -> pa.Table:
    """What small ones of the default models make of it; they stop by themselves long before the time is up."""
    config = Config(width=24, hidden=24, batch_rows=128, most_steps=200)
    stream = StreamGenerator(seed=1, time_budget_seconds=600, model_settings={"config": config})
    stream.fit(source, label="bad")
    return stream.sample(1_500, seed=7)


@pytest.fixture(scope="module")
def made(stream: ResampledStream) -> pa.Table:
    return stream.sample(1_500, seed=7)


def test_the_stream_has_the_source_s_columns_and_order_of_time(source: pa.Table, made: pa.Table) -> None:
    assert made.num_rows == 1_500
    assert made.schema.equals(source.schema, check_metadata=True)
    assert np.all(np.diff(pc.cast(made["at"], pa.int64()).to_numpy()) >= 0)


def test_keys_and_identifiers_are_new_and_unique_over_chunks(source: pa.Table, stream: ResampledStream) -> None:
    parts = list(chunks(stream, 900, seed=3, chunk_rows=300))
    keys = [set(part["customer"].to_pylist()) for part in parts]
    assert not any(a & b for at, a in enumerate(keys) for b in keys[:at])
    assert not set.union(*keys) & set(source["customer"].to_pylist())
    events = [name for part in parts for name in part["event"].to_pylist()]
    assert len(set(events)) == 900
    assert not set(events) & set(source["event"].to_pylist())


def test_a_reference_that_one_key_alone_has_is_not_in_the_model(source: pa.Table, stream: ResampledStream) -> None:
    _, document = stream.state()
    _, known = document["levels"]["shop"]
    users: dict[int, set[str]] = {shop: set() for shop in source["shop"].to_pylist()}
    for shop, customer in zip(source["shop"].to_pylist(), source["customer"].to_pylist(), strict=True):
        users[shop].add(customer)
    assert any(len(keys) == 1 for keys in users.values()), "or this says nothing"
    assert all(len(users[shop]) > 1 for shop in known if shop is not None)


def test_columns_of_the_key_stay_the_same_through_a_history(made: pa.Table) -> None:
    assert all(len(set(part["country"].to_pylist())) == 1 for part in histories(made).values())


def test_what_follows_what_is_kept(learned: pa.Table) -> None:
    follows = {"open": "pay", "pay": "ship", "ship": "open"}
    steps = [part["step"].to_pylist() for part in histories(learned).values()]
    pairs = [(a, b) for one in steps for a, b in pairwise(one)]
    assert np.mean([follows[a] == b for a, b in pairs]) > 0.9


def test_lengths_and_gaps_are_those_of_the_source(source: pa.Table, learned: pa.Table) -> None:
    real, synthetic = (histories_of(table, key="customer", time="at") for table in (source, learned))
    assert np.median(synthetic.count_K) == pytest.approx(np.median(real.count_K), abs=3)
    gaps = [np.median(h.gap_us_N[~h.first_N]) for h in (real, synthetic)]
    assert gaps[1] == pytest.approx(gaps[0], rel=0.4)
    assert synthetic.time_us_N.min() >= BEGIN_US
    assert synthetic.time_us_N.max() <= BEGIN_US + 10 * DAY_US


def test_nights_stay_quiet(learned: pa.Table) -> None:
    hours = pc.hour(learned["at"]).to_numpy()
    assert np.mean((hours < 5) | (hours > 22)) < 0.03


def test_entities_keep_to_their_own_level(learned: pa.Table) -> None:
    parts = [part["amount"].drop_null().to_numpy() for part in histories(learned).values() if part.num_rows > 5]
    within = np.mean([np.log(part).std() for part in parts])
    between = np.std([np.log(part).mean() for part in parts])
    assert between > within


def test_references_stay_near_one_another(learned: pa.Table) -> None:
    """Customers use eight neighbouring shops of three hundred."""
    spreads = [np.ptp(part["shop"].to_numpy()) for part in histories(learned).values() if part.num_rows > 5]
    assert np.median(spreads) < 40


def test_another_moment_keeps_its_distance(made: pa.Table) -> None:
    apart = pc.subtract(made["due"].cast(pa.int64()), made["at"].cast(pa.int64())).to_numpy()
    assert np.all(apart == 3 * DAY_US)


def test_the_same_seed_gives_the_same_rows_also_from_saved_state(stream: ResampledStream, made: pa.Table) -> None:
    assert reloaded(stream).sample(1_500, seed=7).equals(made)
    assert not stream.sample(1_500, seed=8).equals(made)


def test_row_order_and_input_do_not_matter(source: pa.Table) -> None:
    before = source.slice(0)
    again = source.take(pa.array(np.random.default_rng(5).permutation(source.num_rows)))
    assert fitted(again).sample(200, seed=1).equals(fitted(source).sample(200, seed=1))
    assert source.equals(before)


def test_long_histories_are_drawn_in_pieces_that_add_up() -> None:
    table = payments(40, seed=2)
    pieces = fitted(table, settings=StreamSettings(longest_piece=4)).sample(400, seed=2)
    whole = histories_of(pieces, key="customer", time="at")
    assert whole.count_K.max() > 8
    real = histories_of(table, key="customer", time="at")
    assert np.median(whole.count_K) == pytest.approx(np.median(real.count_K), abs=4)


def test_events_without_key_or_time_are_left_out_and_counted(source: pa.Table) -> None:
    at = source.schema.get_field_index("customer")
    keys = pc.if_else(pa.array(np.arange(source.num_rows) < 7), pa.scalar(None, pa.string()), source["customer"])
    report = ResampledStream().fit(source.set_column(at, source.schema.field(at), keys))
    assert report.rows == source.num_rows - 7
    assert any("7 events without a key" in note for note in report.notes)


def test_the_report_adds_up_and_progress_rises(source: pa.Table) -> None:
    seen: list[float] = []
    report = ResampledStream().fit(source, progress=lambda done, _: seen.append(done))
    assert isinstance(report, FitReport)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)
    assert "entity_held_out_nats" in report.figures


@pytest.mark.parametrize("rows", [1, 2, 17])
def test_few_rows_can_be_asked_for(stream: ResampledStream, rows: int) -> None:
    assert stream.sample(rows, seed=0).num_rows == rows


def test_names_of_types_that_files_have_come_back_in_their_type() -> None:
    table = payments(60)
    table = table.set_column(
        table.column_names.index("customer"),
        table.schema.field("customer").with_type(pa.dictionary(pa.int32(), pa.large_string())),
        table["customer"].cast(pa.large_string()).dictionary_encode(),
    ).set_column(
        table.column_names.index("at"),
        table.schema.field("at").with_type(pa.timestamp("ns")),
        table["at"].cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64()).cast(pa.timestamp("ns")),
    )  # fmt: skip
    made = fitted(table).sample(50, seed=0)
    assert made.schema.equals(table.schema, check_metadata=True)
    assert made["customer"].null_count == 0


def test_a_stream_of_nothing_but_keys_and_times_is_learned() -> None:
    table = payments(60).select(["at", "customer"])
    made = fitted(table).sample(100, seed=0)
    assert made.schema.equals(table.schema, check_metadata=True)


def test_keys_with_one_event_each_are_learned() -> None:
    table = payments(200)
    first = histories_of(table, key="customer", time="at")
    made = fitted(first.table.take(pa.array(first.begin_K))).sample(100, seed=0)
    assert made["customer"].combine_chunks().unique().__len__() == 100


def test_columns_drawn_each_by_itself_still_make_a_stream(source: pa.Table) -> None:
    stream = StreamGenerator(row_model=IndependentGenerator, event_model=IndependentGenerator)
    stream.fit(source)
    made = stream.sample(300, seed=0)
    assert made.num_rows == 300
    assert reloaded(stream).sample(300, seed=0).equals(made)


# -- what cannot be learned ------------------------------------------------------------------------------------------


def test_a_table_without_key_or_time_is_refused(source: pa.Table) -> None:
    plain = source.cast(pa.schema([make_field(f.name, Kind.CATEGORICAL, arrow_type=f.type) for f in source.schema]))
    with pytest.raises(UnusableDataError, match="role 'key'"):
        ResampledStream().fit(plain)
    with pytest.raises(UnusableDataError, match="no column 'nobody'"):
        ResampledStream(key="nobody").fit(source)
    with pytest.raises(UnusableDataError, match="not a time"):
        ResampledStream(time="amount").fit(source)


def test_a_single_key_is_refused(source: pa.Table) -> None:
    one = source.filter(pc.equal(source["customer"], "c00003"))
    with pytest.raises(UnusableDataError, match="single value"):
        ResampledStream().fit(one)


def test_a_label_that_is_no_event_s_is_refused(source: pa.Table) -> None:
    with pytest.raises(UnusableDataError, match="cannot be the label"):
        ResampledStream().fit(source, label="customer")


def test_sampling_before_fitting_and_other_versions_are_refused(stream: ResampledStream) -> None:
    with pytest.raises(NotFittedError):
        StreamGenerator().sample(3, seed=0)
    tensors, document = stream.state()
    with pytest.raises(IncompatibleArtifactError, match="version 0"):
        ResampledStream.from_state(tensors, {**document, "version": 0})


def test_roles_are_enough() -> None:
    table = payments(60)
    assert Role.KEY.value == "key"
    stream = ResampledStream()
    stream.fit(table)
    named = ResampledStream(key="customer", time="at")
    named.fit(table)
    assert stream.sample(50, seed=0).equals(named.sample(50, seed=0))


def test_a_stream_whose_keys_own_nothing_but_what_is_never_learned_can_be_learned(source: pa.Table) -> None:
    mail = pa.array([f"{name}@example.org" for name in source["customer"].to_pylist()])
    without_country = source.drop_columns(["country"])
    table = without_country.append_column(make_field("mail", Kind.TEXT, [Role.PERSONAL]), mail)
    made = fitted(table, label="bad").sample(300, seed=2)
    assert made.num_rows == 300
    assert not set(made["mail"].to_pylist()) & set(table["mail"].to_pylist())
