"""Joining archive files shows no row twice and misses none, wherever it is killed."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.archive.compaction import covered, delete, join, planned, remove_dead
from pipeline.archive.open_file import OpenParquet, temporary_name
from pipeline.errors import LeaseLostError
from pipeline.lake import Lake
from pipeline.lake.layout import ArchiveFile
from tests.pipeline.lake.test_reader import write

FOREVER_MS = 1 << 60


def nothing(step: str) -> None:
    """Go on."""


def compacted(lake: Lake, before: Callable[[str], None] = nothing, *, least_files: int = 2) -> tuple[int, int]:
    """A whole compaction: files joined, files deleted."""
    joinings = planned(lake.files("s"), below_bytes=1 << 20, least_files=least_files)
    for joining in joinings:
        join(joining, before)
    return len(joinings), delete(covered(lake.real("s"), joined_before_ms=FOREVER_MS), before)


def offsets(lake: Lake) -> list[tuple[int, int]]:
    """Partition and offset of every row a reader sees."""
    table = lake.read_real("s", columns=["_partition", "_offset", "value"])
    assert table["value"].to_pylist() == [float(offset) for offset in table["_offset"].to_pylist()]
    return sorted(zip(table["_partition"].to_pylist(), table["_offset"].to_pylist(), strict=True))


def many(lake: Lake, *, sizes: Sequence[int] = (3, 1, 4, 1, 5), partition: int = 0, version: int = 1) -> None:
    """Files side by side."""
    first = 0
    for size in sizes:
        write(lake, list(range(first, first + size)), first=first, partition=partition, version=version)
        first += size


def names(lake: Lake) -> list[str]:
    return sorted(path.name for path in lake.real("s").glob("*/date=*/*.parquet"))


def test_small_files_become_one_and_rows_stay_the_same(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    many(lake)
    many(lake, partition=1)
    before = offsets(lake)
    assert compacted(lake) == (2, 8)
    assert names(lake) == ["p0-0-9.parquet", "p0-9-14.parquet", "p1-0-9.parquet", "p1-9-14.parquet"]
    assert offsets(lake) == before
    footer = pq.read_metadata(next(lake.real("s").glob("*/date=*/p0-0-9.parquet")))
    assert footer.metadata[b"eddyline.schema_version"] == b"1"
    assert footer.num_row_groups == 1
    assert compacted(lake) == (0, 0), "nothing is left to do"


def test_the_newest_file_of_a_partition_is_the_archivers(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    many(lake, sizes=(2, 2))
    assert compacted(lake) == (0, 0)
    assert names(lake) == ["p0-0-2.parquet", "p0-2-4.parquet"]


def test_files_are_not_joined_over_a_hole_or_a_new_schema_or_an_overlap(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    write(lake, [1, 2], first=0)
    write(lake, [3, 4], first=10)
    write(lake, [5, 6], first=12, version=2)
    write(lake, [7, 8], first=13, version=2)
    write(lake, [9], first=20)
    before = offsets(lake)
    assert compacted(lake) == (0, 0)
    assert offsets(lake) == before


def test_covered_files_stay_for_those_who_read_them_already(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    many(lake)
    reading = lake.iterate_real("s", columns=["_offset"])
    for joining in planned(lake.files("s"), below_bytes=1 << 20, least_files=2):
        join(joining, nothing)
    assert covered(lake.real("s"), joined_before_ms=0) == []
    assert sum(batch.num_rows for batch in reading) == 14
    assert len(covered(lake.real("s"), joined_before_ms=FOREVER_MS)) == 4


def test_what_was_not_joined_covers_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    write(lake, list(range(10)), first=0)
    write(lake, [3, 4], first=3)
    assert covered(lake.real("s"), joined_before_ms=FOREVER_MS) == []


@pytest.mark.parametrize("stop_at", range(7))
def test_killed_at_any_step_every_row_is_there_once_and_the_next_one_finishes(tmp_path: Path, stop_at: int) -> None:
    lake = Lake(tmp_path)
    many(lake)
    before = offsets(lake)
    child = os.fork()
    if child == 0:
        count = 0

        def step(name: str) -> None:
            nonlocal count
            if count == stop_at:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

        compacted(lake, step)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) == (stop_at < 6), "six steps: write, publish, four deletions"
    assert offsets(lake) == before
    remove_dead(lake.real("s"))
    compacted(lake)
    assert offsets(lake) == before
    assert names(lake) == ["p0-0-9.parquet", "p0-9-14.parquet"]
    assert not list(lake.real("s").glob("*/_open/*")), "what a dead writer left is gone"


def test_a_lost_lease_publishes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    many(lake)
    before = names(lake)

    def lost(step: str) -> None:
        if step == "publish":
            raise LeaseLostError("another leads")

    with pytest.raises(LeaseLostError):
        compacted(lake, lost)
    assert names(lake) == before
    assert not list(lake.real("s").glob("*/_open/*"))


def test_files_of_living_writers_stay(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    many(lake, sizes=(2,))
    schema = pq.read_schema(next(lake.real("s").glob("*/date=*/*.parquet")))
    living = OpenParquet(lake.real("s") / "t" / "_open" / temporary_name(0, 2), schema)
    (lake.real("s") / "t" / "_open" / temporary_name(0, 2)).write_bytes(b"dead")
    assert remove_dead(lake.real("s")) == 1
    assert living.path.exists()
    living.discard()


@given(
    cuts=st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.sampled_from([1, 1, 1, 2])), min_size=1, max_size=12),
    overlap=st.booleans(),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_archive_reads_the_same_afterwards(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, bool, int]], overlap: bool
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    first = 0
    for size, hole, version in cuts:
        first += 2 if hole else 0
        write(lake, list(range(size)), first=first, version=version)
        first += size
    if overlap and first > 3:
        write(lake, list(range(4)), first=first - 2)
    before = offsets(lake)
    for _ in range(2):
        compacted(lake)
        assert offsets(lake) == before
    assert np.all([ArchiveFile.parse(file.path) is not None for file in lake.files("s")])
