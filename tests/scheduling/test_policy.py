"""What the leader does with fires, failures, pauses and leaders that were before it. No processes: a clock by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.catalogue import Catalogue, JobRunEntry
from pipeline.clock import ManualClock
from pipeline.errors import LeaseLostError
from tests.scheduling.fake_runs import DAY_START_MS, MINUTE, Term, opened

HOURLY = {"name": "hourly", "run": "retention", "cron": "0 * * * *", "timeout_seconds": 600, "retries": 2}
HOUR_MS = 3_600_000


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = opened(tmp_path)
    yield made
    made.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(DAY_START_MS + 30_000)


def listed(catalogue: Catalogue) -> list[tuple[int, str]]:
    """Each run's fire in hours since the day began, and how it stands, oldest first."""
    return [((run.fire_ms - DAY_START_MS) // HOUR_MS, run.status) for run in reversed(catalogue.runs())]


def test_a_new_job_has_missed_nothing_and_then_runs_each_fire_once(catalogue: Catalogue, clock: ManualClock) -> None:
    term = Term(catalogue, clock, [HOURLY])
    term.tick()
    assert listed(catalogue) == [], "the fire of a moment ago was before the job was known"
    term.tick(60 * MINUTE)
    term.tick()
    assert listed(catalogue) == [(1, "running")]
    term.succeed(term.children[0])
    for _ in range(5):
        term.tick(MINUTE)
    assert listed(catalogue) == [(1, "succeeded")]
    assert len(term.children) == 1
    assert term.tally.runs == {("payments", "retention", "succeeded"): 1}
    assert term.tally.last_success_ms["payments", "hourly"] == clock.now_ms() - 300_000


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("once", [(1, "skipped"), (2, "skipped"), (3, "running")]),
        ("skip", [(1, "skipped"), (2, "skipped"), (3, "skipped")]),
    ],
)
def test_fires_that_nobody_led_for_are_made_up_for_once_or_written_down(
    catalogue: Catalogue, clock: ManualClock, missed: str, expected: list[tuple[int, str]]
) -> None:
    job = HOURLY | {"missed": missed}
    first = Term(catalogue, clock, [job])
    first.tick()
    first.over()
    clock.advance(3.2 * 60 * MINUTE)
    Term(catalogue, clock, [job]).tick()
    assert listed(catalogue) == expected
    catalogue.release_lease("scheduler", *_holder(catalogue))
    Term(catalogue, clock, [job]).tick()
    assert [fire for fire, _ in listed(catalogue)] == [fire for fire, _ in expected]


def _holder(catalogue: Catalogue) -> tuple[str, int]:
    lease = catalogue.lease("scheduler")
    assert lease is not None
    return lease.holder, lease.epoch


def test_a_fire_during_a_change_of_leaders_is_late_not_missed(catalogue: Catalogue, clock: ManualClock) -> None:
    job = HOURLY | {"missed": "skip"}
    first = Term(catalogue, clock, [job])
    first.tick()
    first.over()
    clock.advance(59.8 * MINUTE)  # eighteen seconds after the fire
    Term(catalogue, clock, [job]).tick()
    assert listed(catalogue) == [(1, "running")]


def test_years_of_missed_fires_are_written_down_in_few_words(catalogue: Catalogue, clock: ManualClock) -> None:
    job = {"name": "often", "run": "retention", "every_seconds": 10, "timeout_seconds": 5}
    first = Term(catalogue, clock, [job])
    first.tick()
    first.over()
    clock.advance(3 * 365 * 24 * 60 * MINUTE)
    Term(catalogue, clock, [job]).tick()
    runs = catalogue.runs(limit=1000)
    assert [run.status for run in runs] == ["running"] + 50 * ["skipped"]
    assert "those before" in runs[-1].reason


def test_a_paused_job_lets_its_fires_pass_for_good(catalogue: Catalogue, clock: ManualClock) -> None:
    term = Term(catalogue, clock, [HOURLY])
    term.tick()
    catalogue.pause_job("payments", "hourly", by="a person", now_ms=clock.now_ms())
    term.tick(130 * MINUTE)
    assert listed(catalogue) == []
    catalogue.resume_job("payments", "hourly", now_ms=clock.now_ms())
    term.tick(MINUTE)
    assert listed(catalogue) == [], "what fired while it was paused is not made up for"
    term.tick(49 * MINUTE)
    assert listed(catalogue) == [(3, "running")]


