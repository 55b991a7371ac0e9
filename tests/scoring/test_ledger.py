"""The event that kills the process is found and dead-lettered; its neighbours are not."""

import random
from pathlib import Path

import numpy as np
import pytest

from pipeline.kafka.port import Block, TopicPartition
from pipeline.scoring.ledger import DEATHS_BEFORE_SUSPICION, CrashLedger
from pipeline.scoring.poison import Caution
from pipeline.scoring.poller import Batch

SOURCE = TopicPartition("events", 0)
OTHER = TopicPartition("events", 1)


def block(source: TopicPartition, start: int, stop: int) -> Block:
    count = stop - start
    return Block(
        source=source,
        offsets=np.arange(start, stop),
        timestamps_ms=np.zeros(count, np.int64),
        keys=[None] * count,
        values=[b"x"] * count,
    )


class Group:
    pass


class DiedError(Exception):
    """The process was killed."""


def run_once(path: Path, killer: int, done: dict[TopicPartition, int], dead: set[int], *, end: int, size: int) -> None:
    """One life of a worker: from the committed positions on, until it is killed or everything is scored."""
    ledger = CrashLedger(path)
    caution = Caution(ledger.load())
    while any(position < end for position in done.values()):
        blocks = tuple(block(s, p, min(end, p + size)) for s, p in done.items() if p < end)
        for part in caution.parts(Batch(blocks=blocks, group=Group(), epoch=0)):
            ledger.begin(part.ranges())
            for piece in part.batch.blocks:
                if piece.source == SOURCE and killer in piece.offsets:
                    if not part.poison:
                        raise DiedError
                    dead.add(killer)
            positions = {b.source: b.next_offset for b in part.batch.blocks}
            done.update(positions)
            ledger.done(positions)
            caution.passed(positions)


@pytest.mark.parametrize("seed", range(5))
def test_the_culprit_alone_is_dead_lettered(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    end, size = 2_000, rng.choice([1, 7, 64, 1000])
    killer = rng.randrange(end)
    done, dead, deaths = {SOURCE: 0, OTHER: 0}, set[int](), 0
    while any(position < end for position in done.values()):
        try:
            run_once(tmp_path / "slot.json", killer, done, dead, end=end, size=size)
        except DiedError:
            deaths += 1
            assert deaths < 20, "the culprit is never found"
    assert dead == {killer}
    assert done == {SOURCE: end, OTHER: end}


def test_two_deaths_are_no_suspicion(tmp_path: Path) -> None:
    for _ in range(DEATHS_BEFORE_SUSPICION - 1):
        ledger = CrashLedger(tmp_path / "slot.json")
        assert ledger.load() == {}
        ledger.begin({SOURCE: (0, 10, 10)})
    assert CrashLedger(tmp_path / "slot.json").load() == {}


def test_deaths_at_different_offsets_are_bad_luck(tmp_path: Path) -> None:
    for start in range(0, 100, 10):
        ledger = CrashLedger(tmp_path / "slot.json")
        assert ledger.load() == {}
        ledger.begin({SOURCE: (start, start + 10, 10)})


def test_a_file_cut_short_is_no_note(tmp_path: Path) -> None:
    (tmp_path / "slot.json").write_text('{"under_way": {"events:0": {"st')
    assert CrashLedger(tmp_path / "slot.json").load() == {}


def test_scoring_goes_on_where_the_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    ledger = CrashLedger(tmp_path / "taken" / "slot.json")
    assert ledger.load() == {}
    ledger.begin({SOURCE: (0, 10, 10)})
    ledger.done({SOURCE: 10})
