"""However rows are cut into batches, and wherever the process dies, the same alerts come out."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.alerts.model import AlertStatus, Flagged
from tests.alerts.builders import Run, final, make_engine, make_spec, observe, reason, row

SPEC = make_spec(
    group_gap_seconds=20,
    update_seconds=15,
    storm={"keys": 3, "window_seconds": 40},
    minimum_deviation={"amount": 5.0},
    suppress=[{"name": "tests", "where": {"country": "XX"}}],
)


@dataclass(frozen=True)
class Happening:
    """One row of a partition, flagged or not, on a stream whose rows come out of order."""

    step_seconds: float
    key: str
    cause: str
    flagged: bool
    tail: float
    suppressed: bool


happenings = st.lists(
    st.builds(
        Happening,
        step_seconds=st.sampled_from([0.0, 0.4, 3.0, 9.0, 19.9, 20.1, 45.0, -5.0, -30.0, -40.0]),
        key=st.sampled_from("aaabcd"),
        cause=st.sampled_from(["amount", "country"]),
        flagged=st.sampled_from([True, True, False]),
        tail=st.sampled_from([9e-4, 5e-5, 1e-6]),
        suppressed=st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=40,
)
cuts = st.sets(st.integers(0, 40))
Batches = list[tuple[list[Flagged], float]]


def batches_of(rows: list[Happening], cut_at: set[int]) -> Batches:
    """Flagged rows batch by batch, each with the watermark at its end."""
    batches: Batches = []
    flagged: list[Flagged] = []
    now, newest = 1000.0, 0.0
    for offset, happening in enumerate(rows):
        if offset in cut_at:
            batches.append((flagged, newest))
            flagged = []
        now += happening.step_seconds
        newest = max(newest, now)
        if happening.flagged:
            flagged.append(
                row(
                    offset,
                    now,
                    happening.key,
                    tail=happening.tail,
                    reasons=(reason(happening.cause),),
                    watermark_seconds=newest,
                    country="XX" if happening.suppressed else "SE",
                )
            )
    batches.append((flagged, newest))
    return [*batches, ([], newest + 10_000)]


def run_of(batches: Batches, *, max_open: int = 5_000) -> Run:
    run = Run.of(make_engine(SPEC, max_open=max_open))
    for rows, newest in batches:
        run.feed(rows, watermark_seconds=newest)
    return run


@settings(max_examples=150, deadline=None, derandomize=True)
@given(happenings, cuts)
def test_the_cut_into_batches_does_not_change_what_is_published(rows: list[Happening], cut_at: set[int]) -> None:
    assert run_of(batches_of(rows, cut_at)).alerts == run_of(batches_of(rows, set())).alerts


def test_an_unflagged_row_in_the_same_batch_moves_the_clock_for_the_rows_after_it() -> None:
    late = [row(0, 1000, watermark_seconds=1000), row(2, 1010, watermark_seconds=1100)]
    whole, cut = Run.of(make_engine(SPEC)), Run.of(make_engine(SPEC))
    whole.feed(late, watermark_seconds=1100)
    cut.feed(late[:1], watermark_seconds=1000)
    cut.feed([], watermark_seconds=1100)
    cut.feed(late[1:], watermark_seconds=1100)
    assert whole.alerts == cut.alerts
    assert len(final(whole.alerts)) == 2


def test_the_clock_is_not_written_for_every_batch() -> None:
    run = Run.of(make_engine(SPEC))
    for batch in range(1000):
        run.feed([], watermark_seconds=1000 + batch / 100)
    assert len(run.log) <= 6, "ten seconds of event time, in steps of two"


@settings(max_examples=50, deadline=None, derandomize=True)
@given(happenings, cuts)
def test_neither_does_it_when_alerts_are_shed(rows: list[Happening], cut_at: set[int]) -> None:
    few = run_of(batches_of(rows, cut_at), max_open=2)
    assert few.alerts == run_of(batches_of(rows, set()), max_open=2).alerts


@settings(max_examples=100, deadline=None, derandomize=True)
@given(happenings, cuts, st.booleans())
def test_a_crash_at_any_batch_boundary_changes_nothing(
    rows: list[Happening], cut_at: set[int], is_compacted: bool
) -> None:
    batches = batches_of(rows, cut_at)
    crashing = Run.of(make_engine(SPEC))
    for flagged, newest in batches:
        observe(crashing.engine, flagged, watermark_seconds=newest)  # staged, and lost with the process
        crashing.engine = make_engine(SPEC)
        crashing.engine.restore(list(crashing.compacted.items()) if is_compacted else crashing.log)
        crashing.feed(flagged, watermark_seconds=newest)
    assert crashing.alerts == run_of(batches).alerts
    assert crashing.compacted == run_of(batches).compacted


@settings(max_examples=100, deadline=None, derandomize=True)
@given(happenings, cuts)
def test_an_aborted_transaction_changes_nothing(rows: list[Happening], cut_at: set[int]) -> None:
    batches = batches_of(rows, cut_at)
    aborted = Run.of(make_engine(SPEC))
    for flagged, newest in batches:
        aborted.engine.discard(observe(aborted.engine, flagged, watermark_seconds=newest))
        aborted.feed(flagged, watermark_seconds=newest)
    assert aborted.alerts == run_of(batches).alerts


@settings(max_examples=100, deadline=None, derandomize=True)
@given(happenings, cuts)
def test_every_alert_is_opened_once_ends_resolved_and_is_forgotten(rows: list[Happening], cut_at: set[int]) -> None:
    run = run_of(batches_of(rows, cut_at))
    for alert_id, last in final(run.alerts).items():
        mine = [a for a in run.alerts if a.id == alert_id]
        assert [a.revision for a in mine] == list(range(1, len(mine) + 1))
        assert [a.status for a in mine].count(AlertStatus.OPEN) == 1
        assert last.status is AlertStatus.RESOLVED
    assert run.engine.open_alerts == 0
    assert len(run.compacted) == 1, "only the clock stays in the changelog"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(happenings)
def test_every_row_that_passes_the_rules_is_counted_in_exactly_one_alert(rows: list[Happening]) -> None:
    batches = batches_of(rows, set())
    passed = sum(r.event["country"] != "XX" for flagged, _ in batches for r in flagged)
    last = final(run_of(batches).alerts).values()
    assert sum(a.events for a in last if a.storm_id is None) == passed
