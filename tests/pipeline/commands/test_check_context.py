"""`eddyline check` says what a key's past cannot be kept of, and which keys a topic is not keyed by."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.commands import main
from pipeline.commands.context import Context
from pipeline.kafka.port import OutRecord
from tests.fakes import MemoryBroker

SPEC: dict[str, Any] = {
    "stream": "pay",
    "topic": "pay",
    "columns": [
        {"name": "customer", "kind": "categorical", "roles": ["key"]},
        {"name": "terminal", "kind": "categorical", "integer": True, "roles": ["feature"]},
        {"name": "amount", "kind": "numeric", "roles": ["feature"]},
        {"name": "fraud", "kind": "boolean", "roles": ["label"]},
    ],
    "budget": {"alerts_per_day": 5},
}


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryBroker:
    made = MemoryBroker()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Context, "broker", lambda self: made)
    made.add_topic("pay", 2)
    for n in range(100):
        event = {"customer": f"c{n % 9}", "terminal": n % 4, "amount": 1.5}
        made.append(OutRecord("pay", json.dumps(event).encode(), key=f"c{n % 9}".encode(), partition=n % 9 % 2))
    return made


def check(tmp_path: Path, *arguments: str, **more: Any) -> tuple[int, str]:
    (tmp_path / "streams").mkdir(exist_ok=True)
    (tmp_path / "streams" / "pay.yaml").write_text(yaml.safe_dump(SPEC | more))
    done = CliRunner().invoke(main.app, ["check", *arguments])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"context": [{"key": "nobody"}]}, "context[0].key names the column 'nobody', which the stream does not have"),
        ({"context": [{"key": "customer", "numeric": ["terminal"]}]}, "'terminal', which is categorical"),
        ({"context": [{"key": "customer", "categorical": ["fraud"]}]}, "detectors never read labels"),
        ({"context": [{"key": "customer"}, {"key": ["customer"]}]}, "two contexts have the key customer"),
        ({"context": [{"key": "customer", "half_lives_seconds": [60, 5]}]}, "must ascend"),
        ({"context": [{"key": "customer", "measures": ["cuont"]}]}, "no measure 'cuont'"),
        ({"context": [{"key": "customer", "repartition": True}]}, "customer is the stream's own key"),
        ({"context": [{"key": "terminal", "repartition": True, "measures": ["x"]}]}, "no measure 'x'"),
        ({"windows": {"metrics": ["customer"]}}, "windows.metrics names 'customer', which is categorical"),
        ({"windows": {"length": 3}}, "windows.length"),
    ],
)
def test_what_cannot_be_derived_is_an_error(
    tmp_path: Path, broker: MemoryBroker, more: dict[str, Any], says: str
) -> None:
    status, output = check(tmp_path, "--offline", **more)
    assert status == 2
    assert says in output
    assert "pay.yaml" in output


def test_a_key_that_the_topic_is_not_keyed_by_is_noted(tmp_path: Path, broker: MemoryBroker) -> None:
    status, output = check(tmp_path, context=[{"key": "customer"}, {"key": "terminal"}])
    assert status == 0, output
    assert "of 100 events looked at, 0 have terminal as their record's key" in output
    assert "a repartition step" in output
    assert "have customer as their record's key" not in output
    offline = check(tmp_path, "--offline", context=[{"key": "customer"}, {"key": "terminal"}])[1]
    assert "what is remembered of terminal is kept in each partition by itself" in offline
    assert "what is remembered of customer" not in offline


def test_a_repartition_step_answers_the_note_and_is_told_how_to_run(tmp_path: Path, broker: MemoryBroker) -> None:
    context = [{"key": "customer"}, {"key": "terminal", "repartition": True}]
    status, output = check(tmp_path, context=context)
    assert status == 0, output
    assert "the context of terminal is derived by `eddyline repartition pay`" in output
    assert "what is remembered of terminal" not in output
    assert "6 of eddyline's own topics are missing: `eddyline topics create`" in output
    made = CliRunner().invoke(main.app, ["topics", "create", "pay"])
    assert made.exit_code == 0, made.output
    partitions = {name: len(topic.logs) for name, topic in broker.topics.items()}
    assert partitions["eddyline.pay.by.terminal"] == partitions["eddyline.pay.joined"] == partitions["pay"] == 2
    assert partitions["eddyline.pay.scores"] == 2
    assert "are missing" not in check(tmp_path, context=context)[1]
    listed = CliRunner().invoke(main.app, ["topics", "list", "pay"]).output
    assert "eddyline.pay.by.terminal" in listed


def test_nothing_is_said_of_streams_without_a_past(tmp_path: Path, broker: MemoryBroker) -> None:
    assert "remembered" not in check(tmp_path)[1]
