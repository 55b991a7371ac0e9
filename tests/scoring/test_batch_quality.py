"""Flagged rows are called bad data where the rows around them are, odd behaviour where those are as usual."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import Reason
from detectors.columns import Kind, Role
from pipeline.alerts.model import Cause
from pipeline.batch_profile import BatchProfile
from pipeline.batch_profiling import Profiler, bounds_of
from pipeline.config import BudgetSpec, ColumnSpec, ContextSpec, StreamSpec, TimeUnit
from pipeline.intake import Intake
from pipeline.kafka.port import Block, TopicPartition
from pipeline.scoring.batch_quality import NO_PROFILE, BatchQuality, Blame, Columns
from pipeline.scoring.forward import FlaggedRow, ScoredPiece

FEATURE = frozenset({Role.FEATURE})
SPEC = StreamSpec(
    stream="payments",
    topic="events",
    columns=(
        ColumnSpec(name="id", kind=Kind.TEXT, roles=frozenset({Role.ID})),
        ColumnSpec(name="at", kind=Kind.TIME, roles=frozenset({Role.TIME, Role.FEATURE}), unit=TimeUnit.MILLISECONDS),
        ColumnSpec(name="customer", kind=Kind.CATEGORICAL, roles=frozenset({Role.KEY})),
        ColumnSpec(name="amount", kind=Kind.NUMERIC, roles=FEATURE),
        ColumnSpec(name="country", kind=Kind.CATEGORICAL, roles=FEATURE),
    ),
    budget=BudgetSpec(share_of_events=0.01),
    context=(ContextSpec(key=("customer",), half_lives_seconds=(60.0,)),),
)
SOURCE = TopicPartition("events", 0)
START_MS = 1_767_571_200_000
Event = dict[str, Any]


def events(count: int, seed: int = 0) -> list[Event]:
    """Ordinary payments of 300 customers; an amount is missing in one of 200."""
    rng = np.random.default_rng(seed)
    amounts = rng.lognormal(3.0, 1.0, count).round(2)
    missing = rng.random(count) < 0.005
    customers, countries = rng.integers(300, size=count).tolist(), rng.choice(["SE", "NO", "FI"], count).tolist()
    return [
        {
            "id": f"{seed}-{n}",
            "at": START_MS + n * 1_000,
            "customer": f"c{customers[n]}",
            "amount": None if missing[n] else float(amounts[n]),
            "country": countries[n],
        }
        for n in range(count)
    ]


def block(rows: Sequence[Event | bytes], start: int = 0) -> Block:
    return Block(
        source=SOURCE,
        offsets=np.arange(start, start + len(rows), dtype=np.int64),
        timestamps_ms=START_MS + np.arange(start, start + len(rows), dtype=np.int64) * 1_000,
        keys=[None] * len(rows),
        values=[row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows],
    )


def profile() -> BatchProfile:
    """Of ordinary events."""
    fitted, held_out = (Intake(SPEC).take(block(events(8_000, seed))) for seed in (101, 102))
    made = Profiler(bounds_of(pa.Table.from_batches([fitted.batch]), SPEC.schema()), late_seconds=3_600.0)
    made.add(held_out.batch, held_out.time_ms)
    return BatchProfile.from_document(json.loads(json.dumps(made.profile().document())))


PROFILE = profile()


def odd(column: str = "amount", *others: str) -> tuple[Reason, ...]:
    """Reasons, the heaviest first."""
    names = (column, *others)
    return tuple(
        Reason(column=n, contribution_nats=10.0 / (1 + i), actual=None, expected=None) for i, n in enumerate(names)
    )


def judged(
    rows: Sequence[Event | bytes],
    flagged: dict[int, tuple[Reason, ...]],
    *,
    cuts: Sequence[int] = (),
    usual: BatchProfile | None = PROFILE,
) -> list[Blame]:
    """The blame of rows flagged by their offsets, the stream cut into batches."""
    quality, intake, found = BatchQuality(Columns(SPEC)), Intake(SPEC), list[Blame]()
    newest = 0
    edges = sorted({0, *(c for c in cuts if c < len(rows)), len(rows)})
    for start, stop in itertools.pairwise(edges):
        part = block(rows[start:stop], start)
        taken = intake.take(part)
        at = {int(offset): index for index, offset in enumerate(taken.offsets)}
        shown = taken.batch.to_pylist()
        mine = [FlaggedRow(row=at[o], reasons=r, event=shown[at[o]]) for o, r in sorted(flagged.items()) if o in at]
        none = np.zeros(taken.batch.num_rows)
        piece = ScoredPiece(block=part, taken=taken, scores_B=none, tail_B=none, flags_B=none > 0, flagged=mine)
        newest_ms = np.maximum(np.maximum.accumulate(taken.time_ms), newest) if len(taken.time_ms) else taken.time_ms
        newest = int(newest_ms[-1]) if len(newest_ms) else newest
        found += quality.observe([piece], newest_ms, usual)
    return found


def poisoned(rows: list[Event], column: str, share: float, start: int, value: Any = None) -> list[Event]:
    """A share of the rows from `start` on with a column spoilt."""
    rng = np.random.default_rng(7)
    return [{**r, column: value} if n >= start and rng.random() < share else r for n, r in enumerate(rows)]


def test_a_column_missing_in_a_third_of_the_events_is_bad_data_and_named() -> None:
    rows = poisoned(events(6_000), "amount", 0.3, 3_000)
    at = max(n for n, r in enumerate(rows) if r["amount"] is None)
    [blame] = judged(rows, {at: odd()})
    assert blame.cause is Cause.BAD_DATA
    assert blame.detail.startswith("amount is missing in 2")
    assert blame.detail.endswith("of the last 4,096 events, usually 0.5%")


def test_a_fault_is_seen_within_a_hundred_events_of_its_beginning() -> None:
    rows = poisoned(events(6_000), "amount", 0.3, 5_000)
    at = next(n for n, r in enumerate(rows) if n > 5_100 and r["amount"] is None)
    [blame] = judged(rows, {at: odd()})
    assert blame.cause is Cause.BAD_DATA
    assert "of the last 256 events" in blame.detail


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("amount", 1e6, "amount is out of the range"), ("country", "??", "country has values never seen")],
)
def test_wrong_values_in_many_keys_are_bad_data(column: str, value: Any, said: str) -> None:
    rows = poisoned(events(5_000), column, 0.3, 4_000, value)
    at = max(n for n, r in enumerate(rows) if r[column] == value)
    [blame] = judged(rows, {at: odd(column)})
    assert blame.cause is Cause.BAD_DATA
    assert said in blame.detail
    assert str(value) not in blame.detail


def test_a_burst_of_one_key_is_odd_behaviour_however_many_events_it_has() -> None:
    rows = events(5_000)
    for n in range(4_800, 5_000, 2):
        rows[n] |= {"customer": "c7", "amount": 1e6}
    [blame] = judged(rows, {4_998: odd()})
    assert blame == Blame(Cause.ODD_BEHAVIOUR)


def test_a_row_without_the_fault_is_odd_also_among_bad_data() -> None:
    rows = poisoned(events(5_000), "amount", 0.3, 2_000)
    rows[4_999] |= {"amount": 1e6}
    assert judged(rows, {4_999: odd()}) == [Blame(Cause.ODD_BEHAVIOUR)]
    rows[4_999] |= {"amount": None, "country": "XX"}
    assert judged(rows, {4_999: odd("country", "at", "amount")})[0].cause is Cause.ODD_BEHAVIOUR
    assert judged(rows, {4_999: odd("amount", "country")})[0].cause is Cause.BAD_DATA


def test_what_is_derived_from_a_bad_column_is_bad_too() -> None:
    rows = poisoned(events(5_000), "amount", 0.4, 2_000)
    whole = next(n for n, r in enumerate(rows) if n > 4_900 and r["amount"] is not None)
    assert judged(rows, {whole: odd("customer.amount_deviation")})[0].cause is Cause.BAD_DATA
    assert judged(rows, {whole: odd("customer.new_country")})[0].cause is Cause.ODD_BEHAVIOUR


def test_a_clock_that_stands_still_blames_what_rests_on_time() -> None:
    rows = events(5_000)
    for n in range(4_000, 5_000):
        rows[n]["at"] = rows[4_000]["at"]
    blames = judged(rows, {4_997: odd("at"), 4_998: odd("customer.count_1m"), 4_999: odd()})
    assert [b.cause for b in blames] == [Cause.BAD_DATA, Cause.BAD_DATA, Cause.ODD_BEHAVIOUR]
    assert "stands still" in blames[0].detail


def test_late_repeated_and_unreadable_events_blame_what_is_derived() -> None:
    late, twice, broken = events(5_000), events(5_000), list[Event | bytes](events(5_000))
    for n in range(4_500, 5_000, 3):
        late[n]["at"] -= 7_200_000
        twice[n] = twice[n - 5]
        broken[n] = b"{"
    for rows, said in ((late, "are late"), (twice, "repeat the id"), (broken, "could not be read")):
        [blame] = judged(rows, {4_999: odd("customer.count_1m")})
        assert blame.cause is Cause.BAD_DATA
        assert said in blame.detail


def test_too_few_events_and_no_profile_are_unknown_and_say_so() -> None:
    rows = events(300)
    early, enough = judged(rows, {200: odd(), 299: odd()})
    assert early.cause is Cause.UNKNOWN
    assert "only 201 events" in early.detail
    assert enough.cause is Cause.ODD_BEHAVIOUR
    assert judged(rows, {299: odd()}, usual=None) == [Blame(Cause.UNKNOWN, NO_PROFILE)]


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.sets(st.integers(1, 8_999), max_size=12), st.integers(0, 3))
def test_how_rows_are_cut_into_batches_changes_nothing(cuts: set[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = list[Event | bytes](poisoned(events(9_000, seed), "amount", 0.1, 4_000))
    for n in rng.integers(0, 9_000, 500):
        rows[n] = b"no event"
    columns = ["amount", "customer.count_1m", "customer.amount_deviation", "at"]
    flagged = {int(n): odd(columns[n % 4]) for n in rng.integers(0, 9_000, 60) if not isinstance(rows[n], bytes)}
    assert judged(rows, flagged, cuts=sorted(cuts)) == judged(rows, flagged)


def test_many_small_batches_are_judged_as_one() -> None:
    rows = poisoned(events(5_000), "amount", 0.3, 4_800)
    flagged = {n: odd() for n in range(4_750, 5_000)}
    assert judged(rows, flagged, cuts=range(0, 5_000, 7)) == judged(rows, flagged)


def test_a_column_that_was_often_missing_in_training_may_be_again() -> None:
    usual = PROFILE.usual_of("amount", next(f for c, f in PROFILE.usual if c == "amount"))
    used_to_it = replace(
        PROFILE,
        usual={**PROFILE.usual, **{key: replace(usual, highest=0.4, highest_long=0.4) for key in PROFILE.usual}},
    )
    rows = poisoned(events(5_000), "amount", 0.3, 2_000)
    at = max(n for n, r in enumerate(rows) if r["amount"] is None)
    assert judged(rows, {at: odd()}, usual=used_to_it)[0].cause is Cause.ODD_BEHAVIOUR


def test_clean_data_are_called_bad_in_less_than_one_of_a_thousand_judgements() -> None:
    wrong = 0
    for seed in range(2):
        rows = events(6_000, seed=200 + seed)
        flagged = {n: odd("amount", "country", "customer.count_1m", "at") for n in range(300, 6_000, 9)}
        wrong += sum(b.cause is Cause.BAD_DATA for b in judged(rows, flagged, cuts=range(0, 6_000, 500)))
    assert wrong == 0
