"""Runs of jobs in the catalogue: each fire once, taken by one, ended once; on both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pipeline.catalogue import Catalogue, JobRunEntry, JobStateEntry
from pipeline.errors import ConfigError

RUN = JobRunEntry(
    run_id="aa11", stream="payments", job="nightly", kind="train_detector", fire_ms=100, arguments={"days": 7}
)


def test_each_fire_of_a_job_becomes_one_run_whoever_writes_it_down(url: str) -> None:
    contenders = [Catalogue.open(url) for _ in range(4)]

    def fire(number: int) -> list[bool]:
        return [contenders[number].add_run(replace(RUN, run_id=f"{number}-{n}", fire_ms=n)) for n in range(10)]

    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(fire, range(4)))
    assert [sum(of_fire) for of_fire in zip(*added, strict=True)] == [1] * 10
    assert [run.fire_ms for run in contenders[0].runs()] == list(range(9, -1, -1))
    for opened in contenders:
        opened.close()


def test_a_run_is_taken_by_one_and_ends_once(catalogue: Catalogue) -> None:
    assert catalogue.add_run(RUN)
    assert catalogue.due_runs(0) == [RUN]
    assert catalogue.take_run("aa11", epoch=3, host="h", pid=7, now_ms=200)
    assert not catalogue.take_run("aa11", epoch=4, host="i", pid=8, now_ms=201)
    catalogue.progress_run("aa11", progress=0.5, doing="fitting" * 100)
    [running] = catalogue.running_runs()
    assert (running.epoch, running.host, running.pid, running.started_ms) == (3, "h", 7, 200)
    assert running.progress == 0.5
    assert running.doing.startswith("fittingfitting")
    catalogue.end_run("aa11", status="succeeded", reason="better", result={"model": "m"}, now_ms=300)
    catalogue.end_run("aa11", status="failed", reason="late", result={}, now_ms=400)
    catalogue.requeue_run("aa11", attempt=2, failures=1, not_before_ms=0, reason="late", last_lines="")
    catalogue.progress_run("aa11", progress=0.1, doing="late")
    ended = catalogue.run("aa")
    assert (ended.status, ended.reason, ended.result, ended.ended_ms) == ("succeeded", "better", {"model": "m"}, 300)
    assert catalogue.running_runs() == []


def test_a_run_that_died_waits_for_its_next_attempt(catalogue: Catalogue) -> None:
    catalogue.add_run(RUN)
    catalogue.take_run("aa11", epoch=1, host="h", pid=7, now_ms=1)
    catalogue.requeue_run("aa11", attempt=2, failures=1, not_before_ms=900, reason="died", last_lines="Killed\x00")
    assert catalogue.due_runs(899) == []
    [due] = catalogue.due_runs(900)
    assert (due.attempt, due.failures, due.reason, due.pid) == (2, 1, "died", None)
    assert due.last_lines == "Killed\N{REPLACEMENT CHARACTER}"


def test_what_is_asked_for_twice_is_queued_once(catalogue: Catalogue) -> None:
    first = catalogue.request_run("payments", "train_detector", {}, origin="drift", now_ms=5)
    assert catalogue.request_run("payments", "train_detector", {}, origin="ada", now_ms=6) == first
    named = catalogue.request_run("payments", "train_detector", {}, origin="ada", now_ms=5, job="nightly")
    assert named != first, "another job of the spec"
    assert catalogue.request_run("logins", "train_detector", {}, origin="ada", now_ms=6) != first
    catalogue.take_run(first, epoch=1, host="h", pid=1, now_ms=7)
    catalogue.take_run(named, epoch=1, host="h", pid=1, now_ms=7)
    again = catalogue.request_run("payments", "train_detector", {}, origin="ada", now_ms=5)
    assert again != first
    found = catalogue.run(again)
    assert (found.fire_ms, found.not_before_ms, found.origin) == (6, 5, "ada"), "the next millisecond that is free"


def test_many_who_ask_at_once_queue_one_run(url: str) -> None:
    contenders = [Catalogue.open(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(lambda c: c.request_run("s", "drift_check", {}, origin="x", now_ms=1), contenders))
    assert len(ids) == 1
    for opened in contenders:
        opened.close()


def test_runs_are_listed_by_what_is_asked(catalogue: Catalogue) -> None:
    for number in range(6):
        catalogue.add_run(replace(RUN, run_id=f"r{number}", fire_ms=number, job="ab"[number % 2], status="skipped"))
    catalogue.add_run(replace(RUN, run_id="other", stream="logins"))
    assert [run.run_id for run in catalogue.runs(limit=2)] == ["other", "r5"]
    assert [run.run_id for run in catalogue.runs("payments", job="a")] == ["r4", "r2", "r0"]
    assert [run.run_id for run in catalogue.runs(status="queued")] == ["other"]
    with pytest.raises(ConfigError, match="several runs have an id that begins with 'r'"):
        catalogue.run("r")
    with pytest.raises(ConfigError, match=r"no run has an id that begins with 'zz'.*jobs history"):
        catalogue.run("zz")


def test_a_pause_outlives_what_the_scheduler_writes(catalogue: Catalogue) -> None:
    state = JobStateEntry(stream="payments", job="nightly", since_ms=5, last_fire_ms=7)
    assert catalogue.job_state("payments", "nightly") is None
    catalogue.put_job_state(state)
    catalogue.pause_job("payments", "nightly", by="ada", now_ms=9)
    catalogue.put_job_state(replace(state, last_fire_ms=8))
    paused = replace(state, last_fire_ms=8, paused=True, paused_by="ada")
    assert catalogue.job_state("payments", "nightly") == paused
    catalogue.resume_job("payments", "nightly", now_ms=20)
    assert catalogue.job_states() == [replace(paused, paused=False, paused_by="", since_ms=20)]
    catalogue.pause_job("payments", "new", by="ada", now_ms=9)
    assert catalogue.job_state("payments", "new") == JobStateEntry(
        stream="payments", job="new", paused=True, paused_by="ada", since_ms=9
    )
    catalogue.remove_job_state("payments", "new")
    assert len(catalogue.job_states("payments")) == 1
