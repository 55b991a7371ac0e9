"""Model files: what was saved comes back, and anything else is refused with the file's name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.artifacts import DOCUMENT, WEIGHTS, load_state, save_state
from detectors.base import Tensors
from detectors.errors import AlteredArtifactError, ArtifactError, IncompatibleArtifactError

TENSORS: Tensors = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.array([1, 2], dtype=np.int64),
    "c": np.zeros((0, 3)),
}
STATE: dict[str, Any] = {"name": "x", "version": 1, "level": "é", "number": 0.1 + 0.2}


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    save_state(tmp_path / "new" / "folder", TENSORS, STATE)
    tensors, document = load_state(tmp_path / "new" / "folder")
    assert document == STATE
    assert {name: (array.tolist(), array.dtype) for name, array in tensors.items()} == {
        name: (array.tolist(), array.dtype) for name, array in TENSORS.items()
    }
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [DOCUMENT, WEIGHTS]


def test_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    turned = dict(reversed(TENSORS.items()))
    first = save_state(tmp_path / "1", TENSORS, STATE)
    assert first == save_state(tmp_path / "2", turned, dict(reversed(STATE.items())))
    assert first != save_state(tmp_path / "3", {**TENSORS, "a": np.array([1, 3])}, STATE)
    assert first != save_state(tmp_path / "4", TENSORS, {**STATE, "version": 2})
    assert len(first) == 64


@pytest.mark.parametrize("name", [WEIGHTS, DOCUMENT])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_file_cut_short_is_named(tmp_path: Path, name: str, share: float) -> None:
    save_state(tmp_path, TENSORS, STATE)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(AlteredArtifactError, match=name):
        load_state(tmp_path)


@pytest.mark.parametrize("name", [WEIGHTS, DOCUMENT])
def test_any_changed_byte_is_found(tmp_path: Path, name: str) -> None:
    save_state(tmp_path, TENSORS, STATE)
    content = (tmp_path / name).read_bytes()
    for at in range(0, len(content), 7):
        (tmp_path / name).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(ArtifactError, match=name):
            load_state(tmp_path)


@pytest.mark.parametrize("name", [WEIGHTS, DOCUMENT])
def test_an_absent_file_is_named(tmp_path: Path, name: str) -> None:
    save_state(tmp_path, TENSORS, STATE)
    (tmp_path / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        load_state(tmp_path)


def test_another_format_is_refused_as_such(tmp_path: Path) -> None:
    save_state(tmp_path, TENSORS, STATE)
    path = tmp_path / DOCUMENT
    path.write_text(path.read_text().replace('"format":1', '"format":2'))
    with pytest.raises(IncompatibleArtifactError, match="format 2"):
        load_state(tmp_path)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    save_state(tmp_path / "1", TENSORS, STATE)
    save_state(tmp_path / "2", {"a": np.ones(3)}, STATE)
    (tmp_path / "1" / WEIGHTS).write_bytes((tmp_path / "2" / WEIGHTS).read_bytes())
    with pytest.raises(AlteredArtifactError, match=WEIGHTS):
        load_state(tmp_path / "1")


def test_a_document_that_is_not_json_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        save_state(tmp_path, TENSORS, {"bad": float("nan")})
    assert not list(tmp_path.iterdir())
