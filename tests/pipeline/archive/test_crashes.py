"""The archive holds every event once, whatever moment its writer dies at, and whoever comes after."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.archive import Archiver
from pipeline.config import ArchiveSpec
from pipeline.errors import BrokerUnavailableError, FencedError
from pipeline.lake.ledger import ArchiveLedger
from tests.pipeline.archive.bench import TOPIC, ArchiveBench, number_spec


class PowerCut(BaseException):
    """The process is gone: nothing of it runs any more."""


def cut_at(bench: ArchiveBench, stage: str) -> None:
    """The next commit dies before or after it happened."""

    def die(now: str) -> None:
        if now == stage:
            bench.broker.on_commit = lambda stage: None
            raise PowerCut

    bench.broker.on_commit = die


def kill(archiver: Archiver) -> None:
    """What the operating system does to the locks of a dead process; its files stay."""
    for part in archiver._ranges._open.values():
        part.release()


@pytest.mark.parametrize("stage", ["before", "after"])
def test_dying_around_a_commit_neither_loses_nor_repeats(tmp_path: Path, stage: str) -> None:
    bench = ArchiveBench(tmp_path)
    bench.produce(15)
    cut_at(bench, stage)
    archiver = bench.archiver()
    with pytest.raises(PowerCut):
        bench.turns(archiver)
    kill(archiver)
    assert bench.offsets() == []
    assert len(bench.leftovers()) == 1
    bench.finish(bench.archiver())
    assert bench.offsets() == list(range(15))
    assert bench.leftovers() == []


def test_dying_between_publication_and_mark_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = ArchiveBench(tmp_path)
    bench.produce(15)
    with monkeypatch.context() as patch:
        patch.setattr(ArchiveLedger, "raise_high_water", lambda *a, **k: (_ for _ in ()).throw(PowerCut()))
        with pytest.raises(PowerCut):
            bench.turns(bench.archiver())
    bench.finish(bench.archiver())
    assert bench.offsets() == list(range(15))
    assert bench.lake.ledger("numbers").high_water(bench.topic_id, 0) == 15


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("produce"), st.integers(1, 12)),
        st.tuples(st.just("turn"), st.integers(1, 4)),
        st.tuples(st.just("cut"), st.sampled_from(["before", "after"])),
        st.tuples(st.just("kill"), st.just(0)),
        st.tuples(st.just("join"), st.integers(1, 2)),
        st.tuples(st.just("hole"), st.integers(1, 3)),
        st.tuples(st.just("outage"), st.just(0)),
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_history_of_deaths_and_rebalances_archives_each_event_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int | str]]
) -> None:
    bench = ArchiveBench(tmp_path_factory.mktemp("lake"), number_spec(ArchiveSpec(roll_rows=8)), partitions=3)
    workers = {0: bench.archiver()}
    for step, argument in steps:
        perform(bench, workers, step, argument)
    bench.broker.on_commit = lambda stage: None
    for slot in list(workers):
        restart(bench, workers, slot)
    for _ in range(6):
        for worker in workers.values():
            bench.turns(worker, 1)
    for worker in workers.values():
        worker.drain()
        worker.close()
    for partition in range(3):
        expected = [r.offset for r in bench.broker.log(TOPIC, partition).records]
        assert bench.offsets(partition=partition) == expected
    assert bench.leftovers() == []


def perform(bench: ArchiveBench, workers: dict[int, Archiver], step: str, argument: int | str) -> None:
    if step == "produce":
        for partition in range(3):
            bench.produce(int(argument) + partition, partition=partition)
    elif step == "hole":
        bench.broker.log(TOPIC, 1).skip(int(argument))
    elif step == "cut":
        cut_at(bench, str(argument))
    elif step == "join":
        workers.setdefault(int(argument), bench.archiver(slot=int(argument)))
    elif step == "kill":
        restart(bench, workers, 0)
    elif step == "outage":
        bench.broker.available = False
        turn_all(bench, workers)
        bench.broker.available = True
    else:
        for _ in range(int(argument)):
            turn_all(bench, workers)


def turn_all(bench: ArchiveBench, workers: dict[int, Archiver]) -> None:
    for slot, worker in list(workers.items()):
        try:
            bench.turns(worker, 1)
        except PowerCut:
            restart(bench, workers, slot)


def restart(bench: ArchiveBench, workers: dict[int, Archiver], slot: int) -> None:
    kill(workers[slot])
    workers[slot] = bench.archiver(slot=slot)


def test_a_former_owner_that_wakes_up_publishes_nothing(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path)
    bench.produce(5)
    stalled = bench.archiver()
    bench.turns(stalled, 2)
    bench.finish(bench.archiver())
    bench.produce(5)
    with pytest.raises(FencedError):
        bench.turns(stalled, 2)
    stalled.drain()
    stalled.close()
    assert bench.offsets() == list(range(5))
    bench.finish(bench.archiver())
    assert bench.offsets() == list(range(10))
    assert bench.leftovers() == []


def test_a_commit_whose_answer_was_lost_is_settled_by_what_the_group_says(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path)
    archiver = bench.archiver()
    bench.produce(10)

    def lose_the_answer(stage: str) -> None:
        if stage == "after":
            bench.broker.on_commit = lambda stage: None
            raise BrokerUnavailableError("no answer: wait")

    bench.broker.on_commit = lose_the_answer
    bench.turns(archiver)
    assert bench.offsets() == list(range(10))
    assert archiver.progress.paused == ""
    bench.finish(archiver)


def test_a_committed_file_that_vanished_is_read_again(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path)
    bench.produce(10)
    cut_at(bench, "after")
    archiver = bench.archiver()
    with pytest.raises(PowerCut):
        bench.turns(archiver)
    kill(archiver)
    for path in bench.leftovers():
        path.unlink()
    bench.finish(bench.archiver())
    assert bench.offsets() == list(range(10))


def test_a_living_writers_file_is_not_taken_for_a_dead_ones(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path, number_spec(ArchiveSpec()))
    bench.produce(5)
    stalled = bench.archiver()
    bench.turns(stalled, 4)
    [part] = stalled._ranges._open.values()
    part.flush()
    second = bench.archiver()
    bench.turns(second, 2)
    assert len(bench.leftovers()) == 1
    stalled.close()
    bench.finish(second)
    assert bench.leftovers() == []


@pytest.mark.parametrize("archived_meanwhile", [True, False])
def test_a_partition_lost_and_won_back_goes_on_from_what_is_committed(tmp_path: Path, archived_meanwhile: bool) -> None:
    bench = ArchiveBench(tmp_path, number_spec(ArchiveSpec()), partitions=2)
    bench.produce(5, partition=1)
    first = bench.archiver(slot=0)
    bench.turns(first)
    second = bench.archiver(slot=1)
    bench.turns(first, 1)
    bench.turns(second, 3)
    bench.produce(3, partition=1)
    if archived_meanwhile:
        bench.turns(second, 2)
        second.drain()
        assert bench.ranges(partition=1) == [(0, 8)]
    second._source.expire(second._source)  # type: ignore[attr-defined] # its session is lost for good
    second.close()
    bench.produce(2, partition=1)
    bench.finish(first)
    assert bench.offsets(partition=1) == list(range(10))
    assert bench.ranges(partition=1) == ([(0, 8), (8, 10)] if archived_meanwhile else [(0, 10)])
