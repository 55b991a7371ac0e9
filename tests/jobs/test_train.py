"""Training: a bundle that scores, calibrated on rows it never saw, in service unless that was not wanted."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.catalogue.catalogue import Catalogue
from pipeline.clock import ManualClock
from pipeline.config import BudgetSpec
from pipeline.demo.payments import SimulationConfig, simulate, stream_spec
from pipeline.errors import ConfigError
from pipeline.jobs.promise import promised_text
from pipeline.jobs.train import Trained, TrainOptions, score_table, train
from pipeline.model_store import ModelStore
from tests.jobs.archived import Archived

SPEC = stream_spec()


@pytest.fixture(scope="module")
def events() -> pa.Table:
    table = simulate(SimulationConfig(days=4.0, customers=400, merchants=150))
    partition = pa.array(np.zeros(table.num_rows), pa.int32())
    return table.append_column("_partition", partition).append_column("_time", table["time"])


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue.open(f"sqlite:///{tmp_path / 'c.db'}")
    yield opened
    opened.close()


def run(archived: Archived, tmp_path: Path, catalogue: Catalogue, options: TrainOptions | None = None) -> Trained:
    return train(
        SPEC,
        lake=archived,
        store=ModelStore(tmp_path / "models"),
        catalogue=catalogue,
        clock=ManualClock(),
        options=options or TrainOptions(detector="pca"),
    )


def test_a_model_is_saved_put_into_service_and_scores_as_it_was_trained(
    events: pa.Table, tmp_path: Path, catalogue: Catalogue
) -> None:
    archived = Archived(events)
    trained = run(archived, tmp_path, catalogue)
    assert catalogue.champion(SPEC.stream) == trained.bundle.model_id
    assert catalogue.models(SPEC.stream)[0].facts["fit_rows"] == trained.fit_rows
    loaded = ModelStore(tmp_path / "models").load(trained.bundle.model_id)
    np.testing.assert_array_equal(
        score_table(loaded.detector, events.slice(0, 500)), score_table(trained.bundle.detector, events.slice(0, 500))
    )
    assert loaded.threshold.calibration_rows == events.num_rows - trained.fit_rows
    assert loaded.threshold.calibration_rows == pytest.approx(events.num_rows / 4, abs=1)
    assert not any("label" in (columns or []) for columns in archived.asked)


def test_a_second_model_names_the_one_it_replaced_and_an_unwanted_one_does_not_serve(
    events: pa.Table, tmp_path: Path, catalogue: Catalogue
) -> None:
    first = run(Archived(events), tmp_path, catalogue)
    shadow = run(Archived(events), tmp_path, catalogue, TrainOptions(detector="pca", seed=5, promote=False))
    assert catalogue.champion(SPEC.stream) == first.bundle.model_id
    assert shadow.replaced is None
    second = run(Archived(events), tmp_path, catalogue, TrainOptions(detector="pca", end_ms=1_767_800_000_000))
    assert second.replaced == first.bundle.model_id
    assert second.end_ms < 1_767_800_000_000


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (TrainOptions(detector="oracle"), "choose one of"),
        (TrainOptions(end_ms=1), "--from and --to"),
        (TrainOptions(end_ms=1_767_571_200_000 + 8 * 3_600_000), "too few"),
    ],
)
def test_what_cannot_be_trained_says_why(
    events: pa.Table, tmp_path: Path, catalogue: Catalogue, options: TrainOptions, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        run(Archived(events), tmp_path, catalogue, options)
    assert catalogue.champion(SPEC.stream) is None


def test_without_an_archive_the_error_names_the_command(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(ConfigError, match="eddyline archive"):
        run(Archived(None), tmp_path, catalogue)


def test_a_share_of_events_is_told_in_alerts_a_day_too(events: pa.Table, tmp_path: Path, catalogue: Catalogue) -> None:
    spec = SPEC.model_copy(update={"budget": BudgetSpec(share_of_events=0.002)})
    trained = train(
        spec,
        lake=Archived(events),
        store=ModelStore(tmp_path / "models"),
        catalogue=catalogue,
        clock=ManualClock(),
        options=TrainOptions(detector="pca"),
    )
    text = promised_text(trained.bundle.threshold, events_per_day=10_000.0)
    assert "one alert in 500 events" in text
    assert "about 20.0 a day" in text
    unknown_rate = promised_text(trained.bundle.threshold, events_per_day=None)
    assert unknown_rate == "at most one alert in 500 events"
