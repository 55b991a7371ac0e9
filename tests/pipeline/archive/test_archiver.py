"""What an archive holds while all goes well, and what it says."""

import itertools
import threading
from pathlib import Path

import pytest

from pipeline.config import ArchiveSpec
from pipeline.errors import ConfigError
from tests.pipeline.archive.bench import TOPIC, ArchiveBench, number_spec


def test_every_event_lands_once_with_where_it_came_from(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path, partitions=2)
    bench.produce(25)
    bench.produce(7, partition=1)
    bench.finish(bench.archiver())
    table = bench.lake.read_real("numbers")
    assert table.num_rows == 32
    assert bench.offsets() == list(range(25))
    assert bench.offsets(partition=1) == list(range(7))
    assert table["value"].to_pylist() == table["_offset"].to_pylist()
    assert set(table["_schema_version"].to_pylist()) == {1}
    assert bench.leftovers() == []


def test_ranges_follow_each_other_and_holes_are_no_losses(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path)
    archiver = bench.archiver()
    for _ in range(3):
        bench.produce(10)
        bench.broker.log(TOPIC).skip(5)
        bench.turns(archiver, 2)
    bench.finish(archiver)
    ranges = bench.ranges()
    assert ranges[0][0] == 0
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ranges))
    assert len(bench.offsets()) == 30
    assert bench.lake.ledger("numbers").gaps() == []


def test_a_file_is_dated_by_its_first_records_append_time(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path)
    bench.produce(1)
    bench.finish(bench.archiver())
    [file] = bench.lake.files("numbers")
    assert file.path.relative_to(tmp_path).as_posix() == f"real/numbers/{bench.topic_id}/date=2023-11-14/p0-0-1.parquet"


@pytest.mark.parametrize(
    ("archive", "seconds"),
    [
        (ArchiveSpec(roll_rows=20), 0.0),
        (ArchiveSpec(roll_bytes=30), 0.0),
        (ArchiveSpec(roll_seconds=5.0), 6.0),
    ],
)
def test_a_file_is_closed_by_rows_by_bytes_and_by_age(tmp_path: Path, archive: ArchiveSpec, seconds: float) -> None:
    bench = ArchiveBench(tmp_path, number_spec(archive))
    archiver = bench.archiver()
    bench.produce(10)
    bench.turns(archiver, 2, seconds=0.1)
    assert bench.ranges() == []
    bench.clock.advance(seconds)
    bench.produce(10)
    bench.turns(archiver, 2, seconds=0.1)
    assert bench.ranges() == [(0, 20)]
    archiver.close()


def test_rejects_are_counted_and_their_offsets_passed(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path)
    bench.produce(5)
    bench.produce(5, value=b"not a number")
    archiver = bench.archiver()
    bench.finish(archiver)
    assert archiver.progress.rejects == 5
    assert archiver.progress.events == 10
    assert archiver.progress.archived == 5
    assert archiver.progress.bytes > 0
    assert bench.offsets() == [0, 1, 2, 3, 4]
    bench.finish(again := bench.archiver())
    assert again.progress.events == 0


def test_a_stream_that_no_longer_fits_its_spec_is_paused_not_skipped(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path, number_spec(ArchiveSpec(roll_rows=1_000_000)), partitions=2)
    bench.produce(300, value=b"not a number")
    bench.produce(5, partition=1)
    archiver = bench.archiver()
    bench.turns(archiver)
    assert "correct the spec" in archiver.progress.paused
    bench.finish(archiver)
    assert bench.offsets(partition=1) == [0, 1, 2, 3, 4]
    committed = bench.broker.admin().group_offsets("eddyline.numbers.archive")
    assert [tp.partition for tp in committed] == [1]


def test_stopping_commits_what_is_open(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path, number_spec(ArchiveSpec()))
    bench.produce(3)
    archiver = bench.archiver()
    bench.turns(archiver)
    archiver.close()
    stop = threading.Event()
    runner = bench.archiver()
    runner.close()

    class StopsSoon(threading.Event):
        calls = 0

        def is_set(self) -> bool:
            self.calls += 1
            return self.calls > 4

    assert not stop.is_set()
    runner.run(StopsSoon())
    assert bench.offsets() == [0, 1, 2]
    assert bench.leftovers() == []


def test_a_topic_that_does_not_exist_is_said_at_once(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path)
    bench.broker.delete_topic(TOPIC)
    with pytest.raises(ConfigError, match="numbers of stream numbers does not exist: create it"):
        bench.archiver()


def test_columns_that_the_archive_uses_itself_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="_offset"):
        ArchiveBench(tmp_path, number_spec(columns=("_offset",))).archiver()


def test_progress_says_lag_rate_and_open_rows(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path, number_spec(ArchiveSpec()))
    bench.produce(50)
    archiver = bench.archiver()
    bench.turns(archiver, 5, seconds=2.0)
    state = archiver.progress.state()
    assert state["lag"] == 0
    assert state["open_rows"] == 50
    assert state["partitions"] == 1
    bench.finish(archiver)


def test_memory_holds_no_more_than_the_row_group_in_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.archive.policy.ROW_GROUP_ROWS", 100)
    bench = ArchiveBench(tmp_path, number_spec(ArchiveSpec()))
    archiver = bench.archiver()
    for _ in range(20):
        bench.produce(60)
        archiver.turn()
        assert sum(p.buffered_rows for p in archiver._ranges._open.values()) < 160
    bench.finish(archiver)
    assert bench.offsets() == list(range(1200))
