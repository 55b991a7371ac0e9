"""A bundle comes back as it was saved, or not at all: every altered file is refused by its name."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field, roles_of
from detectors.pca import PcaDetector
from detectors.thresholds import Budget, Threshold, calibrate
from pipeline.errors import ModelError
from pipeline.model_store import Bundle, ModelStore

SCHEMA = pa.schema([make_field(name, Kind.NUMERIC, {Role.FEATURE}) for name in ("a", "b")])
FILES = ("about.json", "bundle.json", "document.json", "schema.arrow", "threshold.json", "weights.safetensors")


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(3)
    a = rng.normal(size=600)
    return pa.table({"a": a, "b": a + rng.normal(scale=0.1, size=600)}, schema=SCHEMA)


@pytest.fixture(scope="module")
def trained(table: pa.Table) -> tuple[PcaDetector, Threshold]:
    detector = PcaDetector(seed=1)
    detector.fit(table)
    scores = detector.score(table.combine_chunks().to_batches()[0])
    return detector, calibrate(scores, budget=Budget(alerts_per_day=None, share_of_events=0.01))


def save(root: Path, trained: tuple[PcaDetector, Threshold], **facts: Any) -> Bundle:
    detector, threshold = trained
    return ModelStore(root).save(
        stream="s", detector=detector, threshold=threshold, schema=SCHEMA, created_ms=5, facts=facts
    )


def test_a_loaded_bundle_scores_and_decides_as_the_saved_one(
    tmp_path: Path, trained: tuple[PcaDetector, Threshold], table: pa.Table
) -> None:
    saved = save(tmp_path, trained, rows=600)
    loaded = ModelStore(tmp_path).load(saved.model_id)
    [batch] = table.combine_chunks().to_batches()
    scores = loaded.detector.score(batch)
    np.testing.assert_array_equal(scores, saved.detector.score(batch))
    np.testing.assert_array_equal(loaded.threshold.flags(scores), saved.threshold.flags(scores))
    assert (loaded.stream, loaded.created_ms, loaded.facts) == ("s", 5, {"rows": 600})
    assert roles_of(loaded.schema.field("a")) == {Role.FEATURE}


def test_the_id_is_the_content(tmp_path: Path, trained: tuple[PcaDetector, Threshold]) -> None:
    one, same, other = save(tmp_path, trained, n=1), save(tmp_path, trained, n=1), save(tmp_path, trained, n=2)
    assert one.model_id == same.model_id != other.model_id
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([one.model_id, other.model_id])


def test_these_are_all_the_files(tmp_path: Path, trained: tuple[PcaDetector, Threshold]) -> None:
    saved = save(tmp_path, trained)
    assert tuple(ModelStore(tmp_path).files(saved.model_id)) == FILES


@pytest.mark.parametrize("damage", ["cut", "changed", "removed"])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_refused_by_name_and_saving_again_mends_it(
    tmp_path: Path, trained: tuple[PcaDetector, Threshold], name: str, damage: str
) -> None:
    saved = save(tmp_path, trained)
    path = tmp_path / saved.model_id / name
    content = path.read_bytes()
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(content[:-10] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(ModelError, match=f"{name}.*restore it"):
        ModelStore(tmp_path).load(saved.model_id)
    save(tmp_path, trained)
    assert ModelStore(tmp_path).load(saved.model_id).model_id == saved.model_id


def test_a_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model abc"):
        ModelStore(tmp_path).load("abc")


@pytest.mark.parametrize(
    ("attribute", "value", "said"), [("version", 99, "by version 99 of the detector pca"), ("name", "gone", "'gone'")]
)
def test_a_bundle_of_another_version_or_an_unknown_detector_is_refused(
    tmp_path: Path,
    trained: tuple[PcaDetector, Threshold],
    monkeypatch: pytest.MonkeyPatch,
    attribute: str,
    value: object,
    said: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PcaDetector, attribute, value)
        saved = save(tmp_path, trained)
    with pytest.raises(ModelError, match=said):
        ModelStore(tmp_path).load(saved.model_id)


def test_facts_that_json_cannot_hold_leave_nothing_behind(
    tmp_path: Path, trained: tuple[PcaDetector, Threshold]
) -> None:
    with pytest.raises(ValueError):
        save(tmp_path, trained, loss=float("nan"))
    assert list(tmp_path.iterdir()) == []
