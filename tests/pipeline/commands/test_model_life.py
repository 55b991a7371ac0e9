"""`eddyline models compare|rollback|history` as a person runs them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.catalogue import Catalogue
from pipeline.commands.main import app
from pipeline.lake import Lake
from pipeline.lifecycle.challenge import challenge
from pipeline.lifecycle.challenger import Asked
from pipeline.lifecycle.records import ROLLED_BACK
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.withdrawal import carry_out, of_node
from pipeline.model_store import ModelStore
from tests.pipeline.lifecycle.making import ArchivedLake, archived, readings, stream_of_readings, working

Run = Callable[..., Result]
SPEC = """stream: readings
topic: readings
columns:
  - {name: time, kind: time, roles: [time], unit: ms}
  - {name: sensor, kind: text, roles: [key]}
  - {name: load, kind: numeric, roles: [feature]}
  - {name: heat, kind: numeric, roles: [feature]}
  - {name: state, kind: categorical, roles: [feature]}
  - {name: odd, kind: boolean, roles: [label]}
budget: {alerts_per_day: 20}
"""


@pytest.fixture(scope="module")
def lake() -> ArchivedLake:
    return archived(readings(3))


@pytest.fixture
def models(tmp_path: Path, lake: ArchivedLake, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A champion and a refused challenger, their archive, and a folder to run commands in."""
    (tmp_path / "streams").mkdir()
    (tmp_path / "eddyline.yaml").write_text("instance: here\n")
    (tmp_path / "streams" / "readings.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.setattr("pipeline.commands.context.Context.lake", lambda self: lake)
    catalogue = Catalogue.open(f"sqlite:///{tmp_path}/eddyline.db")
    work = working(tmp_path, stream_of_readings(), lake, catalogue)
    ids = [challenge(work, Asked(detector="pca", seed=seed)).bundle.model_id for seed in (0, 4)]
    catalogue.close()
    return ids


@pytest.fixture
def run() -> Run:
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_going_back_takes_one_command_and_is_in_the_history_by_name(run: Run, models: list[str]) -> None:
    assert "no model to go back to" in run("models", "rollback", "readings").stderr
    assert run("models", "promote", "readings", models[1], "--reason", "trying it").exit_code == 0
    said = run("models", "rollback", "readings", "--reason", "too loud")
    assert said.exit_code == 0, said.output
    assert f"{models[0]} is the champion of readings in place of {models[1]}" in said.output
    found = json.loads(run("models", "history", "readings", "--json").output)
    assert sorted(one["reason"] for one in found)[-2:] == ["too loud", "trying it"]
    [back] = [one for one in found if one["kind"] == ROLLED_BACK]
    assert (back["model_id"], back["before_id"]) == (models[0], models[1])
    assert back["by"] not in ("", "service")
    listed = run("models", "list", "readings").output.splitlines()
    assert any("champion" in line and models[0] in line and "gone back to" in line for line in listed)
    assert any(models[1] in line and "rolled back" in line for line in listed)
    shown = run("models", "history", "readings").output
    assert "refused" in shown
    assert "not clearly better" in shown or "worse than the champion" in shown


def test_going_back_passes_over_models_that_were_withdrawn_or_damaged(
    run: Run, models: list[str], lake: ArchivedLake, tmp_path: Path
) -> None:
    store, catalogue = ModelStore(tmp_path / "models"), Catalogue.open(f"sqlite:///{tmp_path}/eddyline.db")
    made = working(tmp_path, stream_of_readings(), lake, catalogue)
    damaged, newest = (challenge(made, Asked(detector="pca", seed=seed)).bundle.model_id for seed in (7, 9))
    for model in (models[1], damaged, newest):
        assert run("models", "promote", "readings", model).exit_code == 0
    planned = of_node(catalogue, Lake(tmp_path / "lake"), Node(NodeKind.MODEL, models[1]), "readings")
    carry_out(planned, catalogue=catalogue, lake=Lake(tmp_path / "lake"), reason="wrong events", now_ms=1)
    for name in store.files(damaged):
        next((tmp_path / "models").rglob(f"{damaged}*/{name}")).write_bytes(b"nothing of use")
    said = run("models", "rollback", "readings")
    assert said.exit_code == 0, said.output
    assert f"{models[0]} is the champion of readings in place of {newest}" in said.output
    assert "no model to go back to" in run("models", "rollback", "readings").stderr
    catalogue.close()


def test_models_are_compared_beside_baselines_and_written_down(run: Run, models: list[str], tmp_path: Path) -> None:
    said = run("models", "compare", "readings", models[0][:8], models[1][:8], "--output", "out")
    assert said.exit_code == 0, said.output
    for part in (*models, "forest", "allowed", "anomalies among"):
        assert part in said.output
    document = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert set(document["figures"]) == {*models, "pca", "forest"}
    assert (tmp_path / "out" / "comparison.png").stat().st_size > 10_000


def test_a_challenge_by_hand_is_decided_by_the_same_rules(run: Run, models: list[str]) -> None:
    said = run("train", "readings", "--challenge", "--detector", "pca", "--seed", "7")
    assert said.exit_code == 1
    assert "refused" in said.output
    assert f"champion of readings {models[0]}" not in said.output
    assert "leave --no-promote out" in run("train", "readings", "--challenge", "--no-promote").stderr
