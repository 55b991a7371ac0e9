"""Many keys, one cause: one alert."""

from pipeline.alerts.engine import TICK_GRACE_MS
from pipeline.alerts.model import Alert, AlertKind, AlertStatus, Flagged
from tests.alerts.builders import NOW_MS, Run, final, make_engine, make_spec, reason, row

OPEN, UPDATED, RESOLVED = AlertStatus.OPEN, AlertStatus.UPDATED, AlertStatus.RESOLVED


def make_run(*, keys: int = 5, window_seconds: float = 100, max_open: int = 5_000) -> Run:
    spec = make_spec(group_gap_seconds=60, update_seconds=30, storm={"keys": keys, "window_seconds": window_seconds})
    return Run.of(make_engine(spec, max_open=max_open))


def burst(count: int, *, start: int = 0, seconds: float = 0.0, cause: str = "amount") -> list[Flagged]:
    return [row(start + n, seconds + n / 100, f"key{start + n}", reasons=(reason(cause),)) for n in range(count)]


def storms(alerts: list[Alert]) -> list[Alert]:
    return [a for a in alerts if a.kind is AlertKind.STORM]


def test_a_thousand_keys_of_one_cause_are_one_page_and_not_a_thousand() -> None:
    run = make_run()
    run.feed(burst(1000))
    opened = [a for a in run.alerts if a.status is OPEN]
    assert [a.kind for a in opened] == [AlertKind.ANOMALY] * 4 + [AlertKind.STORM]
    run.feed([], watermark_seconds=1000)
    (storm,) = final(storms(run.alerts)).values()
    assert (storm.keys, storm.events, storm.status) == (1000, 1000, RESOLVED)
    assert (storm.first_offset, storm.last_offset, storm.key) == (0, 999, None)


def test_alerts_open_when_a_storm_breaks_out_are_resolved_in_its_favour() -> None:
    run = make_run()
    run.feed(burst(5))
    storm = storms(run.alerts)[0]
    taken = [a for a in run.alerts if a.status is RESOLVED]
    assert len(taken) == 4
    assert {a.storm_id for a in taken} == {storm.id}
    assert all(storm.id in a.message for a in taken)
    assert run.engine.open_alerts == 1


def test_fewer_keys_or_other_causes_or_a_longer_time_make_no_storm() -> None:
    run = make_run(window_seconds=10)
    run.feed(burst(4) + burst(4, start=10, seconds=1, cause="country") + burst(4, start=20, seconds=30))
    assert storms(run.alerts) == []


def test_a_storm_counts_each_key_once_however_often_it_returns() -> None:
    run = make_run()
    run.feed(burst(8))
    for second in range(50, 600, 50):
        run.feed([row(1000 + second, second, "key7")])
    run.feed([], watermark_seconds=2000)
    (storm,) = final(storms(run.alerts)).values()
    assert (storm.keys, storm.events) == (8, 19)


def test_a_key_in_a_storm_still_alerts_for_another_cause() -> None:
    run = make_run()
    run.feed(burst(6))
    (other,) = run.feed([row(100, 1, "key3", reasons=(reason("country"),))])
    assert (other.kind, other.key, other.status) == (AlertKind.ANOMALY, "key3", OPEN)


def test_a_storm_is_updated_while_it_grows_and_resolves_when_it_is_quiet() -> None:
    run = make_run()
    run.feed(burst(5))
    run.feed(burst(5, start=50, seconds=31))
    run.feed([], watermark_seconds=31 + 67)
    assert [(a.status, a.keys) for a in storms(run.alerts)] == [(OPEN, 5), (UPDATED, 6), (RESOLVED, 10)]
    assert len(run.compacted) == 1, "members are forgotten with their storm"


def test_after_a_storm_keys_alert_singly_again() -> None:
    run = make_run()
    run.feed(burst(6))
    run.feed([], watermark_seconds=500)
    (alert,) = run.feed([row(100, 501, "key1")])
    assert (alert.kind, alert.status) == (AlertKind.ANOMALY, OPEN)


def test_an_idle_partition_ends_its_storm_by_the_wall_clock() -> None:
    run = make_run()
    run.feed(burst(6))
    ended = run.keep(run.engine.tick(now_ms=NOW_MS + 60_000 + TICK_GRACE_MS + 1_000))
    assert [(a.kind, a.status) for a in ended] == [(AlertKind.STORM, RESOLVED)]
    assert run.engine.open_alerts == 0


def test_a_storm_tells_so_many_keys_apart_and_then_says_at_least() -> None:
    run = make_run(max_open=50)
    run.feed(burst(200))
    run.feed([], watermark_seconds=1000)
    (storm,) = final(storms(run.alerts)).values()
    assert (storm.keys, storm.events) == (50, 200)
    assert storm.message.startswith("at least 50 keys")


def test_a_storm_survives_a_crash_with_its_members() -> None:
    run = make_run()
    run.feed(burst(6))
    restored = make_run()
    restored.engine.restore(run.log)
    restored.feed([row(100, 1, "key2"), row(101, 2, "new")])
    restored.feed([], watermark_seconds=500)
    (storm,) = final(storms(restored.alerts)).values()
    assert (storm.id, storm.keys, storm.events) == (storms(run.alerts)[0].id, 7, 8)
