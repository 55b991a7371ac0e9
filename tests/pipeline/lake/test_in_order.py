"""Reading an archive as a scorer saw it: partition by partition, in order of offset, whatever the times."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError, StorageUnavailableError
from pipeline.lake import Lake
from tests.pipeline.lake.test_reader import write


def read(lake: Lake, **options: object) -> list[tuple[int, int, int]]:
    """(partition, offset, time) of every row, in the order read."""
    found = []
    for rows in lake.iterate_in_order("s", **{"columns": ["_offset"], **options}):  # type: ignore[arg-type]
        assert rows.batch.schema.names == ["_offset"]
        places = zip(rows.batch["_offset"].to_pylist(), rows.times_ms.tolist(), strict=True)
        found += [(rows.partition, offset, time) for offset, time in places]
    return found


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    times=st.lists(st.integers(0, 300), min_size=1, max_size=120),
    file_rows=st.integers(1, 50),
    row_group=st.integers(1, 20),
    bounds=st.tuples(st.none() | st.integers(0, 300), st.none() | st.integers(0, 300)),
)
def test_a_window_has_its_rows_and_history_all_before_the_last_of_them(
    tmp_path_factory: pytest.TempPathFactory,
    times: list[int],
    file_rows: int,
    row_group: int,
    bounds: tuple[int | None, int | None],
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for partition in (1, 0):
        for first in range(0, len(times), file_rows):
            write(lake, times[first : first + file_rows], first=first, partition=partition, row_group=row_group)
    start, end = bounds
    rows = [(p, offset, time) for p in (0, 1) for offset, time in enumerate(times)]
    inside = [row for row in rows if (start is None or row[2] >= start) and (end is None or row[2] < end)]
    assert read(lake, start_ms=start, end_ms=end) == inside
    history = read(lake, start_ms=start, end_ms=end, history=True)
    last = max((offset for _, offset, time in rows if end is None or time < end), default=-1)
    assert history[: len(history) // 2] == rows[: len(history) // 2]
    assert {row for row in rows if row[1] <= last} <= set(history)
    assert len(history) == len(set(history))


def test_a_topic_made_anew_comes_after_the_one_before(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for topic, day, first_ms in (("b-first", "2026-01-01", 10), ("a-second", "2026-01-02", 90)):
        path = write(lake, [first_ms, first_ms + 1])
        target = lake.real("s") / topic / f"date={day}" / path.name
        target.parent.mkdir(parents=True)
        path.rename(target)
    assert [rows.topic_id for rows in lake.iterate_in_order("s")] == ["b-first", "a-second"]


def test_rows_in_two_files_come_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    write(lake, [1, 2, 3, 4], first=0)
    write(lake, [3, 4, 5], first=2)
    assert read(lake) == [(0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 5)]


def test_a_column_that_an_older_file_lacks_is_null_there(tmp_path: Path) -> None:
    from detectors.columns import Kind, Role, make_field

    lake = Lake(tmp_path)
    write(lake, [1], first=0)
    both = [make_field(name, Kind.NUMERIC, {Role.FEATURE}) for name in ("value", "more")]
    write(lake, [2], first=1, version=2, fields=both, columns={"value": np.ones(1), "more": np.ones(1)})
    found = [rows.batch["more"].to_pylist() for rows in lake.iterate_in_order("s", columns=["value", "more"])]
    assert found == [[None], [1.0]]
    with pytest.raises(ConfigError, match="no column 'less'"):
        list(lake.iterate_in_order("s", columns=["less"]))


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    path = write(lake, [1, 2, 3])
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(StorageUnavailableError, match=path.name):
        list(lake.iterate_in_order("s"))
