"""A full disk: nothing is committed, nothing is lost, it is said, and it ends by itself."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.config import ArchiveSpec
from pipeline.kafka.port import OutRecord
from tests.pipeline.archive.bench import TOPIC, ArchiveBench, number_spec

DISK_BYTES = 1_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of about a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = f"a tmpfs cannot be mounted here ({done.stderr.strip()}): needs root"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Take all space but `leave` bytes."""
    path = disk / "ballast"
    with path.open("wb", buffering=0) as handle, contextlib.suppress(OSError):
        while handle.write(b"x" * 4096):
            pass
    os.truncate(path, max(0, path.stat().st_size - leave))
    return path


def test_a_full_disk_loses_nothing_and_is_said(small_disk: Path) -> None:
    bench = ArchiveBench(small_disk / "lake", number_spec(ArchiveSpec(roll_rows=50)))
    bench.produce(50)
    archiver = bench.archiver()
    bench.turns(archiver)
    assert bench.offsets() == list(range(50))
    ballast = fill(small_disk, leave=0)
    bench.produce(200)
    bench.turns(archiver, 20)
    assert "No space left on device" in archiver.progress.paused
    assert "Free space" in archiver.progress.last_error
    [committed] = bench.broker.admin().group_offsets("eddyline.numbers.archive").values()
    assert committed.offset == 50
    assert bench.leftovers() == []
    ballast.unlink()
    bench.turns(archiver, 150, seconds=1.0)
    assert archiver.progress.paused == ""
    bench.finish(archiver)
    assert bench.offsets() == list(range(250))


def test_a_disk_too_small_for_a_whole_file_takes_smaller_ones(small_disk: Path) -> None:
    bench = ArchiveBench(small_disk / "lake", number_spec(ArchiveSpec(roll_rows=12_000)))
    archiver = bench.archiver()
    log = bench.broker.log(TOPIC)
    for n in range(12_000):
        log.append(OutRecord(TOPIC, str(hash((n, 7)) & 0xFFFFFFFFFFFF).encode()), 0)
    fill(small_disk, leave=80_000)
    bench.turns(archiver, 60, seconds=1.0)
    assert bench.ranges(), "nothing was archived, though a smaller file would have fitted"
    assert bench.ranges()[0][0] == 0
    assert bench.ranges()[0][1] < 12_000
    archiver.close()


def test_starting_on_a_full_disk_waits_too(small_disk: Path) -> None:
    bench = ArchiveBench(small_disk / "lake")
    bench.produce(20)
    ballast = fill(small_disk, leave=0)
    archiver = bench.archiver()
    bench.turns(archiver, 10)
    assert "No space left" in archiver.progress.paused
    ballast.unlink()
    bench.turns(archiver, 100, seconds=1.0)
    bench.finish(archiver)
    assert bench.offsets() == list(range(20))
