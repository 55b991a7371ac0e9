"""`eddyline synth` and the replay of a dataset, as a person runs them; gates are stubs here, and tested apart."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from pipeline.commands.context import Context
from pipeline.commands.main import app
from pipeline.synthesis.gates import Evidence, Judged
from tests.fakes import MemoryBroker
from tests.pipeline.synthesis.making import drawn, failing, passing

Run = Callable[..., Result]
SPEC = """
stream: payments
topic: payments.real
columns:
  - {name: amount, kind: numeric, roles: [feature]}
  - {name: country, kind: categorical, roles: [feature]}
  - {name: at, kind: time, roles: [time]}
budget: {alerts_per_day: 1}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "streams").mkdir()
    (tmp_path / "eddyline.yaml").write_text("instance: here\n")
    (tmp_path / "streams" / "payments.yaml").write_text(SPEC)
    pq.write_table(drawn(1_000, seed=3), tmp_path / "sales.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "250")
    judged(monkeypatch, passing)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def judged(monkeypatch: pytest.MonkeyPatch, judge: Callable[[Evidence], Judged]) -> None:
    from pipeline.jobs import synth_generate

    defaults = dict(synth_generate.synth_generate.__kwdefaults__ or {})
    monkeypatch.setattr(synth_generate.synth_generate, "__kwdefaults__", defaults | {"judged_by": judge})


@pytest.fixture
def trained(run: Run) -> Run:
    done = run("synth", "train", "sales.parquet", "--model", "independent", "--label", "fraud", "--budget", "10s")
    assert done.exit_code == 0, done.output
    return run


def dataset(run: Run) -> str:
    """The newest one's id."""
    found: str = json.loads(run("synth", "list", "--json").stdout)["datasets"][0]["dataset_id"]
    return found


def test_from_a_file_to_a_dataset_and_back_out_of_sight(trained: Run, tmp_path: Path) -> None:
    made = trained("synth", "generate", "sales", "--rows", "1_500", "--seed", "7", "--where", "country=BR")
    assert made.exit_code == 0, made.output
    assert "published: 1,500 rows in 1 file" in made.stderr
    name = dataset(trained)
    [part] = (tmp_path / "lake" / "synthetic" / "sales" / name).iterdir()
    assert set(pq.read_table(part)["country"].to_pylist()) == {"BR"}
    shown = trained("synth", "show", name[:6]).stdout
    assert "where country=BR" in shown
    assert "sales.parquet" in shown
    assert json.loads(trained("synth", "show", name, "--json").stdout)["manifest"]["rows"] == 1_500
    assert trained("synth", "verify", name).exit_code == 0
    [asked] = json.loads(trained("synth", "requests", "sales", "--json").stdout)
    assert (asked["dataset_id"], asked["status"]) == (name, "published")
    assert trained("synth", "withdraw", name, "--reason", "no longer wanted").exit_code == 0
    assert "withdrawn" in trained("synth", "list", "sales").stdout
    assert not part.exists()
    again = trained("synth", "generate", "sales", "--rows", "1500", "--seed", "7", "--where", "country=BR")
    assert again.exit_code == 2
    assert "no longer wanted" in again.stderr


def test_the_same_request_and_generator_by_its_id_make_the_same_dataset(trained: Run) -> None:
    trained("synth", "generate", "sales", "--rows", "1e3")
    generator = json.loads(trained("synth", "list", "--json").stdout)["generators"][0]["generator_id"]
    again = trained("synth", "generate", generator[:8], "--rows", "1k")
    assert "was published already" in again.stderr
    assert len(json.loads(trained("synth", "list", "--json").stdout)["datasets"]) == 1


def test_refused_by_its_gates_is_exit_status_1_and_the_reason(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(monkeypatch, failing)
    made = trained("synth", "generate", "sales", "--rows", "500")
    assert made.exit_code == 1
    assert "not published" in made.stderr
    assert "too like the rows learned from" in made.stderr
    assert "too like the rows learned from" in trained("synth", "list").stdout


def test_a_changed_file_is_found_with_exit_status_1(trained: Run, tmp_path: Path) -> None:
    trained("synth", "generate", "sales", "--rows", "500")
    name = dataset(trained)
    [part] = (tmp_path / "lake" / "synthetic" / "sales" / name).iterdir()
    part.write_bytes(part.read_bytes().replace(b"PAR1", b"PAR2", 1))
    found = trained("synth", "verify", name)
    assert found.exit_code == 1
    assert "part-00000.parquet was altered" in found.stdout
    assert json.loads(trained("synth", "verify", name, "--json").stdout)["whole"] is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "nothing.parquet"), "there is no file"),
        (("train", "nothing"), "no stream is called 'nothing'"),
        (("train", "sales.parquet", "--model", "oracle"), "choose one of autoregressive"),
        (("train", "sales.parquet", "--label", "nope"), "no such column"),
        (("train", "sales.parquet", "--budget", "soon"), "--budget 'soon'"),
        (("train", "sales.parquet", "--device", "abacus"), "--device abacus"),
        (("train", "sales.parquet", "--from", "2026-01-01"), "a file is taken whole"),
        (("train", "sales.parquet", "--name", "payments"), "payments is a stream"),
        (("train", "payments", "--name", "x"), "--name is for files"),
        (("train", "payments", "--key", "country"), "leave --key and --time out"),
        (("train", "payments"), "nothing of stream 'payments' is archived"),
        (("generate", "sales", "--rows", "10"), "no generator was trained for 'sales'"),
        (("verify", "ffff"), "no dataset has an id"),
        (("show", "ffff"), "no dataset has an id"),
        (("report", "ffff"), "no dataset has an id"),
        (("withdraw", "ffff", "--reason", "x"), "no dataset has an id"),
        (("withdraw", "ffff", "--reason", " "), "--reason is empty"),
    ],
)
def test_a_wrong_request_is_said_in_a_sentence(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run("synth", *arguments)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--rows", "0"), "--rows '0'"),
        (("--rows", "5", "--where", "planet=Mars"), "no column 'planet'"),
        (("--rows", "5", "--where", "country=XX"), "the conditions cannot be met"),
        (("--rows", "5", "--balance", "planet"), "--balance planet"),
        (("--rows", "5", "--anomalies", "2%:sunburn"), "--anomalies"),
        (("--rows", "5", "--parent", "ffff"), "no request has an id"),
    ],
)
def test_what_cannot_be_made_is_said_and_leaves_nothing(
    trained: Run, tmp_path: Path, asked: tuple[str, ...], said: str
) -> None:
    done = trained("synth", "generate", "sales", *asked)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert list((tmp_path / "lake").rglob("*.parquet")) == []


