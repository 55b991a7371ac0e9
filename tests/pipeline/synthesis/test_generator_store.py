"""Generators and checkpoints as files: they come back as they were saved, or not at all."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import kind_of
from pipeline.errors import ModelError, StorageUnavailableError
from pipeline.synthesis.checkpoints import FileCheckpoint
from pipeline.synthesis.generator_store import GeneratorBundle, GeneratorStore
from synth.independent import IndependentGenerator
from tests.pipeline.synthesis.making import drawn

SOURCE = {"name": "payments", "rows": 500}


@pytest.fixture(scope="module")
def fitted() -> IndependentGenerator:
    generator = IndependentGenerator(seed=1)
    generator.fit(drawn(500, seed=1), label="fraud")
    return generator


def save(root: Path, generator: IndependentGenerator, created_ms: int = 5) -> GeneratorBundle:
    return GeneratorStore(root).save(
        stream="payments",
        generator=generator,
        label="fraud",
        source=SOURCE,
        created_ms=created_ms,
        facts={"model": "independent", "split_seed": 3},
    )


def test_a_loaded_generator_makes_the_same_rows_and_knows_where_it_comes_from(
    tmp_path: Path, fitted: IndependentGenerator
) -> None:
    saved = save(tmp_path, fitted)
    loaded = GeneratorStore(tmp_path).load(saved.generator_id)
    assert loaded.generator.sample(50, seed=7).equals(fitted.sample(50, seed=7))
    assert (loaded.stream, loaded.label, loaded.source, loaded.created_ms) == ("payments", "fraud", SOURCE, 5)
    assert [kind_of(field) for field in loaded.schema] == [kind_of(field) for field in fitted.schema]
    assert loaded.lineage()["id"] == saved.generator_id


def test_the_id_is_the_content(tmp_path: Path, fitted: IndependentGenerator) -> None:
    one, same, other = save(tmp_path, fitted), save(tmp_path, fitted), save(tmp_path, fitted, created_ms=6)
    assert one.generator_id == same.generator_id != other.generator_id


@pytest.mark.parametrize("name", ["about.json", "bundle.json", "document.json", "schema.arrow", "weights.safetensors"])
def test_an_altered_file_is_named(tmp_path: Path, fitted: IndependentGenerator, name: str) -> None:
    path = tmp_path / "generators" / save(tmp_path, fitted).generator_id / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match=rf"{name} was altered .*`eddyline synth train"):
        GeneratorStore(tmp_path).load(path.parent.name)


def test_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no generator ffff"):
        GeneratorStore(tmp_path).load("ffff")


# -- checkpoints -----------------------------------------------------------------------------------------------------


def test_what_was_put_down_last_comes_back(tmp_path: Path) -> None:
    checkpoint = FileCheckpoint(tmp_path / "key")
    assert checkpoint.load() is None
    for step in range(3):
        checkpoint.save({"w": np.full(4, step)}, {"step": step})
    found = FileCheckpoint(tmp_path / "key").load()
    assert found is not None
    assert found[0]["w"].tolist() == [2, 2, 2, 2]
    assert found[1] == {"step": 2}
    assert len(list((tmp_path / "key").iterdir())) == 2, "older ones are let go of"
    checkpoint.clear()
    assert checkpoint.load() is None


def test_a_save_that_did_not_end_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = FileCheckpoint(tmp_path / "key")
    checkpoint.save({"w": np.zeros(2)}, {"step": 0})
    replace = os.replace
    for fails_at in range(4):
        calls = 0

        def full(*paths: object, fails_at: int = fails_at) -> None:
            nonlocal calls
            calls += 1
            if calls > fails_at:
                raise OSError(28, "No space left on device")
            replace(*paths)  # type: ignore[arg-type]

        with monkeypatch.context() as patched:
            patched.setattr("os.replace", full)
            patched.setattr("pathlib.os.replace", full)
            if fails_at < 3:
                with pytest.raises(StorageUnavailableError, match="No space left"):
                    checkpoint.save({"w": np.ones(2)}, {"step": 1})
        found = FileCheckpoint(tmp_path / "key").load()
        assert found is not None
        assert found[1] == {"step": 0}


def test_a_damaged_checkpoint_begins_anew(tmp_path: Path) -> None:
    checkpoint = FileCheckpoint(tmp_path / "key")
    checkpoint.save({"w": np.zeros(2)}, {"step": 0})
    [weights] = (tmp_path / "key").rglob("*.safetensors")
    weights.write_bytes(b"cut short")
    assert checkpoint.load() is None
    checkpoint.save({"w": np.zeros(2)}, {"step": 9})
    assert checkpoint.load() is not None


def test_the_schema_of_a_bundle_is_the_tables(fitted: IndependentGenerator) -> None:
    assert fitted.schema.equals(pa.schema(drawn(1, seed=1).schema), check_metadata=True)
