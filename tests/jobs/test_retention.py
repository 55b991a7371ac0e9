"""Retention deletes what a spec keeps no longer, and nothing that something in service is or came from."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from pipeline.bundles import MANIFEST
from pipeline.catalogue import Catalogue, JobRunEntry, LineageEdge, QualityEntry
from pipeline.catalogue.tables import ModelRow
from pipeline.clock import ManualClock
from pipeline.commands.context import Context
from pipeline.config import Settings, StreamSpec
from pipeline.errors import LeaseLostError
from pipeline.jobs.retention import retention
from pipeline.lake import Lake
from pipeline.scheduling.job import JobContext, JobOutcome
from tests.pipeline.lake.test_reader import write
from tests.scheduling.service import SPEC

DAY_MS = 86_400_000
NOW_MS = time.time_ns() // 1_000_000
HOLD_MS = 40 * DAY_MS


@dataclass
class Place:
    """A stream `s` with a lake, models and a catalogue."""

    folder: Path
    catalogue: Catalogue

    @property
    def lake(self) -> Lake:
        return Lake(self.folder / "lake")

    def retain(self, fence: Callable[[], None] = lambda: None, **kept: Any) -> JobOutcome:
        spec = StreamSpec.model_validate(SPEC | {"stream": "s", "retention": kept})
        settings = Settings(
            lake=str(self.folder / "lake"),
            models=str(self.folder / "models"),
            scheduler={"reports": str(self.folder / "reports")},  # type: ignore[arg-type]
        )
        job = JobContext(
            spec=spec,
            context=Context(settings=settings, specs={"s": spec}),
            catalogue=self.catalogue,
            clock=ManualClock(NOW_MS),
            run_id="r",
            report=lambda fraction, doing: None,
            before_publishing=fence,
        )
        return retention(job, {})

    def archived(self, days_ago: float, first: int) -> Path:
        """A file of ten rows appended so long ago, in the folder of its day."""
        start = NOW_MS - round(days_ago * DAY_MS)
        path = write(self.lake, [start + n for n in range(10)], first=first)
        folder = path.parent.parent / time.strftime("date=%Y-%m-%d", time.gmtime(start / 1000))
        folder.mkdir(exist_ok=True)
        return path.rename(folder / path.name)

    def model(self, model_id: str, days_ago: float) -> Path:
        """A model with files, known to the catalogue."""
        row = {"model_id": model_id, "stream": "s", "detector": "d", "created_ms": NOW_MS - round(days_ago * DAY_MS)}
        with self.catalogue._writing() as connection:
            connection.execute(insert(ModelRow).values(**row, threshold_nats=1.0, facts={}))
        folder = self.folder / "models" / model_id
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_text("{}")
        return folder

    def came_from(self, model_id: str, start_days: float, end_days: float) -> None:
        """The model was trained on the days between."""
        span = {"start_ms": NOW_MS - round(start_days * DAY_MS), "end_ms": NOW_MS - round(end_days * DAY_MS)}
        edge = LineageEdge(
            parent_kind="window", parent_id=f"w-{model_id}", child_kind="model", child_id=model_id, stream="s",
            made_ms=1, facts={**span, "stream": "s"},
        )  # fmt: skip
        self.catalogue.add_edges([edge])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'c.db'}")
    yield Place(tmp_path, catalogue)
    catalogue.close()


def test_old_archive_files_go_and_the_newest_of_a_partition_stays(place: Place) -> None:
    old, young = place.archived(50, 0), place.archived(5, 10)
    place.archived(1, 20)
    assert place.retain(archive_days=30).result["archive files"] == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert not old.parent.exists()
    only = place.archived(90, 30)
    assert place.retain(archive_days=30).result["archive files"] == 0
    assert only.exists(), "the archiver may still need its newest file"


def test_a_file_that_spans_weeks_goes_by_its_newest_row(place: Place) -> None:
    long_ago, lately = NOW_MS - 60 * DAY_MS, NOW_MS - DAY_MS
    path = write(place.lake, [long_ago, lately], first=0)
    write(place.lake, [lately], first=2)
    assert place.retain(archive_days=30).result["archive files"] == 0
    assert path.exists()


def test_what_the_champion_and_the_one_before_learned_from_stays(place: Place) -> None:
    files = {days: place.archived(days, first) for first, days in ((0, 90), (10, 80), (20, 70), (30, 60), (40, 1))}
    for model_id, days in (("aaaa", 90), ("bbbb", 80), ("cccc", 70)):
        place.model(model_id, days)
        place.came_from(model_id, days + 0.5, days - 0.5)
        place.catalogue.set_champion("s", model_id, "better", 1)
    place.retain(archive_days=30)
    assert {days for days, path in files.items() if path.exists()} == {80, 70, 1}


def test_models_stay_that_are_new_or_in_service_or_the_origin_of_one(place: Place) -> None:
    ids = ["origin", "unused", "before", "champion", "loser", "newest"]
    folders = {model_id: place.model(model_id, 50 - number) for number, model_id in enumerate(ids)}
    for model_id in ("before", "champion"):
        place.catalogue.set_champion("s", model_id, "better", 1)
    edge = LineageEdge(
        parent_kind="model", parent_id="origin", child_kind="model", child_id="champion", stream="s", made_ms=1
    )
    place.catalogue.add_edges([edge])
    assert place.retain(models=1).result["models"] == 2
    assert {model_id for model_id, folder in folders.items() if folder.exists()} == set(ids) - {"unused", "loser"}
    assert place.retain(models=1).result["models"] == 0
    assert len(place.catalogue.models("s")) == 6, "the records of models stay"


def test_old_records_go_and_what_has_not_ended_stays(place: Place) -> None:
    for number, (status, days) in enumerate([("succeeded", 50), ("queued", 50), ("running", 50), ("failed", 1)]):
        entry = JobRunEntry(
            run_id=f"r{number}", stream="s", job=f"j{number}", kind="retention", status=status,
            fire_ms=NOW_MS - days * DAY_MS,
        )  # fmt: skip
        place.catalogue.add_run(entry)
    place.catalogue.add_quality(
        QualityEntry(
            result_id="q",
            stream="s",
            subject="archive",
            verdict="passed",
            evaluated=1,
            failed=0,
            created_ms=NOW_MS - HOLD_MS,
        )
    )
    assert place.retain(history_days=30).result["records"] == 2
    assert {run.run_id for run in place.catalogue.runs("s")} == {"r1", "r2", "r3"}
    assert place.catalogue.quality_results("s") == []


def test_what_dead_processes_left_behind_goes_after_a_week(place: Place) -> None:
    making = place.lake.synthetic / "s" / "_making"
    dead, alive = making / "0123456789abcdef", making / "fedcba9876543210"
    bundle = place.folder / "models" / ".dead.tmp"
    for folder in (dead, alive, bundle):
        folder.mkdir(parents=True)
        (folder / "part").write_text("rows")
    for folder in (dead, bundle):
        for path in (folder / "part", folder):
            os.utime(path, (NOW_MS / 1000 - 10 * 86_400,) * 2)
    result = place.retain().result
    assert (result["unfinished datasets"], result["unfinished bundles"]) == (1, 1)
    assert [folder.exists() for folder in (dead, alive, bundle)] == [False, True, False]


def test_who_lost_the_lease_deletes_nothing(place: Place) -> None:
    def lost() -> None:
        raise LeaseLostError("another leads")

    old = place.archived(50, 0)
    place.archived(1, 10)
    with pytest.raises(LeaseLostError):
        place.retain(lost, archive_days=30)
    assert old.exists()


def test_by_default_the_archive_and_models_are_kept_for_good(place: Place) -> None:
    old, model = place.archived(5000, 0), place.model("m", 5000)
    place.archived(1, 10)
    outcome = place.retain()
    assert old.exists()
    assert model.exists()
    assert outcome.reason == "nothing to delete"
