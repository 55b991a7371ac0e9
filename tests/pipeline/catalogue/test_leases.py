"""One holder at a time, an epoch for each, and no write by who has lost the lease; on both databases."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from pipeline.catalogue import Catalogue, Fence, JobRunEntry, LeaseEntry
from pipeline.catalogue.service_tables import LeaseRow
from pipeline.errors import LeaseLostError

LONG = 600.0


def expire(catalogue: Catalogue, name: str = "scheduler") -> None:
    """Let the lease's time pass at once."""
    with catalogue._writing() as connection:
        connection.execute(update(LeaseRow).where(LeaseRow.name == name).values(expires_ms=1))


def taken(catalogue: Catalogue, holder: str) -> LeaseEntry:
    entry = catalogue.acquire_lease("scheduler", holder, LONG)
    assert entry is not None
    return entry


def fence(entry: LeaseEntry) -> Fence:
    return Fence(name=entry.name, epoch=entry.epoch, holder=entry.holder)


def run(run_id: str = "r1", fire_ms: int = 1) -> JobRunEntry:
    return JobRunEntry(run_id=run_id, stream="payments", job="nightly", kind="retention", fire_ms=fire_ms)


def test_a_lease_is_one_holders_until_it_expires_or_is_given_back(catalogue: Catalogue) -> None:
    assert catalogue.lease("scheduler") is None
    first = taken(catalogue, "a")
    assert (first.epoch, first.holder) == (1, "a")
    assert 0 < first.left_ms <= LONG * 1000
    assert catalogue.acquire_lease("scheduler", "b", LONG) is None
    assert taken(catalogue, "a").epoch == 1, "renewed by its holder"
    expire(catalogue)
    held = catalogue.lease("scheduler")
    assert held is not None
    assert held.left_ms < 0
    assert taken(catalogue, "b").epoch == 2
    assert not catalogue.renew_lease("scheduler", "a", 1, LONG)
    catalogue.release_lease("scheduler", "a", 1)
    assert catalogue.renew_lease("scheduler", "b", 2, LONG), "who lost it cannot give it back"
    catalogue.release_lease("scheduler", "b", 2)
    assert taken(catalogue, "a").epoch == 3
    assert catalogue.acquire_lease("other", "b", LONG) is not None, "leases have nothing to do with each other"


def test_one_that_expired_and_nobody_took_is_still_held(catalogue: Catalogue) -> None:
    entry = taken(catalogue, "a")
    expire(catalogue)
    catalogue.fenced(fence(entry)).check_fence()
    assert catalogue.renew_lease("scheduler", "a", entry.epoch, LONG)
    assert catalogue.acquire_lease("scheduler", "b", LONG) is None
    expire(catalogue)
    assert taken(catalogue, "a").epoch == 2, "taking it anew is a change of holder even for the same name"


WRITES: tuple[Callable[[Catalogue], object], ...] = (
    lambda c: c.check_fence(),
    lambda c: c.add_run(run("r2", 2)),
    lambda c: c.take_run("r1", epoch=1, host="h", pid=1, now_ms=1),
    lambda c: c.end_run("r1", status="succeeded", reason="", result={}, now_ms=1),
    lambda c: c.register_stream({}, "payments"),
    lambda c: c.set_champion("payments", "m", "better", 1),
    lambda c: c.count_canaries("payments", "m", {"spike": (1, 1)}, 0),
    lambda c: c.record_alerts([], {}, "recorder"),
)


@pytest.mark.parametrize("number", range(len(WRITES)))
def test_who_lost_the_lease_writes_nothing(catalogue: Catalogue, number: int) -> None:
    catalogue.add_run(run())
    stalled = catalogue.fenced(fence(taken(catalogue, "a")))
    expire(catalogue)
    taken(catalogue, "b")
    with pytest.raises(LeaseLostError, match="b's, epoch 2, no longer a's of epoch 1"):
        WRITES[number](stalled)
    assert catalogue.runs() == [run()]
    assert catalogue.streams() == {}


def test_who_gave_the_lease_back_or_never_had_it_writes_nothing(catalogue: Catalogue) -> None:
    with pytest.raises(LeaseLostError, match="nobody's"):
        catalogue.fenced(Fence(name="scheduler", epoch=1, holder="a")).check_fence()
    entry = taken(catalogue, "a")
    catalogue.release_lease("scheduler", "a", entry.epoch)
    with pytest.raises(LeaseLostError, match="nobody's"):
        catalogue.fenced(fence(entry)).add_run(run())


def test_taking_over_waits_for_a_write_that_is_under_way(url: str, catalogue: Catalogue) -> None:
    """A holder that checked its lease and has not yet committed cannot be overtaken in between."""
    leader = catalogue.fenced(fence(taken(catalogue, "a")))
    expire(catalogue)
    other = Catalogue.open(url)
    order: list[str] = []
    waiting = threading.Event()

    def take_over() -> None:
        waiting.set()
        taken(other, "b")
        order.append("taken over")

    with ThreadPoolExecutor(1) as pool:
        with leader._writing() as connection:
            pending = pool.submit(take_over)
            waiting.wait(timeout=30)
            connection.execute(update(LeaseRow).where(LeaseRow.name == "nothing").values(epoch=0))
            assert not pending.done()
            order.append("written")
        pending.result(timeout=60)
    assert order == ["written", "taken over"]
    other.close()


def test_however_many_fight_no_epoch_has_two_holders_and_no_lost_write_counts(url: str) -> None:
    """Four contenders with leases that expire at once: each epoch belongs to one, and what each wrote under its epoch
    lies between its taking over and the next's."""
    contenders = [Catalogue.open(url) for _ in range(4)]
    held: list[tuple[int, str]] = []
    written: list[tuple[int, str]] = []

    def fight(number: int) -> None:
        mine, holder = contenders[number], f"h{number}"
        for turn in range(12):
            entry = mine.acquire_lease("scheduler", holder, 0.002)
            if entry is None:
                continue
            held.append((entry.epoch, holder))
            try:
                mine.fenced(fence(entry)).add_run(run(f"{holder}-{turn}", fire_ms=entry.epoch))
            except LeaseLostError:
                continue
            written.append((entry.epoch, holder))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fight, range(4)))
    holders: dict[int, set[str]] = {}
    for epoch, holder in held:
        holders.setdefault(epoch, set()).add(holder)
    assert all(len(names) == 1 for names in holders.values())
    assert len(holders) > 1
    runs = {run.fire_ms: run.run_id.split("-")[0] for run in contenders[0].runs(limit=1_000)}
    assert {(epoch, holder) for epoch, holder in written} == set(runs.items())
    for opened in contenders:
        opened.close()
