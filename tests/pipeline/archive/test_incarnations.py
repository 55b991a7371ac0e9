"""Topics made anew, grown, trimmed, and groups that forgot: the archive neither mixes, repeats nor hides."""

from pathlib import Path

from pipeline.config import ArchiveSpec
from pipeline.kafka.port import Committed, TopicPartition
from tests.pipeline.archive.bench import TOPIC, ArchiveBench, number_spec


def test_a_topic_made_anew_starts_at_zero_in_another_folder(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path)
    bench.produce(20)
    bench.finish(bench.archiver())
    bench.broker.delete_topic(TOPIC, keep_group_offsets=True)
    anew = bench.broker.add_topic(TOPIC)
    bench.produce(30)
    bench.finish(bench.archiver())
    assert bench.offsets() == list(range(20))
    assert bench.offsets(anew) == list(range(30))


def test_a_topic_made_anew_while_it_is_read_keeps_both_apart(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path, number_spec(ArchiveSpec()))
    bench.produce(20)
    archiver = bench.archiver()
    bench.turns(archiver)
    bench.broker.delete_topic(TOPIC, keep_group_offsets=True)
    anew = bench.broker.add_topic(TOPIC)
    bench.produce(50)
    bench.finish(archiver)
    assert bench.offsets() == list(range(20)), "what was read of the old topic is kept"
    assert bench.offsets(anew) == list(range(50))
    assert bench.leftovers() == []


def test_rows_of_the_new_topic_never_end_in_the_old_ones_file(tmp_path: Path) -> None:
    """A fetch meant for the old incarnation, at its position, is answered by the new one."""
    bench = ArchiveBench(tmp_path, number_spec(ArchiveSpec()))
    bench.produce(20)
    archiver = bench.archiver()
    bench.turns(archiver)
    archiver._source._rebalance = lambda: None  # type: ignore[attr-defined] # the client has not noticed yet
    bench.broker.delete_topic(TOPIC)
    anew = bench.broker.add_topic(TOPIC)
    bench.produce(40)
    bench.turns(archiver)
    del archiver._source._rebalance  # type: ignore[attr-defined]
    bench.finish(archiver)
    assert bench.ranges() == [(0, 20)], "the file claims no offsets of the other topic"
    assert bench.offsets() == list(range(20))
    assert bench.offsets(anew) == list(range(40))


def test_what_was_read_of_a_topic_deleted_for_good_is_kept(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path, number_spec(ArchiveSpec()))
    bench.produce(20)
    archiver = bench.archiver()
    bench.turns(archiver)
    archiver._source._rebalance = lambda: None  # type: ignore[attr-defined]
    bench.broker.delete_topic(TOPIC)
    archiver.drain()
    assert bench.offsets() == list(range(20))


def test_partitions_that_grow_are_archived_from_their_start(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path, number_spec(ArchiveSpec()))
    bench.produce(5)
    archiver = bench.archiver()
    bench.turns(archiver)
    bench.broker.admin().grow(TOPIC, 3)
    bench.produce(4, partition=1)
    bench.produce(3, partition=2)
    bench.produce(5)
    bench.finish(archiver)
    assert [bench.offsets(partition=p) for p in range(3)] == [list(range(10)), list(range(4)), list(range(3))]


def test_the_high_water_mark_survives_retention_and_a_forgotten_group(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path)
    bench.produce(20)
    bench.finish(bench.archiver())
    for file in bench.lake.files("numbers"):
        file.path.unlink()
    bench.broker.groups.clear()
    bench.produce(5)
    bench.finish(bench.archiver())
    assert bench.offsets() == [20, 21, 22, 23, 24]


def test_events_deleted_before_they_were_read_are_a_recorded_gap(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path)
    bench.produce(10)
    bench.finish(bench.archiver())
    bench.produce(30)
    bench.broker.log(TOPIC).trim(25)
    archiver = bench.archiver()
    bench.finish(archiver)
    [gap] = bench.lake.ledger("numbers").gaps()
    assert (gap.partition, gap.expected, gap.available, gap.topic_id) == (0, 10, 25, bench.topic_id)
    assert bench.offsets() == [*range(10), *range(25, 40)]
    assert archiver.progress.gaps == 1
    assert "10 to 25" in archiver.progress.last_error


def test_no_file_spans_a_gap(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path, number_spec(ArchiveSpec()))
    bench.produce(10)
    archiver = bench.archiver()
    bench.turns(archiver)
    bench.broker.log(TOPIC).trim(30)
    bench.produce(10)
    bench.finish(archiver)
    assert bench.ranges() == [(0, 10), (30, 40)]
    assert [(g.expected, g.available) for g in bench.lake.ledger("numbers").gaps()] == [(10, 30)]


def test_offsets_reset_by_hand_are_followed_and_rows_are_still_read_once(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path)
    bench.produce(25)
    bench.finish(bench.archiver())
    group = bench.broker.groups["eddyline.numbers.archive"]
    group.offsets[TopicPartition(TOPIC, 0)] = Committed(5, "")
    bench.produce(8)
    bench.finish(bench.archiver())
    assert len(bench.offsets()) > 33, "the range was archived again"
    assert bench.lake.read_real("numbers")["_offset"].to_pylist() == list(range(33))


def test_offsets_reset_forward_leave_a_recorded_gap(tmp_path: Path) -> None:
    bench = ArchiveBench(tmp_path)
    bench.produce(10)
    bench.finish(bench.archiver())
    bench.produce(10)
    bench.broker.groups["eddyline.numbers.archive"].offsets[TopicPartition(TOPIC, 0)] = Committed(15, "")
    bench.finish(bench.archiver())
    assert [(g.expected, g.available) for g in bench.lake.ledger("numbers").gaps()] == [(10, 15)]
