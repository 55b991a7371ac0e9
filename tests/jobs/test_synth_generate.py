"""A dataset is published whole and judged, or not at all; what was killed goes on and agrees; requests are linked."""

import errno
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ConfigError, FencedError, StorageUnavailableError
from pipeline.synthesis.gates import Evidence, Judged
from pipeline.synthesis.verify import verify
from tests.pipeline.archive.test_full_disk import fill, small_disk
from tests.pipeline.synthesis.making import Drawing, Workshop, failing, passing

__all__ = ["small_disk"]  # a fixture


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path)
    yield workshop
    workshop.catalogue.close()


def test_a_dataset_has_the_rows_asked_for_and_says_what_it_is(shop: Workshop) -> None:
    request = shop.request(rows=950, seed=7)
    made = shop.make(request)
    assert shop.visible() == [request.dataset_id]
    table = shop.lake.read_synthetic("payments", request.dataset_id)
    assert table.num_rows == 950 == made.manifest["rows"]
    assert table.schema.equals(shop.bundle().schema, check_metadata=True)
    files = sorted(made.places.published.iterdir())
    assert [path.name for path in files] == [f"part-{n:05}.parquet" for n in range(5)]
    for path in files:
        marks = pq.read_metadata(path).metadata
        assert marks[b"origin"] == b"synthetic"
        assert marks[b"dataset"] == request.dataset_id.encode()
        assert set(marks) == {b"origin", b"dataset", b"ARROW:schema"}, "nothing of its lineage lies in data files"
        assert pq.read_metadata(path).row_group(0).column(0).compression == "ZSTD"


def test_the_same_request_gives_the_same_files_and_another_seed_others(shop: Workshop, tmp_path: Path) -> None:
    other = Workshop(tmp_path / "other")
    one, same = shop.make(shop.request(seed=7)), other.make(other.request(seed=7))
    assert one.manifest["files"] == same.manifest["files"]
    assert shop.make(shop.request(seed=8)).manifest["files"] != one.manifest["files"]
    other.catalogue.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.pipeline.synthesis.making import Drawing, Workshop

def dies(samples):
    if samples == 5:
        os.kill(os.getpid(), signal.SIGKILL)

