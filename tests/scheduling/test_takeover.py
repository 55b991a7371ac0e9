"""Real instances on Postgres: leaders killed, stopped and woken, two at once, a database that goes away."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.status import SchedulerReport, stream_reports
from tests.postgres_fixture import OwnPostgres
from tests.scheduling.jobs import steps_of
from tests.scheduling.service import Service, service, until

TAKEOVER_SECONDS = 10.0
STEPS = 60


def begun(made: Service, **arguments: Any) -> str:
    """A stepwise run, asked for and well under way."""
    run_id = made.catalogue.request_run("payments", "backup", arguments, origin="a test", now_ms=now_ms())
    until(lambda: len(steps_of(made.notes / f"{run_id}.jsonl")) >= 3, what="a run under way")
    return run_id


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def schedulers(made: Service) -> SchedulerReport:
    [report] = stream_reports(made.catalogue, ["payments"], now_ms=now_ms())
    return report.scheduler


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().split()[2] != "Z"


def test_a_killed_leader_is_replaced_and_its_run_goes_on_where_it_was(tmp_path: Path, postgres_url: str) -> None:
    with service(tmp_path, postgres_url, []) as made:
        made.start()
        leader = made.leader()
        standby = made.start()
        until(lambda: standby.said("scheduler started"))
        run_id = begun(made, steps=STEPS)
        child = made.catalogue.run(run_id).pid
        leader.kill()
        killed = time.monotonic()
        until(lambda: standby.said("leading"), seconds=TAKEOVER_SECONDS, what="the standby leads")
        assert time.monotonic() - killed < TAKEOVER_SECONDS
        assert child is not None
        until(lambda: not is_alive(child), seconds=3, what="the child of a dead leader ends")
        until(lambda: made.status(run_id) == "succeeded")
        run = made.catalogue.run(run_id)
        assert (run.attempt, run.failures) == (2, 0), "losing its leader is no failure of a run"
        steps = steps_of(made.notes / f"{run_id}.jsonl")
        assert [step["step"] for step in steps] == list(range(STEPS)), "resumed, not begun again"
        assert len({step["pid"] for step in steps}) == 2
        assert made.effects() == [(run_id, run.fire_ms)]


def test_a_leader_stopped_past_its_lease_and_woken_publishes_nothing(tmp_path: Path, postgres_url: str) -> None:
    with service(tmp_path, postgres_url, [], lease_seconds=2) as made:
        made.start()
        stopped = made.leader()
        standby = made.start()
        until(lambda: standby.said("scheduler started"))
        run_id = begun(made, steps=STEPS)
        child = made.catalogue.run(run_id).pid
        assert child is not None
        stopped.send(signal.SIGSTOP)
        until(lambda: standby.said("leading"), seconds=TAKEOVER_SECONDS)
        until(lambda: not is_alive(child), seconds=5, what="a child ends once another leads, though its parent lives")
        until(lambda: made.status(run_id) == "succeeded")
        stopped.send(signal.SIGCONT)
        until(lambda: stopped.said("no longer the leader"), seconds=10)
        waiting = made.catalogue.request_run("payments", "retention", {}, origin="a test", now_ms=now_ms())
        until(lambda: made.status(waiting) == "succeeded")
        assert made.leader() is standby
        assert sorted(effect[0] or "" for effect in made.effects()) == sorted([run_id, waiting])
        assert not [entry for entry in stopped.said("run begun") if entry["run"] == waiting]
        assert standby.stop() == 0
        until(lambda: made.leader() is stopped, seconds=TAKEOVER_SECONDS, what="the woken one is a standby again")


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_of_two_instances_started_at_once_one_runs_each_fire_once(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'c.db'}" if database == "sqlite" else request.getfixturevalue("postgres_url")
    often = {"name": "each", "run": "retention", "every_seconds": 2}
    with service(tmp_path, url, [often], lease_seconds=2) as made:
        first, second = made.start(), made.start()
        until(lambda: len(made.effects()) >= 2)
        until(lambda: schedulers(made).standbys, what="both are in the catalogue")
        told, slot = schedulers(made), made.instances.index(made.leader())
        assert str(told.leader).startswith(f"{slot} on "), "`eddyline status` says who leads"
        assert [name.split(" on ")[0] for name in told.standbys] == [str(1 - slot)]
        made.leader().kill()
        before = len(made.effects())
        until(lambda: len(made.effects()) >= before + 2)
        assert [one.process.poll() is None for one in (first, second)].count(True) == 1
        fires = [fire for _, fire in made.effects()]
        assert len(fires) == len(set(fires)), "no fire twice"
        assert all(fire is not None and fire % 2000 == 0 for fire in fires), "on the grid that all leaders share"


def test_a_run_outlives_a_database_that_goes_away(tmp_path: Path, own_postgres: OwnPostgres) -> None:
    with service(tmp_path, own_postgres.url, [], lease_seconds=2) as made:
        leader = made.start()
        run_id = begun(made, steps=STEPS)
        own_postgres.stop(kill=True)
        until(lambda: leader.said("waiting"), what="the leader says that it waits")
        until(lambda: len(steps_of(made.notes / f"{run_id}.jsonl")) == STEPS, what="the run goes on")
        own_postgres.start()
        until(lambda: made.status(run_id) == "succeeded")
        assert made.catalogue.run(run_id).attempt == 1
        assert len(made.effects()) == 1
        assert leader.said("going on")
