"""Real children: how they end is seen, kept with their last lines, without secrets; and they end with their leader."""

import json
import time
from pathlib import Path

import pytest

from pipeline.scheduling.last_lines import last_lines, without_secrets
from tests.scheduling.service import Service, service, until


def ended(made: Service, way: str) -> str:
    """An odd job's run, once it has ended or waits to be tried again."""
    now_ms = time.time_ns() // 1_000_000
    run_id = made.catalogue.request_run("payments", "compaction", {"way": way}, origin="a test", now_ms=now_ms)
    until(lambda: made.status(run_id) != "queued" or made.catalogue.run(run_id).failures > 0)
    until(lambda: made.status(run_id) != "running")
    return run_id


def test_children_end_in_many_ways_and_the_record_says_which(tmp_path: Path) -> None:
    odd = {"name": "compaction", "run": "compaction", "cron": "0 0 1 1 *", "timeout_seconds": 3600, "retries": 0}
    with service(tmp_path, f"sqlite:///{tmp_path / 'c.db'}", [odd]) as made:
        instance = made.start()
        killed = made.catalogue.run(ended(made, "killed"))
        assert (killed.status, killed.attempt) == ("failed", 1)
        assert "SIGKILL" in killed.reason
        assert "about to die" in killed.last_lines
        assert "hunter2" not in killed.last_lines, "no password is kept"
        assert "status 7" in made.catalogue.run(ended(made, "exits")).reason
        assert made.catalogue.run(ended(made, "config")).reason == "a column is missing: add it"
        away = made.catalogue.run(ended(made, "away"))
        assert (away.status, away.reason) == ("failed", "the disk is full: free space")
        bug = made.catalogue.run(ended(made, "bug"))
        assert bug.status == "failed"
        assert "KeyError: 'a bug'" in bug.last_lines
        refused = made.catalogue.run(ended(made, "refuses"))
        assert (refused.status, refused.reason, refused.result) == ("refused", "the data is bad", {"rows": 3})
        assert instance.stop() == 0
        assert made.catalogue.workers() == [], "who stopped on purpose is not missed"


def test_a_leader_that_is_stopped_queues_its_run_and_gives_the_lease_back(tmp_path: Path) -> None:
    with service(tmp_path, f"sqlite:///{tmp_path / 'c.db'}", []) as made:
        instance = made.start()
        now_ms = time.time_ns() // 1_000_000
        run_id = made.catalogue.request_run("payments", "compaction", {"way": "hangs"}, origin="a test", now_ms=now_ms)
        until(lambda: made.status(run_id) == "running")
        [beat] = until(lambda: [b for b in made.catalogue.workers() if b.state["running"]])
        assert (beat.role, beat.state["scheduler"], beat.state["running"][0]["run"]) == ("schedule", "leader", run_id)
        assert instance.stop() == 0
        lease = made.catalogue.lease("scheduler")
        assert lease is not None
        assert lease.holder == ""
        run = made.catalogue.run(run_id)
        assert (run.status, run.attempt, run.failures) == ("queued", 2, 0)


@pytest.mark.parametrize(
    "text",
    [
        "connect to postgresql+psycopg://eddyline:hunter2@db:5432/eddyline",
        'login failed: {"password": "hunter2"}',
        "SASL password=hunter2, user=a",
        "the key is hunter2",
    ],
)
def test_secrets_are_blotted_out(text: str) -> None:
    assert "hunter2" not in without_secrets(text, ["hunter2"] if "key" in text else [])


def test_last_lines_are_few_short_and_of_this_attempt(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text("before\n" + "\n".join(f"line {number} " + "x" * 500 for number in range(100)) + "\n")
    found = last_lines(log, [], begins=7)
    assert len(found) <= 4_000
    assert found.endswith("x" * 500)
    log.write_text("of another attempt\nours\n")
    assert last_lines(log, [], begins=len("of another attempt\n")) == "ours"
    assert last_lines(tmp_path / "none", []) == ""
    assert json.dumps(found)
