"""A window's fingerprint says which rows are in it, and nothing of how they lie in files."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.lake import Lake
from pipeline.lineage.windows import archive_window, file_window, window_id
from tests.pipeline.lake.test_reader import write

BOUND = st.none() | st.integers(0, 300)


def archived(folder: Path, partitions: list[list[int]], *, file_rows: int, row_group: int) -> Lake:
    """Rows of these times, cut into files and row groups."""
    lake = Lake(folder)
    for number, times in enumerate(partitions):
        for first in range(0, len(times), file_rows):
            write(lake, times[first : first + file_rows], first=first, partition=number, row_group=row_group)
    return lake


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    partitions=st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=60), min_size=1, max_size=3),
    cuts=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(1, 20)),
    bounds=st.tuples(BOUND, BOUND),
)
def test_however_rows_lie_in_files_their_window_is_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    partitions: list[list[int]],
    cuts: tuple[int, int, int, int],
    bounds: tuple[int | None, int | None],
) -> None:
    one, other = (
        archive_window(
            archived(tmp_path_factory.mktemp("lake"), partitions, file_rows=rows, row_group=group),
            "s",
            start_ms=bounds[0],
            end_ms=bounds[1],
        )
        for rows, group in (cuts[:2], cuts[2:])
    )
    assert one == other
    low, high = bounds[0] or 0, 301 if bounds[1] is None else bounds[1]
    assert one.rows == sum(low <= time < high for times in partitions for time in times)


def test_compacted_files_leave_the_window_what_it_was(tmp_path: Path) -> None:
    small = [write(Lake(tmp_path), [10 * n, 10 * n + 5], first=2 * n) for n in range(5)]
    before = archive_window(Lake(tmp_path), "s", start_ms=5, end_ms=40)
    with pq.ParquetWriter(small[0].with_name("p0-0-10.parquet"), pq.read_schema(small[0])) as writer:
        for path in small:
            writer.write_table(pq.read_table(path))
    while_both_lie_there = archive_window(Lake(tmp_path), "s", start_ms=5, end_ms=40)
    for path in small:
        path.unlink()
    assert before == while_both_lie_there == archive_window(Lake(tmp_path), "s", start_ms=5, end_ms=40)


def test_other_rows_are_another_window(tmp_path: Path) -> None:
    write(Lake(tmp_path), [1, 2, 3])
    before = archive_window(Lake(tmp_path), "s", start_ms=0, end_ms=10)
    write(Lake(tmp_path), [2], first=3)  # a late event
    after = archive_window(Lake(tmp_path), "s", start_ms=0, end_ms=10)
    assert before.fingerprint != after.fingerprint
    assert before.id != after.id
    whole = archive_window(Lake(tmp_path), "s")
    assert (whole.start_ms, whole.end_ms, whole.rows) == (1, 4, 4)
    assert whole.id == window_id("s", 1, 4, whole.fingerprint)


def test_an_archive_without_rows_there_has_a_window_too(tmp_path: Path) -> None:
    write(Lake(tmp_path), [1, 2, 3])
    assert archive_window(Lake(tmp_path), "s", start_ms=100, end_ms=200).rows == 0
    assert archive_window(Lake(tmp_path), "none").rows == 0


def test_offsets_read_from_another_file_are_counted_once(tmp_path: Path) -> None:
    write(Lake(tmp_path), [1, 2, 3, 4])
    write(Lake(tmp_path), [3, 4, 5], first=2)
    assert archive_window(Lake(tmp_path), "s").rows == 5


def test_a_file_is_known_by_its_content() -> None:
    window = file_window("orders", file="orders.csv", sha256="ab" * 32, rows=7)
    assert window.id == "orders:file:abababababab"
    assert window.document()["rows"] == 7
