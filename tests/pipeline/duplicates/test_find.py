"""What a report on duplicates says: how many, when and where, what training leaves out of them, and never a value."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.catalogue import Catalogue
from pipeline.clock import ManualClock
from pipeline.commands.context import Context
from pipeline.config import Settings
from pipeline.duplicates import find
from pipeline.duplicates.find import FindOptions, find_in_archive, find_in_dataset
from pipeline.duplicates.job import find_duplicates
from pipeline.duplicates.rows import duplicate_rows
from pipeline.duplicates.slot import archive_slot, dataset_slot
from pipeline.errors import ConfigError
from pipeline.lake import Lake
from pipeline.scheduling.job import JobContext, RunStatus
from tests.pipeline.duplicates.events import HOUR_MS, SPEC, archived, events, retraining, with_copies
from tests.pipeline.synthesis.making import Workshop

START_MS = 1_767_225_600_000
"""Of the events: 2026-01-01."""


@pytest.fixture
def table() -> pa.Table:
    """Two hours of events; of the second hour, forty events again under the same id, ten under another, five near."""
    base = events(720, seconds=10)
    again = with_copies(base, list(range(370, 410)))
    again = with_copies(again, list(range(450, 460)), id=[f"other{n}" for n in range(10)])
    return with_copies(
        again, list(range(500, 505)), id=[f"near{n}" for n in range(5)], amount=[1e6 + n for n in range(5)]
    )


def test_a_report_counts_what_is_there_twice_by_sort_and_by_hour(tmp_path: Path, table: pa.Table) -> None:
    lake = archived(tmp_path, table)
    report = find_in_archive(SPEC, lake)
    assert report.by_id is not None
    assert report.near is not None
    assert (report.by_id.rows, report.by_id.groups, report.by_id.largest) == (40, 40, 2)
    assert (report.by_content.rows, report.other_content, report.exact_rows) == (10, 0, 50)
    assert (report.near.rows, report.near.differing) == (5, {"amount": 5})
    assert report.near.beyond_chance >= 0
    assert report.left_out_rows == 40 == len(duplicate_rows(SPEC, lake).places)
    [hour] = report.hours
    assert (hour.start_ms, hour.rows, hour.exact, hour.near) == (START_MS + HOUR_MS, 415, 50, 5)
    assert report.slot()["left_out_of_training"] == 40


@pytest.mark.parametrize(("policy", "rows"), [("keep", 0), ("exact", 40), ("near", 45)])
def test_what_is_said_to_be_left_out_is_what_training_leaves_out(
    tmp_path: Path, table: pa.Table, policy: str, rows: int
) -> None:
    lake = archived(tmp_path, table)
    spec = SPEC.model_copy(update={"retraining": retraining(policy)})
    assert find_in_archive(spec, lake).left_out_rows == rows == len(duplicate_rows(spec, lake).places)


def test_the_same_again_much_later_is_near_and_still_learned_from(tmp_path: Path) -> None:
    base = events(720, seconds=10)
    times = [moment.as_py() for moment in base["at"]]
    again = with_copies(base, [100, 200], id=["soon", "later"], at=[times[101], times[700]])
    spec = SPEC.model_copy(update={"retraining": retraining("near")})
    report = find_in_archive(spec, archived(tmp_path, again))
    assert report.near is not None
    assert report.near.differing == {"at": 2}
    assert report.left_out_rows == 1 == len(duplicate_rows(spec, Lake(tmp_path)).places)


def test_a_report_has_places_and_no_values(tmp_path: Path, table: pa.Table) -> None:
    document = json.loads(json.dumps(find_in_archive(SPEC, archived(tmp_path, table)).document()))
    known = {column["how"]: column for column in document["examples"]}
    assert set(known) == {"id", "content", "near"}
    assert known["near"]["differs"] == "amount"
    assert known["id"]["row"].keys() == {"partition", "offset", "row", "time_ms"}
    shown = json.dumps(document)
    assert not any(f'"{value}"' in shown for value in ("e0-370", "other0", "near0", "x", "y", "z"))


def test_the_window_asked_for_is_what_is_looked_at(
    tmp_path: Path, table: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = archived(tmp_path, table)
    first = find_in_archive(SPEC, lake, end_ms=START_MS + HOUR_MS)
    assert (first.rows, first.exact_rows, first.hours) == (360, 0, ())
    with pytest.raises(ConfigError, match="widen --from and --to"):
        find_in_archive(SPEC, lake, start_ms=START_MS + 3 * HOUR_MS)
    monkeypatch.setattr(find, "MOST_ROWS", 100)
    with pytest.raises(ConfigError, match="shorten it"):
        find_in_archive(SPEC, lake)


def test_a_dataset_is_looked_at_by_content_alone(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    dataset = shop.make(shop.request(rows=1_000)).places.dataset_id
    report = find_in_dataset(shop.lake, "payments", dataset, options=FindOptions(seed=1))
    assert (report.subject, report.rows, report.by_id, report.left_out_rows) == ("dataset", 1_000, None, 0)
    assert "left_out_of_training" not in (dataset_slot(shop.lake, "payments", dataset) or {})
    with pytest.raises(ConfigError, match="no published dataset"):
        find_in_dataset(shop.lake, "payments", "0" * 16)
    shop.catalogue.close()


def test_the_job_leaves_its_report_and_says_it_in_a_line(tmp_path: Path, table: pa.Table) -> None:
    lake = archived(tmp_path / "lake", table)
    catalogue = Catalogue.open(f"sqlite:///{tmp_path}/c.db")
    settings = Settings(lake=str(lake.root))
    job = JobContext(
        spec=SPEC,
        context=Context(settings=settings, specs={"s": SPEC}),
        catalogue=catalogue,
        clock=ManualClock(),
        run_id="run1",
        report=lambda fraction, text: None,
        fire_ms=START_MS + 2 * HOUR_MS,
        before_publishing=lambda: None,
    )
    outcome = find_duplicates(job, {"window_hours": 1.0})
    assert outcome.status is RunStatus.SUCCEEDED
    assert outcome.result["exact_rows"] == 50
    assert "50 there before exactly" in outcome.reason
    assert json.loads((lake.metadata / "duplicates" / "s" / "run1.json").read_text())["exact_rows"] == 50
    with pytest.raises(ConfigError, match="does not take window_hours"):
        find_duplicates(job, {"window_hours": -1})
    catalogue.close()


def test_a_quality_report_has_a_line_on_them_where_there_are_rows(tmp_path: Path, table: pa.Table) -> None:
    lake = archived(tmp_path, table)
    found = archive_slot(SPEC, lake, start_ms=START_MS, end_ms=START_MS + 2 * HOUR_MS)
    assert found is not None
    assert (found["rows"], found["exact_rows"], found["near_rows"]) == (775, 50, 5)
    assert archive_slot(SPEC, Lake(tmp_path / "none"), start_ms=0, end_ms=1) is None