def test_rows_that_were_learned_from_and_changed_since_are_not_made_more_of(trained: Run, tmp_path: Path) -> None:
    pq.write_table(drawn(1_000, seed=4), tmp_path / "sales.parquet")
    done = trained("synth", "generate", "sales", "--rows", "500")
    assert done.exit_code == 2
    assert "no longer gives the rows" in done.stderr


# -- replay ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> MemoryBroker:
    broker = MemoryBroker()
    monkeypatch.setattr(Context, "broker", lambda self: broker)
    return broker


def test_a_dataset_is_played_into_a_topic_of_its_own_in_order_of_time(trained: Run, broker: MemoryBroker) -> None:
    trained("synth", "generate", "sales", "--rows", "300")
    name = dataset(trained)
    done = trained("replay", name, "--synthetic", "--topic", "sales.synthetic", "--time", "at")
    assert done.exit_code == 0, done.output
    records = broker.topics["sales.synthetic"].logs[0].records
    assert len(records) == 300
    times = [json.loads(record.value or b"")["at"] for record in records]
    assert times == sorted(times)
    assert all(("origin", b"synthetic") in record.headers for record in records)


@pytest.mark.parametrize("topic", [(), ("--topic", "payments.real")])
def test_synthetic_rows_never_go_where_real_events_are_read(
    trained: Run, broker: MemoryBroker, tmp_path: Path, topic: tuple[str, ...]
) -> None:
    trained("synth", "generate", "sales", "--rows", "300")
    name = dataset(trained)
    [part] = (tmp_path / "lake" / "synthetic" / "sales" / name).iterdir()
    for what in ((name, "--synthetic"), (str(part), "--allow-synthetic")):
        done = trained("replay", *what, "--stream", "payments", *topic)
        assert done.exit_code == 2, done.output
        assert "--topic" in done.stderr
    plain = trained("replay", str(part), "--topic", "elsewhere")
    assert "observed events are wanted here" in plain.stderr
    allowed = trained("replay", str(part), "--topic", "elsewhere", "--allow-synthetic")
    assert allowed.exit_code == 0, allowed.output
    assert set(broker.topics) == {"elsewhere"}


def test_every_command_of_this_part_has_an_example(run: Run) -> None:
    for command in ("train", "generate", "report", "list", "show", "requests", "verify", "withdraw"):
        assert "Example: eddyline" in run("synth", command, "--help").output, command
