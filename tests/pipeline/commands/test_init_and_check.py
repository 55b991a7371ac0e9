"""From a file or a topic to a checked spec, by commands that say what to do next."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from detectors.columns import Role
from pipeline.commands import main
from pipeline.commands.context import Context
from pipeline.errors import BrokerUnavailableError
from pipeline.kafka.port import OutRecord
from pipeline.yaml_files import read_spec
from tests.fakes import MemoryBroker

EVENTS = [{"amount": float(i), "country": "DE" if i % 2 else "FR", "customer": f"c{i % 9}"} for i in range(300)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> MemoryBroker:
    made = MemoryBroker()
    monkeypatch.setattr(Context, "broker", lambda self: made)
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main.app, list(arguments))


def write(path: Path) -> None:
    table = pa.Table.from_pylist(EVENTS)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        path.write_text("".join(json.dumps(event) + "\n" for event in EVENTS) + "{broken\n")


@pytest.mark.parametrize("name", ["payments.parquet", "payments.csv", "payments.jsonl"])
def test_a_file_becomes_a_spec_that_checks(folder: Path, name: str) -> None:
    write(folder / name)
    done = run("init", "--from", name)
    assert done.exit_code == 0, done.output
    spec, problems = read_spec(folder / "streams/payments.yaml")
    assert problems == ()
    assert spec is not None
    assert spec.column_with(Role.KEY) == "customer"
    assert "eddyline check" in done.output
    assert (folder / "eddyline.yaml").exists()
    checked = run("check", "--offline")
    assert checked.exit_code == 0, checked.output
    assert "good" in checked.output


def test_a_spec_is_not_written_over_unless_asked(folder: Path) -> None:
    write(folder / "payments.csv")
    run("init", "--from", "payments.csv")
    (folder / "streams/payments.yaml").write_text("mine")
    refused = run("init", "--from", "payments.csv")
    assert refused.exit_code == 2
    assert (folder / "streams/payments.yaml").read_text() == "mine"
    assert run("init", "--from", "payments.csv", "--force").exit_code == 0


def test_a_topic_is_sampled_from_its_end_and_nothing_is_committed(folder: Path, broker: MemoryBroker) -> None:
    broker.add_topic("pay.in", 2)
    for event in EVENTS:
        broker.append(OutRecord("pay.in", json.dumps(event).encode(), key=str(event["customer"]).encode()))
    done = run("init", "--from", "pay.in")
    assert done.exit_code == 0, done.output
    spec, _ = read_spec(folder / "streams/pay-in.yaml")
    assert spec is not None
    assert (spec.stream, spec.topic, spec.format.value) == ("pay-in", "pay.in", "json")
    assert all(not group.offsets for group in broker.groups.values())


def test_a_topic_of_arrow_records_is_told_apart(folder: Path, broker: MemoryBroker) -> None:
    broker.add_topic("flows")
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(EVENTS)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    broker.append(OutRecord("flows", sink.getvalue().to_pybytes()))
    assert run("init", "--from", "flows").exit_code == 0
    spec, _ = read_spec(folder / "streams/flows.yaml")
    assert spec is not None
    assert spec.format.value == "arrow"


def test_what_cannot_be_sampled_is_said(folder: Path, broker: MemoryBroker) -> None:
    broker.add_topic("empty")
    assert "no events yet" in run("init", "--from", "empty").output
    assert "neither a file nor a topic" in run("init", "--from", "nothing").output
    assert "there is no file" in run("init", "--from", "gone.parquet").output
    (folder / "bad.jsonl").write_text("[1]\n")
    assert "one event a line" in run("init", "--from", "bad.jsonl").output


def test_check_says_every_error_with_file_and_line_and_exits_with_2(folder: Path) -> None:
    (folder / "eddyline.yaml").write_text("lake: lake\nlakes: x\n")
    assert run("check", "--offline").exit_code == 2
    write(folder / "payments.csv")
    (folder / "eddyline.yaml").write_text("lake: lake\n")
    run("init", "--from", "payments.csv")
    spec = folder / "streams/payments.yaml"
    spec.write_text(spec.read_text().replace("kind: numeric", "kind: numerical").replace("budget:", "budgte:"))
    done = run("check", "--offline")
    assert done.exit_code == 2
    assert "did you mean `numeric`?" in done.output
    assert "did you mean `budget`?" in done.output
    assert "payments.yaml:" in done.output


def test_check_says_which_expectation_is_of_a_column_that_is_not_there(folder: Path) -> None:
    write(folder / "payments.csv")
    run("init", "--from", "payments.csv")
    (folder / "quality").mkdir()
    suite = folder / "quality" / "payments.yaml"
    inferred = "{at: 2026-11-12T00:00:00Z, rows: 10, window_rows: 5, windows: 2}"
    text = f"stream: payments\ninferred: {inferred}\ncolumns:\n  amount:\n    missing: {{most: 0.01}}\n"
    suite.write_text(text)
    assert run("check", "--offline").exit_code == 0
    suite.write_text(text + "  shop:\n    missing: {most: 0.01}\n")
    done = run("check", "--offline")
    assert done.exit_code == 2
    assert "quality/payments.yaml:6: columns.shop: stream 'payments' has no such column" in done.output


def test_check_names_a_detector_that_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = SimpleNamespace(DETECTORS=(SimpleNamespace(name="vae"),))  # the real one takes seconds to import
    monkeypatch.setitem(sys.modules, "detectors.registry", registry)
    write(folder / "payments.csv")
    run("init", "--from", "payments.csv")
    spec = folder / "streams/payments.yaml"
    spec.write_text(spec.read_text() + "detector:\n  name: vea\n")
    done = run("check", "--offline")
    assert done.exit_code == 2
    assert "no detector 'vea'" in done.output


def test_check_says_which_topics_are_missing(folder: Path, broker: MemoryBroker) -> None:
    write(folder / "payments.csv")
    run("init", "--from", "payments.csv")
    done = run("check")
    assert done.exit_code == 0
    assert "the topic payments does not exist" in done.output
    assert "eddyline topics create" in done.output


def test_check_without_a_broker_still_checks_the_rest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: Context) -> None:
        raise BrokerUnavailableError("no broker answers: start one")

    monkeypatch.setattr(Context, "broker", away)
    write(folder / "payments.csv")
    run("init", "--from", "payments.csv")
    done = run("check")
    assert done.exit_code == 0
    assert "topics were not looked at" in done.output


def test_an_error_is_one_message_and_its_exit_status_says_whose_it_is(folder: Path) -> None:
    done = run("check", "--config", "gone.yaml")
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert run("deadletters", "list", "nobody").exit_code == 2


def test_help_is_quick_because_nothing_heavy_is_imported(folder: Path) -> None:
    code = (
        "import sys, pipeline.commands.main as m\n"
        "heavy = {'torch', 'matplotlib', 'sqlalchemy', 'kafka', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 20
