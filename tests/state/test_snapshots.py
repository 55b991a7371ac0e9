"""Snapshots are whole or passed over, never ahead of what was asked for, and few."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.state.enricher import Enricher
from pipeline.state.snapshots import SnapshotStore
from tests.state.builders import SPEC, recipe


def enricher_at(position: int) -> Enricher:
    made = Enricher(recipe())
    made.advance(rows(position), np.arange(position, dtype=np.int64), next_offset=position)
    return made


def rows(count: int) -> pa.RecordBatch:
    return pa.record_batch([["a"] * count, np.arange(count) + 0.1], schema=SPEC.schema())


def write(store: SnapshotStore, *positions: int) -> list[Path]:
    return [store.write("t", 0, enricher_at(position).snapshot()) for position in positions]


def test_a_restored_state_goes_on_as_the_original_would(tmp_path: Path) -> None:
    store, original = SnapshotStore(tmp_path, recipe()), enricher_at(10)
    store.write("t", 0, original.snapshot())
    restored = store.newest("t", 0, not_after=10)
    assert restored is not None
    times = np.arange(5, dtype=np.int64) + 10**9
    for one in (original, restored):
        assert one.position == 10
    assert restored.advance(rows(5), times, next_offset=15).equals(original.advance(rows(5), times, next_offset=15))
    assert restored.warming_up == original.warming_up


def test_the_newest_not_ahead_is_found(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, recipe())
    write(store, 20, 30)
    found = {at: store.newest("t", 0, not_after=at) for at in (19, 20, 29, 30, 99)}
    assert {at: one.position if one else None for at, one in found.items()} == {
        19: None,
        20: 20,
        29: 20,
        30: 30,
        99: 30,
    }


@pytest.mark.parametrize("name", ["weights.safetensors", "document.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "edited"])
def test_a_damaged_snapshot_is_passed_over(tmp_path: Path, name: str, damage: str) -> None:
    store = SnapshotStore(tmp_path, recipe())
    _, newest = write(store, 20, 30)
    file = newest / name
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content[: len(content) // 2] if damage == "cut" else content[:-3] + b"xyz")
    found = store.newest("t", 0, not_after=30)
    assert found is not None
    assert found.position == 20
    assert write(store, 30) == [newest]
    mended = store.newest("t", 0, not_after=30)
    assert mended is not None
    assert mended.position == 30


def test_two_are_kept_and_those_ahead_are_left_alone(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, recipe())
    write(store, 10, 20, 30, 40, 15)
    assert [int(path.name.split("-")[0]) for path in sorted(tmp_path.rglob("*-*"))] == [15, 30, 40]
    write(store, 50)
    assert [int(path.name.split("-")[0]) for path in sorted(tmp_path.rglob("*-*"))] == [40, 50]


def test_state_of_another_recipe_or_topic_is_not_used(tmp_path: Path) -> None:
    write(SnapshotStore(tmp_path, recipe()), 20)
    other = SnapshotStore(tmp_path, recipe(decay=0.9))
    assert other.newest("t", 0, not_after=99) is None
    assert SnapshotStore(tmp_path, recipe()).newest("made-anew", 0, not_after=99) is None
    assert SnapshotStore(tmp_path, recipe()).newest("t", 1, not_after=99) is None


def test_what_a_dead_writer_left_is_removed_and_never_read(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, recipe())
    [whole] = write(store, 20)
    unfinished = whole.parent / ".0123.tmp"
    whole.rename(unfinished)
    assert store.newest("t", 0, not_after=99) is None
    store.clear_unfinished("t", 0)
    assert not list(whole.parent.iterdir())