shop = Workshop(Path(sys.argv[1]))
shop.make(shop.request(rows=950, seed=7), generator=Drawing(dies))
"""


def test_a_killed_run_shows_nothing_and_the_next_one_agrees_with_one_that_was_not(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a")], check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    shop, whole = Workshop(tmp_path / "a"), Workshop(tmp_path / "b")
    assert shop.visible() == []
    with pytest.raises(ConfigError, match="no published dataset"):
        shop.lake.read_synthetic("payments", shop.request(rows=950, seed=7).dataset_id)
    generator = Drawing()
    resumed = shop.make(shop.request(rows=950, seed=7), generator=generator)
    assert min(generator.first_rows) == 400, "complete parts are kept"
    assert resumed.manifest["files"] == whole.make(whole.request(rows=950, seed=7)).manifest["files"]
    assert [r.status for r in shop.catalogue.requests("payments")] == ["published", "interrupted"]
    shop.catalogue.close()
    whole.catalogue.close()


def test_parts_that_were_altered_between_two_runs_are_made_again(shop: Workshop) -> None:
    def fails(samples: int) -> None:
        if samples == 6:
            raise ConfigError("stop")

    request = shop.request(rows=950)
    with pytest.raises(ConfigError, match="stop"):
        shop.make(request, generator=Drawing(fails))
    making = shop.lake.places("payments", request.dataset_id).making
    first = making / "part-00000.parquet"
    first.write_bytes(first.read_bytes()[:-1] + b"?")
    (making / "part-00009.parquet").write_bytes(b"left over")
    made = shop.make(request)
    assert verify(made.places, known_sha256=None).problems == ()


def test_failed_gates_publish_nothing_and_keep_the_files_and_the_reason(shop: Workshop) -> None:
    made = shop.make(shop.request(), judged_by=failing)
    assert not made.judged.passed
    assert shop.visible() == []
    assert len(list(made.places.failed.glob("*.parquet"))) == 5
    with pytest.raises(ConfigError, match="no published dataset"):
        shop.lake.read_synthetic("payments", made.places.dataset_id)
    entry = shop.catalogue.dataset(made.places.dataset_id)
    assert (entry.status, entry.reason) == ("failed", "too like the rows learned from")
    [request] = shop.catalogue.requests("payments")
    assert (request.status, request.reason) == ("failed", "too like the rows learned from")
    again = shop.make(shop.request(), judged_by=passing)
    assert shop.visible() == [again.places.dataset_id]


def test_a_judge_that_cannot_measure_publishes_nothing(shop: Workshop) -> None:
    def broken(evidence: Evidence) -> Judged:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shop.make(shop.request(), judged_by=broken)
    assert shop.visible() == []


def test_no_real_rows_no_dataset(shop: Workshop) -> None:
    from pipeline.jobs.synth_generate import synth_generate

    def gone() -> None:
        raise ConfigError("the archive no longer gives the rows: train again")

    generator = Drawing()
    with pytest.raises(ConfigError, match="train again"):
        synth_generate(
            shop.request(),
            bundle=shop.bundle(generator),
            real=gone,  # type: ignore[arg-type]
            lake=shop.lake,
            catalogue=shop.catalogue,
            clock=shop.clock,
            judged_by=passing,
        )
    assert shop.visible() == []
    assert generator.samples == 0, "it is known before rows are made"


def test_who_lost_the_lease_publishes_nothing(shop: Workshop) -> None:
    def fenced() -> None:
        raise FencedError("another instance leads")

    with pytest.raises(FencedError):
        shop.make(shop.request(), before_publishing=fenced)
    assert shop.visible() == []
    shop.make(shop.request())
    assert len(shop.visible()) == 1


def test_two_makers_of_one_dataset_do_not_meet(shop: Workshop) -> None:
    request = shop.request()

    def meanwhile(samples: int) -> None:
        with pytest.raises(ConfigError, match="being made by another process"):
            shop.make(request)

    shop.make(request, generator=Drawing(meanwhile))
    assert [r.status for r in shop.catalogue.requests("payments")] == ["published"]


def test_asking_again_makes_nothing_and_repairs_the_catalogue(shop: Workshop, tmp_path: Path) -> None:
    made = shop.make(shop.request())
    forgetful = Workshop(tmp_path / "restored")
    forgetful.lake = shop.lake
    generator = Drawing()
    again = forgetful.make(forgetful.request(), generator=generator)
    assert (again.made, generator.samples) == (False, 0)
    entry = forgetful.catalogue.dataset(made.places.dataset_id)
    assert entry == shop.catalogue.dataset(made.places.dataset_id)
    forgetful.catalogue.close()


def test_requests_are_linked_to_what_they_follow(shop: Workshop) -> None:
    first = shop.make(shop.request(seed=1), judged_by=failing)
    again = shop.make(shop.request(seed=1))
    named = shop.make(shop.request(seed=2), parent=again.request_id[:8])
    found = {r.request_id: r for r in shop.catalogue.requests("payments")}
    assert found[again.request_id].parent_id == first.request_id
    assert found[named.request_id].parent_id == again.request_id
    assert found[named.request_id].asked["seed"] == 2
    with pytest.raises(ConfigError, match="no request has an id"):
        shop.make(shop.request(seed=3), parent="nobody")


def test_a_full_disk_is_said_shows_nothing_and_goes_on_once_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    shop.lake = type(shop.lake)(small_disk / "lake")
    ballast = fill(small_disk, leave=40_000)
    with pytest.raises(StorageUnavailableError, match="No space left"):
        shop.make(shop.request(rows=4_000))
    assert shop.visible() == []
    assert list(small_disk.rglob("*.tmp")) == []
    [request] = shop.catalogue.requests("payments")
    assert request.status == "error"
    ballast.unlink()
    made = shop.make(shop.request(rows=4_000))
    assert verify(made.places, known_sha256=None).problems == ()
    shop.catalogue.close()


def test_a_disk_that_refuses_the_last_rename_leaves_nothing_half_visible(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*paths: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.synthesis.datasets.os.rename", full)
        with pytest.raises(StorageUnavailableError):
            shop.make(shop.request())
    assert shop.visible() == []
    shop.make(shop.request())
    assert len(shop.visible()) == 1


def test_gates_see_the_files_and_more_of_the_same_where_they_are_few(shop: Workshop) -> None:
    seen: list[Evidence] = []

    def looks(evidence: Evidence) -> Judged:
        seen.append(evidence)
        return passing(evidence)

    made = shop.make(shop.request(rows=300), judged_by=looks)
    rows = shop.lake.read_synthetic("payments", made.places.dataset_id)
    assert seen[0].made.equals(rows)
    assert seen[0].for_fidelity.num_rows == 20_000
    assert seen[0].for_fidelity.slice(0, 300).equals(rows)


def test_conditions_that_are_none_of_its_columns_are_refused_before_anything_is_made(shop: Workshop) -> None:
    asked: list[dict[str, Any]] = [
        {"where": "planet=Mars"},
        {"balance": "planet"},
        {"where": "country>3"},
        {"where": "amount"},
        {"anomalies": "2%:sunburn"},
        {"anomalies": "200%:spike"},
        {"anomalies": "2%:wrong_customer"},
    ]
    for wanted in asked:
        with pytest.raises(ConfigError):
            shop.make(shop.request(**wanted))
    assert not (shop.lake.root / "synthetic").exists()


def test_memory_does_not_grow_with_rows(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0
    written = pq.ParquetWriter.write_table

    def watched(self: object, table: pa.Table, *arguments: object, **more: object) -> None:
        nonlocal most
        most = max(most, table.num_rows)
        written(self, table, *arguments, **more)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", watched)
    shop.make(shop.request(rows=5_000))
    assert most == 100


def test_anomalies_are_labelled_numbered_apart_and_not_judged(shop: Workshop) -> None:
    seen: list[Evidence] = []

    def looks(evidence: Evidence) -> Judged:
        seen.append(evidence)
        return passing(evidence)

    made = shop.make(shop.request(rows=950, anomalies="10%:number"), judged_by=looks)
    rows = shop.lake.read_synthetic("payments", made.places.dataset_id)
    assert rows.num_rows == 950
    labelled = rows.filter(rows["_anomaly"])
    assert labelled.num_rows == made.manifest["anomalies"]["rows"] > 50
    assert labelled["_anomaly_event"].null_count == 0
    assert len(labelled["_anomaly_event"].unique()) == labelled.num_rows, "chunks share no event"
    assert seen[0].made.num_rows == 950 - labelled.num_rows
    assert seen[0].made.column_names == ["amount", "country", "at", "fraud"]
    assert {"_anomaly", "_anomaly_columns"} < {field["name"] for field in made.manifest["schema"]}
