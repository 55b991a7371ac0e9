"""Whatever is aborted, killed, damaged or handed over, every committed row was enriched as in one uninterrupted run."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.clock import ManualClock
from pipeline.intake import Intake
from pipeline.kafka.port import Block, TopicPartition
from pipeline.state.keeper import RELEASE_SECONDS, StateKeeper
from pipeline.state.snapshots import SnapshotStore
from tests.fakes import MemoryBroker, block_of
from tests.state.builders import SPEC, RunningSum, fill, recipe

SOURCE = TopicPartition(SPEC.topic, 0)
ROWS = [(n * 7 % 5, float(n % 11)) for n in range(120)]


class Worker:
    """What a scorer does with its keeper, without Kafka and without a model."""

    def __init__(self, root: Path, broker: MemoryBroker, clock: ManualClock | None = None) -> None:
        self.root, self.broker, self.clock = root, broker, clock or ManualClock()
        self.offset = 0
        self.seen: dict[int, float] = {}
        """Offset → derived value, of committed rows."""
        self.keeper = self._keeper()

    def _keeper(self) -> StateKeeper:
        used = recipe()
        return StateKeeper(SPEC, used, SnapshotStore(self.root, used), broker=self.broker, clock=self.clock)

    def assign(self, **options: Any) -> bool:
        return self.keeper.recover({SOURCE: self.offset}, self.broker.topics[SPEC.topic].topic_id, **options)

    def batch(self, records: int, *, commit: bool = True, pieces: int = 2) -> None:
        """Poll, enrich in pieces, and commit or abort."""
        found = [r for r in self.broker.log(SPEC.topic).records if r.offset >= self.offset][:records]
        if not found:
            return
        block, values = block_of(SOURCE, found), dict[int, float]()
        intake = Intake(SPEC)
        step = max(1, len(block) // pieces)
        for start in range(0, len(block), step):
            piece = block.cut(start, start + step)
            taken = intake.take(piece)
            enriched = self.keeper.enrich(piece, taken)
            values |= dict(zip(taken.offsets.tolist(), enriched["who.sum"].to_pylist(), strict=True))
        if commit:
            assert not self.seen.keys() & values.keys()
            self.seen |= values
            self.offset = block.next_offset
            self.keeper.committed({SOURCE: self.offset})

    def crash(self) -> None:
        """As kill -9: what is being written may or may not be whole."""
        self.keeper._writer.wait()
        self.keeper = self._keeper()

    def snapshots(self) -> list[Path]:
        return sorted(self.root.rglob("*-*"))


def expected(broker: MemoryBroker) -> dict[int, float]:
    """The derived value of every row, by one run over the whole log."""
    block = block_of(SOURCE, broker.log(SPEC.topic).records)
    taken = Intake(SPEC).take(block)
    values = RunningSum().advance(taken.batch, taken.time_ms)["who.sum"].to_pylist()
    return dict(zip(taken.offsets.tolist(), values, strict=True))


@pytest.fixture
def broker() -> MemoryBroker:
    made = MemoryBroker()
    made.add_topic(SPEC.topic)
    fill(made, ROWS)
    return made


OPERATIONS = st.one_of(
    st.tuples(st.just("batch"), st.integers(1, 17)),
    st.tuples(st.just("abort"), st.integers(1, 17)),
    st.tuples(st.sampled_from(["snapshot", "crash", "rewind", "lose", "damage", "close"]), st.just(0)),
)


def act(worker: Worker, operations: Sequence[tuple[str, int]]) -> None:
    for what, records in operations:
        match what:
            case "batch":
                worker.batch(records)
            case "abort":
                worker.batch(records, commit=False)
            case "snapshot":
                worker.clock.advance(11.0)
                worker.keeper.tick()
            case "crash":
                worker.crash()
            case "lose":
                worker.keeper._writer.wait()
                shutil.rmtree(worker.root / "topic-0", ignore_errors=True)
            case "damage" if worker.snapshots():
                worker.keeper._writer.wait()
                (worker.snapshots()[-1] / "weights.safetensors").write_bytes(b"")
            case "close":
                worker.keeper.close()
                worker.crash()
        if what in ("abort", "crash", "rewind", "close"):
            assert worker.assign()


@settings(max_examples=60, derandomize=True, deadline=None)
@given(operations=st.lists(OPERATIONS, max_size=25))
def test_every_committed_row_is_enriched_as_in_one_run(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, int]]
) -> None:
    broker = MemoryBroker()
    broker.add_topic(SPEC.topic)
    fill(broker, ROWS)
    worker = Worker(tmp_path_factory.mktemp("state"), broker)
    assert worker.assign()
    act(worker, operations)
    while len(worker.seen) < len(ROWS):
        worker.batch(40)
    assert worker.seen == expected(broker)


def test_a_state_that_stands_at_the_committed_offset_is_not_replayed(tmp_path: Path, broker: MemoryBroker) -> None:
    worker = Worker(tmp_path, broker)
    worker.assign()
    worker.batch(30)
    worker.keeper.release([SOURCE])
    assert worker.assign()
    assert worker.keeper.replayed_since() == 0
    worker.batch(30, commit=False)
    assert worker.assign()
    assert worker.keeper.replayed_since() == sum(offset < worker.offset for offset in expected(broker))


def test_a_snapshot_shortens_the_replay(tmp_path: Path, broker: MemoryBroker) -> None:
    worker = Worker(tmp_path, broker)
    worker.assign()
    worker.batch(100)
    worker.clock.advance(SPEC.state.snapshot_seconds)
    worker.keeper.tick()
    worker.batch(10)
    worker.crash()
    worker.assign()
    assert 0 < worker.keeper.replayed_since() <= 10
    worker.keeper.close()
    worker.crash()
    worker.assign()
    assert worker.keeper.replayed_since() == 0, "an orderly end leaves nothing to replay"


def test_a_released_state_is_let_go_of_after_a_while(tmp_path: Path, broker: MemoryBroker) -> None:
    worker = Worker(tmp_path, broker)
    worker.assign()
    worker.batch(30)
    worker.keeper.release([SOURCE])
    worker.clock.advance(RELEASE_SECONDS + 1)
    worker.keeper.tick()
    assert not worker.snapshots(), "what is not ours is not written"
    worker.assign()
    assert worker.keeper.replayed_since() > 0


def test_where_the_log_begins_later_the_state_is_marked_and_warms_up(tmp_path: Path, broker: MemoryBroker) -> None:
    worker = Worker(tmp_path, broker)
    worker.assign()
    worker.batch(200)
    assert (worker.keeper.incomplete, worker.keeper.warming_up) == (0, 1)
    worker.crash()
    broker.log(SPEC.topic).trim(60)
    worker.assign()
    assert (worker.keeper.incomplete, worker.keeper.warming_up) == (1, 1)
    fill(broker, ROWS, step_ms=3_600_000)
    worker.batch(200)
    assert (worker.keeper.incomplete, worker.keeper.warming_up) == (1, 0)
    worker.keeper.close()
    worker.crash()
    worker.assign()
    assert worker.keeper.incomplete == 1, "a snapshot remembers what it lacks"


def test_a_topic_made_anew_begins_with_an_empty_state(tmp_path: Path, broker: MemoryBroker) -> None:
    worker = Worker(tmp_path, broker)
    worker.assign()
    worker.batch(200)
    worker.keeper.close()
    broker.delete_topic(SPEC.topic)
    broker.add_topic(SPEC.topic)
    fill(broker, ROWS)
    worker.crash()
    worker.offset, worker.seen = 0, {}
    worker.assign()
    worker.batch(200)
    assert worker.seen == expected(broker)


def test_offsets_set_back_by_hand_find_the_state_of_then(tmp_path: Path, broker: MemoryBroker) -> None:
    worker = Worker(tmp_path, broker)
    worker.assign()
    worker.batch(100)
    worker.keeper.close()
    worker.crash()
    worker.offset, worker.seen = 40, {}
    worker.assign()
    worker.batch(500)
    assert worker.seen == {offset: v for offset, v in expected(broker).items() if offset >= 40}


def test_a_replay_is_given_up_when_the_assignment_changes(tmp_path: Path, broker: MemoryBroker) -> None:
    worker = Worker(tmp_path, broker)
    worker.offset = 50
    assert not worker.assign(go_on=lambda: False)
    assert worker.assign()
    worker.batch(200)
    assert worker.seen == {offset: v for offset, v in expected(broker).items() if offset >= 50}


def test_a_full_disk_is_counted_and_does_not_stop_scoring(tmp_path: Path, broker: MemoryBroker) -> None:
    root = tmp_path / "a file, not a folder"
    root.write_text("")
    worker = Worker(root, broker)
    worker.assign()
    worker.batch(50)
    worker.clock.advance(11.0)
    worker.keeper.tick()
    worker.keeper._writer.wait()
    assert worker.keeper.snapshot_counts() == (0, 1)
    worker.batch(500)
    assert worker.seen == expected(broker)


def test_times_that_go_back_do_not_end_the_warming_up(tmp_path: Path, broker: MemoryBroker) -> None:
    worker = Worker(tmp_path, broker)
    worker.assign()
    worker.batch(10)
    assert worker.keeper.warming_up == 1
    assert np.isfinite(list(worker.seen.values())).all()


def test_no_snapshot_is_ahead_of_what_is_committed(tmp_path: Path, broker: MemoryBroker) -> None:
    worker = Worker(tmp_path, broker)
    worker.assign()
    worker.batch(30)
    worker.batch(30, commit=False)
    worker.clock.advance(SPEC.state.snapshot_seconds)
    worker.keeper.tick()
    worker.keeper.close()
    assert not worker.snapshots()


def test_an_offset_behind_the_last_record_is_where_the_state_stands(tmp_path: Path, broker: MemoryBroker) -> None:
    worker = Worker(tmp_path, broker)
    worker.offset = 7  # the offset after a transaction's marker
    assert 6 not in {record.offset for record in broker.log(SPEC.topic).records}
    worker.assign()
    assert worker.keeper.replayed_since() > 0
    worker.assign()
    assert worker.keeper.replayed_since() == 0


def test_a_state_that_failed_half_way_is_not_gone_on_from(
    tmp_path: Path, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path, broker)
    worker.assign()
    worker.batch(30)
    with monkeypatch.context() as patched:
        patched.setattr(RunningSum, "fields", property(lambda self: 1 // 0))
        with pytest.raises(ZeroDivisionError):
            worker.batch(10)
    worker.assign()
    worker.batch(500)
    assert worker.seen == expected(broker)


def test_a_record_that_kills_the_process_is_passed_over_in_a_replay_too(tmp_path: Path, broker: MemoryBroker) -> None:
    worker, deadly = Worker(tmp_path, broker), 12
    worker.offset = 50

    def parts(block: Block) -> Iterator[tuple[Block, bool]]:
        for at, offset in enumerate(block.offsets.tolist()):
            yield block.cut(at, at + 1), offset == deadly

    worker.assign(parts=parts)
    worker.batch(500)
    log = broker.log(SPEC.topic)
    log.records = [record for record in log.records if record.offset != deadly]
    assert worker.seen == {offset: v for offset, v in expected(broker).items() if offset >= 50}