def test_a_job_taken_out_of_its_spec_and_put_back_is_new(catalogue: Catalogue, clock: ManualClock) -> None:
    for schedule in ([HOURLY], [], [HOURLY]):
        term = Term(catalogue, clock, schedule)
        term.tick()
        term.over()
        clock.advance(300 * MINUTE)
    assert listed(catalogue) == []


def test_failures_are_tried_again_later_and_later_and_then_given_up(catalogue: Catalogue, clock: ManualClock) -> None:
    term = Term(catalogue, clock, [HOURLY])
    term.tick()
    term.tick(60 * MINUTE)
    waits = []
    for attempt in (1, 2, 3):
        assert len(term.children) == attempt
        term.fail(term.children[-1], reason="the disk is full")
        run = catalogue.runs()[0]
        waits.append(run.not_before_ms - clock.now_ms())
        term.tick(min(1.0, waits[-1] / 2000))
        assert len(term.children) == attempt, "not before its time"
        term.tick(20.0)
    assert [run.status for run in catalogue.runs()] == ["failed"]
    run = catalogue.runs()[0]
    assert (run.reason, run.last_lines, run.attempt) == ("the disk is full (tried 3 times)", "the end", 3)
    assert 5_000 <= waits[0] <= 6_250
    assert 10_000 <= waits[1] <= 12_500
    assert term.tally.runs["payments", "retention", "retried"] == 2
    assert "hourly" in term.tally.last_failure["payments"]


@pytest.mark.parametrize(
    ("how", "status", "said"),
    [
        ({"reason": "a column is missing", "is_final": True}, "failed", "a column is missing"),
        ({"status": -9, "reason": None}, "queued", "SIGKILL"),
        ({"status": 7, "reason": None}, "queued", "status 7"),
    ],
)
def test_ways_to_end_badly(
    catalogue: Catalogue, clock: ManualClock, how: dict[str, Any], status: str, said: str
) -> None:
    term = Term(catalogue, clock, [HOURLY])
    term.tick()
    term.tick(60 * MINUTE)
    term.fail(term.children[0], **how)
    run = catalogue.runs()[0]
    assert run.status == status
    assert said in run.reason


def test_a_run_that_was_refused_is_not_tried_again(catalogue: Catalogue, clock: ManualClock) -> None:
    term = Term(catalogue, clock, [HOURLY])
    term.tick()
    term.tick(60 * MINUTE)
    term.succeed(term.children[0], "refused")
    term.tick(30 * MINUTE)
    assert listed(catalogue) == [(1, "refused")]
    assert len(term.children) == 1


def test_a_run_that_takes_too_long_is_ended_and_failed(catalogue: Catalogue, clock: ManualClock) -> None:
    term = Term(catalogue, clock, [HOURLY])
    term.tick()
    term.tick(60 * MINUTE)
    term.tick(9.9 * MINUTE)
    assert [child.killed for child in term.children] == [False]
    term.tick(0.2 * MINUTE)
    assert [child.killed for child in term.children] == [True]
    assert catalogue.runs()[0].status == "failed"
    assert "timeout_seconds" in catalogue.runs()[0].reason


def test_children_are_few_and_never_two_of_one_stream_and_kind(catalogue: Catalogue, clock: ManualClock) -> None:
    term = Term(catalogue, clock, [], most_jobs=2)
    for number in range(3):
        catalogue.add_run(
            JobRunEntry(run_id=f"r{number}", stream="payments", job=f"j{number}", kind="retention", fire_ms=number)
        )
    catalogue.add_run(JobRunEntry(run_id="c0", stream="payments", job="c0", kind="compaction", fire_ms=7))
    catalogue.add_run(JobRunEntry(run_id="d0", stream="payments", job="d0", kind="drift_check", fire_ms=8))
    term.tick()
    assert [child.run.run_id for child in term.children] == ["r0", "c0"]
    term.succeed(term.children[0])
    term.tick()
    assert [child.run.run_id for child in term.children] == ["r0", "c0", "r1"]
    term.succeed(term.children[1])
    term.tick()
    assert [child.run.run_id for child in term.children][3:] == ["d0"]


