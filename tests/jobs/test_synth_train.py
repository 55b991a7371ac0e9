"""Training a generator: what was held out was never seen, a killed run goes on, lineage is kept."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detectors.base import Tensors
from pipeline.catalogue import Catalogue
from pipeline.clock import ManualClock
from pipeline.errors import ConfigError
from pipeline.jobs import synth_train as job
from pipeline.jobs.synth_train import SynthTrained, SynthTrainOptions, checkpoint_key, known, synth_train
from pipeline.lake import Lake
from pipeline.synthesis.columns import Roles
from pipeline.synthesis.generator_store import GeneratorStore
from pipeline.synthesis.source import SourceRequest, SourceRows, read_again, read_source
from pipeline.synthesis.split import halves
from synth.base import Checkpoint, FitReport, Generator, Progress
from synth.conditions import Conditions
from tests.pipeline.synthesis.making import drawn


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue.open(f"sqlite:///{tmp_path}/eddyline.db")
    yield opened
    opened.close()


@pytest.fixture
def source(tmp_path: Path) -> SourceRows:
    path = tmp_path / "payments.parquet"
    pq.write_table(drawn(1_000, seed=3), path)
    request = SourceRequest(name="payments", file=str(path), roles=Roles(label="fraud"))
    return read_source(request, lake=Lake(tmp_path / "lake"), spec=None)


def train(tmp_path: Path, source: SourceRows, catalogue: Catalogue, model: str = "independent") -> SynthTrained:
    return synth_train(
        source,
        stream="payments",
        options=SynthTrainOptions(model=model, seed=4, budget_seconds=20.0),
        store=GeneratorStore(tmp_path / "models"),
        catalogue=catalogue,
        clock=ManualClock(),
    )


class Steps(Generator):
    """A fit of ten steps that dies at one of them, and goes on from its checkpoint."""

    name: ClassVar[str] = "steps"
    version: ClassVar[int] = 1
    dies_at: ClassVar[int | None] = None
    seen: ClassVar[list[pa.Table]] = []
    steps: ClassVar[list[int]] = []

    def fit(
        self,
        table: pa.Table,
        *,
        label: str | None = None,
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> FitReport:
        assert checkpoint is not None
        self.seen.append(table)
        saved = checkpoint.load()
        first = 0 if saved is None else int(saved[1]["step"])
        for step in range(first, 10):
            if step == self.dies_at:
                raise KeyboardInterrupt
            self.steps.append(step)
            checkpoint.save({}, {"step": step + 1})
        return FitReport(
            rows=table.num_rows, seconds=0.0, cpu_seconds=0.0, epochs=1.0, steps=10, stopped_because="done",
            resumed=saved is not None, figures={"nats": math.nan},
        )  # fmt: skip

    def sample(self, rows: int, *, seed: int, conditions: Conditions | None = None, first_row: int = 0) -> pa.Table:
        return drawn(rows, seed=seed)

    @property
    def schema(self) -> pa.Schema:
        return self.seen[-1].schema

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        return {}, {}

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        return cls()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], type[Steps]]:
    Steps.seen, Steps.steps = [], []
    monkeypatch.setattr(job, "new_generator", lambda *arguments, **more: Steps())

    def dying_at(step: int | None) -> type[Steps]:
        Steps.dies_at = step
        return Steps

    return dying_at


def test_held_out_rows_are_never_shown_and_found_again_later(
    tmp_path: Path, source: SourceRows, catalogue: Catalogue, steps: Callable[[int | None], type[Steps]]
) -> None:
    seen = steps(None).seen
    trained = train(tmp_path, source, catalogue)
    again = halves(
        read_again(trained.bundle.source, lake=Lake(tmp_path / "lake")), seed=trained.bundle.facts["split_seed"]
    )
    assert seen[0].equals(again.train)
    shown = set(seen[0]["amount"].to_pylist())
    assert not shown & set(again.held_out["amount"].to_pylist())
    assert (seen[0].num_rows, again.held_out.num_rows) == (800, 200)


def test_a_run_that_was_killed_goes_on_and_one_that_ended_leaves_nothing(
    tmp_path: Path, source: SourceRows, catalogue: Catalogue, steps: Callable[[int | None], type[Steps]]
) -> None:
    steps(6)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, source, catalogue)
    assert catalogue.generators() == []
    steps(None)
    trained = train(tmp_path, source, catalogue)
    assert Steps.steps == list(range(10)), "no step twice"
    assert trained.report.resumed
    assert list((tmp_path / "models" / "generators" / "checkpoints").iterdir()) == []


def test_another_seed_budget_label_or_source_is_another_training(source: SourceRows) -> None:
    options = SynthTrainOptions()
    keys = {
        checkpoint_key(source, options, 1),
        checkpoint_key(source, replace(options, seed=1), 1),
        checkpoint_key(source, replace(options, budget_seconds=1.0), 1),
        checkpoint_key(source, replace(options, model="vae"), 1),
        checkpoint_key(source, options, 2),
        checkpoint_key(replace(source, label=None), options, 1),
        checkpoint_key(replace(source, document=source.document | {"fingerprint": "x"}), options, 1),
    }
    assert len(keys) == 7
    assert checkpoint_key(source, replace(options), 1) in keys


def test_a_real_generator_is_kept_with_its_lineage_and_a_first_look(
    tmp_path: Path, source: SourceRows, catalogue: Catalogue
) -> None:
    trained = train(tmp_path, source, catalogue)
    loaded = GeneratorStore(tmp_path / "models").load(trained.bundle.generator_id)
    assert loaded.generator.sample(20, seed=1).num_rows == 20
    [entry] = catalogue.generators("payments")
    assert entry.generator_id == loaded.generator_id
    assert entry.source["fingerprint"] == source.document["fingerprint"]
    assert entry.source["files"][0]["sha256"]
    assert trained.quality is not None
    assert trained.quality.rows == 200
    assert trained.quality.shape > 0.8


def test_an_unknown_model_is_refused_with_those_there_are(
    tmp_path: Path, source: SourceRows, catalogue: Catalogue
) -> None:
    with pytest.raises(ConfigError, match=r"--model: .*autoregressive"):
        train(tmp_path, source, catalogue, model="oracle")


def test_figures_that_are_not_known_are_null_in_json() -> None:
    assert known({"a": math.nan, "b": [1.0, math.inf], "c": "x"}) == {"a": None, "b": [1.0, None], "c": "x"}
