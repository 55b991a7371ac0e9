"""`eddyline models` and `eddyline status` as a person runs them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from detectors.pca import PcaDetector
from detectors.thresholds import Budget, calibrate
from pipeline.catalogue import Catalogue, WorkerBeat
from pipeline.commands.main import app
from pipeline.model_store import ModelStore
from tests.pipeline.archive.bench import number_spec

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "streams").mkdir()
    (tmp_path / "eddyline.yaml").write_text("instance: here\n")
    (tmp_path / "streams" / "numbers.yaml").write_text(
        "stream: numbers\ntopic: numbers\ncolumns:\n  - {name: value, kind: numeric, roles: [feature]}\n"
        "budget: {alerts_per_day: 1}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture
def models(tmp_path: Path, run: Run) -> list[str]:
    """Two models in store and catalogue."""
    catalogue, store = Catalogue.open(f"sqlite:///{tmp_path}/eddyline.db"), ModelStore(tmp_path / "models")
    schema, rng = number_spec().schema(), np.random.default_rng(1)
    ids = []
    for created_ms in (1, 2):
        table = pa.table({"value": rng.normal(size=400)}, schema=schema)
        detector = PcaDetector()
        detector.fit(table)
        scores = detector.score(table.to_batches()[0])
        threshold = calibrate(scores, budget=Budget(alerts_per_day=None, share_of_events=0.01))
        bundle = store.save(
            stream="numbers",
            detector=detector,
            threshold=threshold,
            schema=schema,
            created_ms=created_ms,
            facts={"n": created_ms},
        )
        catalogue.add_model(bundle)
        ids.append(bundle.model_id)
    catalogue.close()
    return ids


def test_a_promoted_model_is_the_champion_with_its_reason(run: Run, models: list[str]) -> None:
    said = run("models", "promote", "numbers", models[0][:8], "--reason", "looks right")
    assert said.exit_code == 0, said.output
    assert f"{models[0]} is the champion of numbers" in said.output
    lines = run("models", "list", "numbers").output.splitlines()
    assert [("champion" in line, model in line) for line, model in zip(lines[1:], models[::-1], strict=True)] == [
        (False, True),
        (True, True),
    ]
    shown = run("models", "show", models[0][:8]).output
    for part in ("looks right", "weights.safetensors", '"n": 1', "in service now"):
        assert part in shown


def test_a_damaged_model_is_not_promoted_and_the_file_is_named(run: Run, models: list[str], tmp_path: Path) -> None:
    run("models", "promote", "numbers", models[0])
    weights = tmp_path / "models" / models[1] / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    said = run("models", "promote", "numbers", models[1])
    assert said.exit_code == 1
    assert "weights.safetensors was altered or cut short" in said.stderr
    catalogue = Catalogue.open(f"sqlite:///{tmp_path}/eddyline.db")
    assert catalogue.champion("numbers") == models[0]
    catalogue.close()


def test_an_unknown_stream_exits_with_the_status_for_settings(run: Run) -> None:
    said = run("models", "list", "nobody")
    assert said.exit_code == 2
    assert "there are numbers" in said.stderr


def test_status_says_what_runs_to_people_and_to_programs(run: Run, tmp_path: Path) -> None:
    assert "nothing runs" in run("status").output
    catalogue = Catalogue.open(f"sqlite:///{tmp_path}/eddyline.db")
    catalogue.heartbeat(
        WorkerBeat(
            worker_id="w", role="archive", stream="numbers", host="h", pid=1, slot=0, started_ms=1, seen_ms=2,
            state={"lag": 4},
        )
    )  # fmt: skip
    catalogue.close()
    assert "STALE" in run("status").output
    [report] = json.loads(run("status", "--json").output)
    assert report["stream"] == "numbers"
    assert report["workers"][0]["lag"] == 4
    assert report["workers"][0]["stale"] is True


def test_every_command_of_this_part_has_an_example(run: Run) -> None:
    for command in (["archive"], ["status"], ["models", "list"], ["models", "show"], ["models", "promote"]):
        assert "Example: eddyline" in run(*command, "--help").output, command
