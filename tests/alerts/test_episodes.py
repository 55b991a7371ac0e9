"""One alert for one happening: grouping, updates, resolution, identity."""

import pytest

from pipeline.alerts.engine import TICK_GRACE_MS
from pipeline.alerts.model import AlertStatus, Severity
from tests.alerts.builders import NOW_MS, FullMasking, Run, final, make_engine, make_spec, observe, reason, row

OPEN, UPDATED, RESOLVED = AlertStatus.OPEN, AlertStatus.UPDATED, AlertStatus.RESOLVED
GAP_SECONDS = 60


def make_run(**alerts: object) -> Run:
    return Run.of(make_engine(make_spec(**{"group_gap_seconds": GAP_SECONDS, "update_seconds": 30, **alerts})))


def told(run: Run) -> list[tuple[AlertStatus, int]]:
    return [(a.status, a.events) for a in run.alerts]


def test_rows_of_one_key_within_the_gap_are_one_alert_and_beyond_it_two() -> None:
    run = make_run()
    run.feed([row(1, 0), row(2, 60), row(3, 120.001)])
    assert told(run) == [(OPEN, 1), (UPDATED, 2), (RESOLVED, 2), (OPEN, 1)]
    assert [(a.first_offset, a.last_offset) for a in final(run.alerts).values()] == [(1, 2), (3, 3)]


def test_keys_have_alerts_of_their_own_and_rows_without_a_key_share_one() -> None:
    run = make_run()
    run.feed([row(1, 0, "ada"), row(2, 1, ""), row(3, 2, None), row(4, 3, None)])
    assert [(a.key, a.first_offset) for a in run.alerts] == [("ada", 1), ("", 2), (None, 3)]


def test_growth_is_told_at_most_every_update_seconds_of_event_time() -> None:
    run = make_run()
    run.feed([row(n, float(n)) for n in range(100)])
    assert told(run) == [(OPEN, 1), (UPDATED, 31), (UPDATED, 61), (UPDATED, 91)]


def test_a_more_urgent_row_is_told_at_once_and_becomes_what_is_shown() -> None:
    run = make_run()
    run.feed([row(1, 0, tail=9e-4)])
    run.feed([row(2, 1, nats=90.0, tail=1e-6, reasons=(reason("country", actual="BR"),))], model="m2")
    run.feed([row(3, 2, tail=1e-4)], model="m3")
    assert [a.severity for a in run.alerts] == [Severity.INFO, Severity.CRITICAL]
    worst = run.alerts[-1]
    assert (worst.score_nats, worst.model_id, worst.reasons[0].column) == (90.0, "m2", "country")


def test_a_model_swap_does_not_split_an_episode() -> None:
    run = make_run()
    run.feed([row(1, 0)], model="old")
    run.feed([row(2, 40)], model="new")
    assert len(final(run.alerts)) == 1


def test_the_id_does_not_depend_on_the_model_but_on_the_place_of_the_first_event() -> None:
    ids = [observe(make_engine(make_spec()), [row(7, 0)], model=model).alerts[0].id for model in ("m1", "m2")]
    other = observe(make_engine(make_spec()), [row(8, 0)]).alerts[0].id
    assert ids[0] == ids[1] != other


def test_quiet_for_longer_than_the_gap_resolves_within_a_tenth_of_it() -> None:
    run = make_run()
    run.feed([row(1, 0)])
    assert run.feed([], watermark_seconds=60) == ()
    assert [a.status for a in run.feed([], watermark_seconds=66)] == [RESOLVED]
    assert run.engine.open_alerts == 0


def test_rows_out_of_order_count_as_seen_at_the_watermark() -> None:
    run = make_run()
    run.feed([row(1, 1000)])
    run.feed([row(2, 100, watermark_seconds=1000.0), row(3, 1030)])
    last = run.alerts[-1]
    assert (len(final(run.alerts)), last.events) == (1, 3)
    assert (last.started_ms, last.last_ms) == (100_000, 1_030_000)


def test_a_burst_of_late_rows_is_one_alert_not_one_each() -> None:
    run = make_run()
    run.feed([], watermark_seconds=100_000)
    run.feed([row(n, 10.0 * n, watermark_seconds=100_000.0) for n in range(20)])
    assert len(final(run.alerts)) == 1


def test_an_idle_partition_resolves_by_the_wall_clock_after_the_gap_and_a_grace() -> None:
    run = make_run()
    run.feed([row(1, 0)])
    quiet_ms = NOW_MS + GAP_SECONDS * 1000 + TICK_GRACE_MS
    assert run.keep(run.engine.tick(now_ms=quiet_ms)) == ()
    assert [a.status for a in run.keep(run.engine.tick(now_ms=quiet_ms + 1))] == [RESOLVED]


def test_too_many_open_alerts_resolve_the_one_longest_untouched_and_count_it() -> None:
    engine = make_engine(make_spec(), max_open=2)
    staged = observe(engine, [row(1, 0, "a"), row(2, 1, "b"), row(3, 2, "a"), row(4, 3, "c")])
    assert staged.shed == 1
    assert [(a.key, a.message) for a in staged.alerts if a.status is RESOLVED] == [
        ("b", "resolved early: more than 2 alerts were open")
    ]


def test_nothing_personal_is_published_or_stored() -> None:
    run = Run.of(make_engine(make_spec(), masker=FullMasking()))
    run.feed([row(1, 0, "ada@example.org"), row(2, 400, "ada@example.org", country="Atlantis")])
    run.feed([row(3, 401, "ada@example.org", tail=1e-9)])
    stored = b"".join(key + (value or b"") for key, value in run.log) + repr(run.alerts).encode()
    assert b"ada@example.org" not in stored
    assert b"Atlantis" not in stored


def test_shadow_alerts_say_so() -> None:
    run = make_run(shadow=True)
    run.feed([row(1, 0)])
    assert run.alerts[0].shadow


def test_only_the_latest_staging_can_be_committed() -> None:
    engine = make_engine(make_spec())
    first = observe(engine, [row(1, 0)])
    second = observe(engine, [row(1, 0)])
    with pytest.raises(ValueError, match="latest"):
        engine.commit(first)
    engine.commit(second)
    with pytest.raises(ValueError, match="once"):
        engine.commit(second)


def test_values_that_json_cannot_carry_are_shown_as_missing() -> None:
    run = make_run()
    odd = reason(actual=float("inf"), expected=float("nan"))
    run.feed([row(1, 0, reasons=(odd,), amount=float("nan"))])
    assert (run.alerts[0].reasons[0].actual, run.alerts[0].event["amount"]) == (None, None)
