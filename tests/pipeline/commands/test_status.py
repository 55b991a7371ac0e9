"""What a person sees of what runs, and what a program gets."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from pipeline.catalogue import CanaryCount, WorkerBeat
from pipeline.catalogue.service_entries import LeaseEntry
from pipeline.commands.status import print_reports
from pipeline.scheduling.beat import scheduler_name
from pipeline.scheduling.standing import Role, Standing
from pipeline.status import STALE_SECONDS, STANDBY_SECONDS, stream_reports

NOW_MS = 1_700_000_000_000
SCORER = WorkerBeat(
    worker_id="s0",
    role="score",
    stream="payments",
    host="river",
    pid=7,
    slot=0,
    started_ms=NOW_MS - 60_000,
    seen_ms=NOW_MS - 2_000,
    state={
        "lag": 12,
        "events": 3400,
        "events_per_second": 57.0,
        "alerts": 3,
        "rejects": 1,
        "model_id": "aa11",
        "budget_unit": "alerts_per_day",
        "promised": 5.0,
        "observed": 4.25,
        "last_error": "broker was away",
    },
)


class Beats:
    """A catalogue of these beats."""

    def __init__(self, *beats: WorkerBeat, champion: str | None = "aa11") -> None:
        self._beats, self._champion = list(beats), champion
        self.counts: list[CanaryCount] = []
        self.held: LeaseEntry | None = None

    def workers(self) -> list[WorkerBeat]:
        return self._beats

    def champion(self, stream: str) -> str | None:
        return self._champion

    def canary_counts(self, stream: str, since_ms: int, model_id: str | None = None) -> list[CanaryCount]:
        return [count for count in self.counts if count.hour_ms >= since_ms]

    def lease(self, name: str) -> LeaseEntry | None:
        assert name == "scheduler"
        return self.held


def shown(catalogue: Beats, *streams: str, width: int = 200, with_jobs: Sequence[str] = ()) -> str:
    out = io.StringIO()
    reports = stream_reports(catalogue, streams, now_ms=NOW_MS)
    print_reports(Console(file=out, width=width), reports, with_jobs=with_jobs)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 200])
def test_a_workers_figures_are_all_there_on_any_terminal(width: int) -> None:
    text = shown(Beats(SCORER), "payments", width=width)
    for figure in ("payments", "score 0 on river", "2 s ago", "12", "57", "3,400", "5/day", "4.25/day", "aa11"):
        assert figure in text
    assert "payments score 0: broker was away" in text
    assert "STALE" not in text


def test_a_silent_worker_is_marked_with_what_to_do() -> None:
    text = shown(Beats(replace(SCORER, seen_ms=NOW_MS - int(STALE_SECONDS * 1000) - 1000)))
    assert "STALE" in text
    assert "look at its logs, start it again" in text


def test_a_stream_without_workers_is_not_forgotten() -> None:
    assert "nothing runs" in shown(Beats(), "payments")


def test_a_champion_that_is_not_in_service_is_said() -> None:
    assert "the champion bb22 is not in service yet" in shown(Beats(SCORER, champion="bb22"))


def test_a_share_budget_is_shown_as_a_share() -> None:
    state = {**SCORER.state, "budget_unit": "share_of_events", "promised": 0.001, "observed": None}
    assert "0.1000%" in shown(Beats(replace(SCORER, state=state)))


def test_the_document_is_json_with_every_state_key() -> None:
    [report] = stream_reports(Beats(SCORER), ["payments"], now_ms=NOW_MS)
    document = json.loads(json.dumps(report.document()))
    assert document["workers"][0]["age_seconds"] == 2.0
    assert set(SCORER.state) <= set(document["workers"][0])


def test_keyed_state_that_lacks_something_is_said() -> None:
    whole = replace(SCORER, state={**SCORER.state, "warming_up": 0, "incomplete_state": 0})
    lacking = replace(SCORER, state={**SCORER.state, "warming_up": 2, "incomplete_state": 1})
    assert "keyed state" not in shown(Beats(whole), "payments") + shown(Beats(SCORER), "payments")
    text = shown(Beats(lacking), "payments")
    assert "keyed state of 2 partitions is warming up" in text
    assert "keyed state of 1 partitions lacks events" in text


def test_canaries_and_alerts_that_were_bad_data_are_said() -> None:
    state = {**SCORER.state, "alerts": 30, "alerts_bad_data": 12}
    catalogue = Beats(replace(SCORER, state=state))
    week, hour = 100, 3_600_000
    for age, caught in ((week, 390), (2, 90)):
        catalogue.counts.append(
            CanaryCount(
                stream="payments",
                model_id="aa11",
                family="stuck",
                hour_ms=NOW_MS - age * hour,
                injected=400,
                caught=caught,
            )
        )
    text = shown(catalogue)
    assert "canaries caught over the last day: stuck 22% (19% to 27% of 400)" in text
    assert "stuck is caught 22% of the time, 98% with the week before" in text
    assert "12 of the 30 alerts it opened were bad data" in text


def scheduler(slot: int, *, stream: str = "payments", age_seconds: float = 1.0) -> WorkerBeat:
    """A scheduler that calls itself leader, whatever the lease says."""
    return WorkerBeat(
        worker_id=scheduler_name(stream, "river", slot),
        role="schedule",
        stream=stream,
        host="river",
        pid=40 + slot,
        slot=slot,
        started_ms=NOW_MS - 60_000,
        seen_ms=NOW_MS - int(age_seconds * 1000),
        state=Standing(role=Role.LEADER, epoch=3).document(),
    )


def lease(holder: str, *, left_ms: int = 5_000) -> LeaseEntry:
    return LeaseEntry(name="scheduler", epoch=3, holder=holder, expires_ms=NOW_MS + left_ms, left_ms=left_ms)


def test_who_leads_and_who_stands_by_is_what_the_lease_says() -> None:
    catalogue = Beats(scheduler(0), scheduler(1), scheduler(1, stream="logins"), scheduler(0, stream="logins"))
    catalogue.held = lease("river.1.41.abcd")
    text = shown(catalogue)
    assert "scheduler of logins, payments: 1 on river leads, epoch 3; 0 on river stands by" in text
    [report] = [r for r in stream_reports(catalogue, [], now_ms=NOW_MS) if r.stream == "payments"]
    assert report.document()["scheduler"] == {"leader": "1 on river", "epoch": 3, "standbys": ["0 on river"]}


def test_a_leader_that_spoke_to_nobody_yet_is_shown_by_its_name() -> None:
    catalogue = Beats(scheduler(1))
    catalogue.held = lease("river.1.99.abcd")
    assert "river.1.99.abcd leads, epoch 3; 1 on river stands by" in shown(catalogue), "another process in that slot"


@pytest.mark.parametrize("held", [None, lease(""), lease("river.0.40.abcd", left_ms=-1)])
def test_jobs_that_nobody_runs_are_said_with_what_to_do(held: LeaseEntry | None) -> None:
    catalogue = Beats(scheduler(0, age_seconds=STANDBY_SECONDS + 1))
    catalogue.held = held
    assert "none leads now; the jobs of payments wait: start `eddyline schedule`" in shown(
        catalogue, with_jobs=["payments"]
    )
    catalogue = Beats(scheduler(0))
    catalogue.held = held
    assert "0 on river stands by and takes over" in shown(catalogue, with_jobs=["payments"])
    assert "scheduler of" not in shown(Beats(SCORER)), "a stream without jobs needs no scheduler"
