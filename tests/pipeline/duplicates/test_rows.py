"""The rows that training leaves out are the same however it reads the window, and the earliest of equal rows stays."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import DuplicatePolicy, StreamSpec
from pipeline.duplicates import rows as module
from pipeline.duplicates.rows import DuplicateRows, duplicate_rows
from pipeline.jobs.enriched_rows import Rows, enriched_rows
from pipeline.lake import Lake
from pipeline.state.recipe import recipe_of
from tests.pipeline.duplicates.events import SPEC, TIME, VALUES, archived, events, retraining, spec_of, with_copies
from tests.pipeline.lake.test_reader import write

NO_ID = spec_of(TIME, *VALUES)
BARE = spec_of(*VALUES)


def left_out(lake: Lake, spec: StreamSpec, found: DuplicateRows, *, most: int = 1_000_000) -> set[int]:
    """Offsets of the rows that training would leave out, read in batches of at most so many rows."""
    columns = [*spec.schema().names, *found.columns]
    offsets: set[int] = set()
    for rows in enriched_rows(spec, recipe_of(spec), lake, columns=columns, start_ms=None, end_ms=None):
        for start in range(0, rows.batch.num_rows, most):
            part = rows.take(np.arange(start, min(start + most, rows.batch.num_rows)))
            assert part.offsets is not None
            offsets |= set(part.offsets[found.leaves_out(part)].tolist())
    return offsets


@pytest.mark.parametrize("most", [1, 7, 1_000])
def test_events_delivered_again_are_left_out_and_the_earliest_stays(tmp_path: Path, most: int) -> None:
    table = with_copies(events(300), [5, 5, 250])
    lake = archived(tmp_path, table, files=3)
    found = duplicate_rows(SPEC, lake)
    assert left_out(lake, SPEC, found, most=most) == {300, 301, 302}
    assert found.document() == {"policy": "exact", "told_by": "id", "rows": 3}


def test_the_earliest_is_so_by_time_in_whatever_order_rows_were_archived(tmp_path: Path) -> None:
    table = with_copies(events(300), [200], at=[events(300)["at"][0].as_py()])
    lake = archived(tmp_path, table)
    assert left_out(lake, SPEC, duplicate_rows(SPEC, lake)) == {200}


def test_without_an_id_rows_are_told_by_their_content_if_it_has_the_events_time(tmp_path: Path) -> None:
    table = with_copies(events(300), [5, 250]).drop_columns(["id"])
    lake = archived(tmp_path, table, spec=NO_ID)
    assert left_out(lake, NO_ID, duplicate_rows(NO_ID, lake)) == {300, 301}
    bare = duplicate_rows(BARE, lake)
    assert bare.told_by == "nothing"
    assert left_out(lake, BARE, bare) == set(), "equal readings are no copies"


def test_the_policy_of_the_stream_holds_unless_another_is_asked_for(tmp_path: Path) -> None:
    table = with_copies(events(300), [5, 250], id=["other", "e0-250"], amount=[0.5, events(300)["amount"][250].as_py()])
    lake = archived(tmp_path, table)
    kept, near = (SPEC.model_copy(update={"retraining": retraining(name)}) for name in ("keep", "near"))
    assert left_out(lake, kept, duplicate_rows(kept, lake)) == set()
    assert left_out(lake, SPEC, duplicate_rows(SPEC, lake)) == {301}
    assert left_out(lake, near, duplicate_rows(near, lake)) == {300, 301}
    assert left_out(lake, near, duplicate_rows(near, lake, policy=DuplicatePolicy.KEEP)) == set()


def test_windows_of_more_rows_than_fit_are_gone_through_in_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = with_copies(events(300), list(range(0, 300, 3)))
    lake = archived(tmp_path, table)
    whole = duplicate_rows(SPEC, lake)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 37)
    assert (duplicate_rows(SPEC, lake).places == whole.places).all()
    assert len(whole.places) == 100


def test_rows_outside_the_window_are_neither_copies_nor_originals(tmp_path: Path) -> None:
    table = with_copies(events(300), [5], at=[events(300)["at"][299].as_py()])
    lake = archived(tmp_path, table)
    start = events(300)["at"][10].as_py()
    assert len(duplicate_rows(SPEC, lake, start_ms=int(start.timestamp() * 1000)).places) == 0
    assert len(duplicate_rows(SPEC, lake).places) == 1


def test_rows_of_one_record_are_told_apart(tmp_path: Path) -> None:
    lake = archived(tmp_path, events(4), files=1)
    [path] = (lake.real("s")).rglob("*.parquet")
    table = pa.parquet.read_table(path)
    ids = pa.array(["a", "b", "a", "c"])
    same = {"_offset": pa.array([7, 7, 7, 7]), "_row": pa.array([0, 1, 2, 3], pa.int32()), "id": ids}
    for name, values in same.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(name), values)
    pa.parquet.write_table(table, path)
    found = duplicate_rows(SPEC, lake)
    columns = [*SPEC.schema().names, *found.columns]
    [rows] = enriched_rows(SPEC, None, lake, columns=columns, start_ms=None, end_ms=None)
    assert found.leaves_out(rows).tolist() == [False, False, True, False]


def test_an_archive_that_never_had_the_id_keeps_its_rows(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    write(lake, [1, 2, 3])
    assert len(duplicate_rows(SPEC, lake).places) == 0


def test_rows_without_their_places_are_refused(tmp_path: Path) -> None:
    lake = archived(tmp_path, with_copies(events(10), [5]))
    [batch] = events(10).combine_chunks().to_batches()
    with pytest.raises(ValueError, match="_offset"):
        duplicate_rows(SPEC, lake).leaves_out(Rows("t/0", batch, np.zeros(10, np.int64)))