def test_a_fire_while_the_one_before_still_waits_is_skipped(catalogue: Catalogue, clock: ManualClock) -> None:
    term = Term(catalogue, clock, [HOURLY | {"timeout_seconds": 100_000}])
    catalogue.add_run(JobRunEntry(run_id="other", stream="payments", job="x", kind="retention", fire_ms=1))
    term.tick()
    term.tick(60 * MINUTE)
    term.tick(60 * MINUTE)
    assert listed(catalogue)[1:] == [(1, "queued"), (2, "skipped")]


def test_a_run_asked_for_is_begun_at_the_next_look(catalogue: Catalogue, clock: ManualClock) -> None:
    term = Term(catalogue, clock, [HOURLY])
    term.tick()
    asked = catalogue.request_run("payments", "retention", {}, origin="a person", now_ms=clock.now_ms(), job="hourly")
    term.tick()
    assert [child.run.run_id for child in term.children] == [asked]


def test_runs_of_what_this_scheduler_does_not_know_fail_and_hold_nobody_up(
    catalogue: Catalogue, clock: ManualClock
) -> None:
    catalogue.add_run(JobRunEntry(run_id="a", stream="gone", job="j", kind="retention", fire_ms=1))
    catalogue.add_run(JobRunEntry(run_id="b", stream="payments", job="j", kind="of_the_future", fire_ms=2))
    catalogue.add_run(JobRunEntry(run_id="c", stream="payments", job="j", kind="retention", fire_ms=3))
    term = Term(catalogue, clock, [])
    term.tick()
    assert [catalogue.run(run_id).status for run_id in "abc"] == ["failed", "failed", "running"]
    assert "does not know" in catalogue.run("a").reason


def test_runs_of_a_leader_that_is_gone_are_taken_over_and_no_failure(catalogue: Catalogue, clock: ManualClock) -> None:
    first = Term(catalogue, clock, [HOURLY])
    first.tick()
    first.tick(60 * MINUTE)
    first.over()
    second = Term(catalogue, clock, [HOURLY])
    second.tick()
    second.tick(4.0)
    assert [(child.run.attempt, child.run.failures) for child in second.children] == [(2, 0)]
    with pytest.raises(LeaseLostError):
        first.fail(first.children[0])
    second.succeed(second.children[0])
    assert listed(catalogue) == [(1, "succeeded")]


def test_a_run_that_keeps_losing_its_leader_is_given_up(catalogue: Catalogue, clock: ManualClock) -> None:
    catalogue.add_run(JobRunEntry(run_id="a", stream="payments", job="j", kind="retention", fire_ms=1))
    for _ in range(25):
        term = Term(catalogue, clock, [])
        term.tick()
        term.tick(4.0)
        term.over()
    assert catalogue.run("a").status == "failed"
    assert "lost its leader" in catalogue.run("a").reason


def test_a_leader_that_is_told_to_stop_leaves_its_runs_to_the_next(catalogue: Catalogue, clock: ManualClock) -> None:
    first = Term(catalogue, clock, [HOURLY])
    first.tick()
    first.tick(60 * MINUTE)
    first.leader.stop()
    first.over()
    assert first.children[0].killed
    assert listed(catalogue) == [(1, "queued")]
    second = Term(catalogue, clock, [HOURLY])
    second.tick()
    assert second.children[0].run.attempt == 2


def test_a_child_whose_run_could_not_be_taken_is_ended_unused(catalogue: Catalogue, clock: ManualClock) -> None:
    first = Term(catalogue, clock, [])
    first.tick()
    catalogue.add_run(JobRunEntry(run_id="a", stream="payments", job="j", kind="retention", fire_ms=1))
    first.over()
    with pytest.raises(LeaseLostError):
        first.tick()
    assert [child.killed for child in first.children] == [True]
    assert catalogue.run("a").status == "queued"
