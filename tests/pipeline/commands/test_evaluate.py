"""`eddyline evaluate` as a person runs it: on a file, and on a stream's archive with the model in service."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from detectors import auto
from pipeline.commands.main import app
from pipeline.lake import SYSTEM_FIELDS, Lake

Run = Callable[..., Result]
SPEC = """stream: readings
topic: readings
columns:
  - {name: sensor, kind: categorical, roles: [key]}
  - {name: level, kind: numeric, roles: [feature]}
  - {name: flow, kind: numeric, roles: [feature]}
  - {name: broken, kind: boolean, roles: [label]}
budget: {share_of_events: 0.02}
detector: {name: pca}
"""
ROWS = 2_000


def readings() -> dict[str, pa.Array]:
    g = np.random.default_rng(0)
    broken = np.arange(ROWS) % 100 >= 98
    level = g.normal(0, 1, ROWS)
    return {
        "sensor": pa.array([f"s{i}" for i in g.integers(0, 4, ROWS)]),
        "level": pa.array(level),
        "flow": pa.array(level + g.normal(0, 0.1, ROWS) + 3.0 * broken),
        "broken": pa.array(broken),
    }


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "streams").mkdir()
    (tmp_path / "eddyline.yaml").write_text("instance: here\n")
    (tmp_path / "streams" / "readings.yaml").write_text(SPEC)
    pq.write_table(pa.table(readings()), tmp_path / "readings.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture
def archived(run: Run, tmp_path: Path) -> Lake:
    """The readings in the lake, a second apart, as the archiver leaves them."""
    lake = Lake(tmp_path / "lake")
    times = pa.array(1_767_571_200_000 + 1_000 * np.arange(ROWS)).cast(pa.timestamp("ms", tz="UTC"))
    system = {
        "_partition": pa.array(np.zeros(ROWS, np.int32)),
        "_offset": pa.array(np.arange(ROWS)),
        "_row": pa.array(np.zeros(ROWS, np.int32)),
        "_append_time": times,
        "_time": times,
        "_schema_version": pa.array(np.ones(ROWS, np.int32)),
    }
    table = pa.table({**readings(), **system})
    table = table.select([*readings(), *(field.name for field in SYSTEM_FIELDS)])
    path = lake.real("readings") / "t" / "date=2026-01-05" / f"p0-0-{ROWS}.parquet"
    path.parent.mkdir(parents=True)
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"eddyline.schema_version": "1"})
    return lake


def test_a_file_is_evaluated_by_its_labels(run: Run, tmp_path: Path) -> None:
    done = run("evaluate", "readings.parquet", "--label", "broken", "--detector", "pca", "--detector", "ecod")
    assert done.exit_code == 0, done.output
    assert "600 events scored; 1,400 older ones to learn from" in done.output
    assert "12 labelled events" in done.output
    read = json.loads((tmp_path / "evaluations" / "readings" / "evaluation.json").read_text())
    assert [d["name"] for d in read["detectors"]] == ["pca", "ecod"]
    assert read["detectors"][0]["labelled"]["auroc"]["value"] > 0.99
    assert (tmp_path / "evaluations" / "readings" / "evaluation.png").exists()


def test_a_file_under_a_streams_spec_with_injected_anomalies_as_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "PREFERENCE", ("pca", "ecod"))  # the VAE takes its time
    done = run("evaluate", "readings.parquet", "--stream", "readings", "--detector", "auto", "--inject", "--json")
    assert done.exit_code == 0, done.output
    read = json.loads(done.stdout[done.stdout.index("{") :])
    assert read["injected"]
    assert {"point:number", "contextual:columns"} <= {f["family"] for f in read["detectors"][0]["families"]}
    assert read["detectors"][0]["name"].startswith("auto: ")
    assert read["detectors"][0]["why"]


def test_the_champion_of_a_stream_is_evaluated_on_its_archive(run: Run, archived: Lake) -> None:
    before = run("evaluate", "readings")
    assert before.exit_code == 2
    assert "run `eddyline train readings` first" in before.output
    assert run("train", "readings").exit_code == 0
    done = run("evaluate", "readings", "--output", "out")
    assert done.exit_code == 0, done.output
    assert "pca (" in done.output
    assert "flatters" in done.output
    assert "2026-01-05" in done.output
    read = json.loads(Path("out/evaluation.json").read_text())
    assert read["detectors"][0]["labelled"]["auroc"]["value"] > 0.99
    both = run("evaluate", "readings", "--model", read["detectors"][0]["model_id"], "--detector", "ecod", "--inject")
    assert both.exit_code == 0, both.output
    assert "average precision over the families, in service" in both.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing",), "no stream is called 'nothing'"),
        (("nothing.parquet",), "there is no file nothing.parquet"),
        (("readings.parquet", "--from", "2026-01-01"), "a file is taken whole"),
        (("readings",), "is archived: run `eddyline archive readings`"),
        (("readings.parquet", "--label", "broken", "--detector", "oracle"), "choose one of"),
    ],
)
def test_what_cannot_be_evaluated_says_why(run: Run, arguments: tuple[str, ...], says: str) -> None:
    done = run("evaluate", *arguments)
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())
