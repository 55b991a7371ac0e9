"""A topic that stops is noticed, once."""

from pipeline.alerts.model import Alert, AlertKind, AlertStatus
from pipeline.alerts.rejects import RejectsWatch
from pipeline.alerts.silence import SilenceWatch
from pipeline.alerts.staged import Change
from tests.alerts.builders import TOPIC_ID, Run, make_engine, make_spec, row

SPEC = make_spec(silence_seconds=60)


class Told:
    """A watch whose stagings are all committed."""

    def __init__(self) -> None:
        self.watch = SilenceWatch(SPEC, topic_id=TOPIC_ID)
        self.log: list[Change] = []

    def observe(self, end: int, seconds: float) -> tuple[Alert, ...]:
        staged = self.watch.observe(end, round(seconds * 1000))
        self.watch.commit(staged)
        self.log += staged.changelog
        return staged.alerts


def test_silence_alerts_once_and_resolves_with_the_next_event() -> None:
    told = Told()
    assert told.observe(10, 0) == told.observe(11, 50) == told.observe(11, 109) == ()
    (opened,) = told.observe(11, 110)
    assert (opened.kind, opened.status, opened.started_ms, opened.partition) == (
        AlertKind.SILENCE,
        AlertStatus.OPEN,
        50_000,
        -1,
    )
    assert "1970-01-01 00:00:50 UTC" in opened.message
    assert told.observe(11, 500) == ()
    (resolved,) = told.observe(12, 501)
    assert (resolved.id, resolved.revision, resolved.status) == (opened.id, 2, AlertStatus.RESOLVED)
    assert told.observe(12, 502) == ()


def test_a_restart_during_a_silence_neither_repeats_nor_forgets_it() -> None:
    told = Told()
    told.observe(11, 0)
    (opened,) = told.observe(11, 60)
    again = Told()
    again.watch.restore(told.log)
    assert again.observe(11, 100) == ()
    assert [a.id for a in again.observe(12, 101)] == [opened.id]


def test_events_during_a_restart_resolve_the_silence() -> None:
    told = Told()
    told.observe(11, 0)
    told.observe(11, 60)
    again = Told()
    again.watch.restore(told.log)
    assert [a.status for a in again.observe(15, 100)] == [AlertStatus.RESOLVED]


def test_an_aborted_transaction_is_said_again_with_the_same_id() -> None:
    watch = SilenceWatch(SPEC, topic_id=TOPIC_ID)
    watch.commit(watch.observe(11, 0))
    first = watch.observe(11, 60_000)
    watch.discard(first)
    second = watch.observe(11, 61_000)
    assert [a.id for a in first.alerts] == [a.id for a in second.alerts] != []


def test_a_stream_without_silence_seconds_may_be_silent() -> None:
    watch = SilenceWatch(make_spec(), topic_id=TOPIC_ID)
    watch.commit(watch.observe(11, 0))
    assert watch.observe(11, 10**9).alerts == ()


def test_engine_and_watches_share_a_changelog() -> None:
    told = Told()
    told.observe(11, 0)
    told.observe(11, 60)
    rejects = RejectsWatch(SPEC, topic_id=TOPIC_ID, partition=0)
    paused = rejects.paused(offset=3, rejected=9, of=9, most_common="malformed", now_ms=1)
    rejects.commit(paused)
    run = Run.of(make_engine(SPEC))
    run.feed([row(1, 0)])
    mixed = [*told.log, *run.log, *paused.changelog]

    engine = make_engine(SPEC)
    engine.restore(mixed)
    assert engine.open_alerts == 1
    restored = RejectsWatch(SPEC, topic_id=TOPIC_ID, partition=0)
    restored.restore(mixed)
    assert restored.is_open
    assert restored.paused(offset=3, rejected=9, of=9, most_common="malformed", now_ms=2).alerts == ()


def test_what_a_deleted_topic_left_behind_is_not_used_and_is_tombstoned() -> None:
    run = Run.of(make_engine(SPEC))
    run.feed([row(1, 0)])
    other = Run.of(make_engine(SPEC))
    renamed = [(key.replace(TOPIC_ID.encode(), b"older-topic"), value) for key, value in run.log]
    other.engine.restore(renamed)
    assert other.engine.open_alerts == 0
    other.feed([])
    assert {key for key, value in other.log if value is None} == {key for key, _ in renamed}
