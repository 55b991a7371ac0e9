"""`detector: {name: auto}`: the model in service is the detector chosen, and what goes with it says why."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from detectors import auto
from pipeline.catalogue.catalogue import Catalogue
from pipeline.clock import ManualClock
from pipeline.config import DetectorSpec
from pipeline.demo.payments import SimulationConfig, simulate, stream_spec
from pipeline.jobs.train import TrainOptions, train
from pipeline.model_store import ModelStore
from tests.jobs.archived import Archived


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue.open(f"sqlite:///{tmp_path / 'c.db'}")
    yield opened
    opened.close()


def test_auto_trains_what_it_chose_and_says_why(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "PREFERENCE", ("forest", "pca", "ecod"))  # the VAE takes its time
    events = simulate(SimulationConfig(days=1.5, customers=200, merchants=80))
    partition = pa.array(np.zeros(events.num_rows), pa.int32())
    archived = Archived(events.append_column("_partition", partition).append_column("_time", events["time"]))
    spec = stream_spec().model_copy(update={"detector": DetectorSpec(name="auto")})
    said: list[str] = []
    trained = train(
        spec,
        lake=archived,
        store=ModelStore(tmp_path / "models"),
        catalogue=catalogue,
        clock=ManualClock(),
        options=TrainOptions(),
        report=lambda fraction, text: said.append(text),
    )
    assert trained.choice is not None
    assert trained.bundle.detector.name == trained.choice.chosen
    model = catalogue.model(trained.bundle.model_id)
    assert model.detector == trained.choice.chosen
    assert model.facts["choice"]["reason"] == trained.choice.reason
    assert len(model.facts["choice"]["candidates"]) == 3
    assert "auto: trying ecod" in said
