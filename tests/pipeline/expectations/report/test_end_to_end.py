"""From the archive to the page: expectations inferred, a clean day passed, a spoiled one failed and named."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner, Result

from pipeline.commands.main import app
from pipeline.demo.payments import SimulationConfig, simulate, stream_spec
from pipeline.lake import Lake

DAYS = 10
_DAY_MS = 86_400_000


def archived(lake: Lake, table: pa.Table, *, stream: str) -> int:
    """One file of one partition; the first event's time in milliseconds."""
    times = table["time"].cast(pa.timestamp("ms", "UTC"))
    rows = table.num_rows
    system = {
        "_partition": pa.array(np.zeros(rows), pa.int32()),
        "_offset": pa.array(np.arange(rows)),
        "_row": pa.array(np.zeros(rows), pa.int32()),
        "_append_time": times,
        "_time": times,
        "_schema_version": pa.array(np.ones(rows), pa.int32()),
    }
    for name, values in system.items():
        table = table.append_column(name, values)
    path = Path(lake.real(stream)) / "topic" / "date=2026-01-05" / f"p0-0-{rows}.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    return int(times.cast(pa.int64())[0].as_py())


def spoiled(table: pa.Table, column: str, *, from_ms: int) -> pa.Table:
    """A third of a column's values gone from a moment on."""
    late = np.asarray(table["time"].cast(pa.timestamp("ms", "UTC")).cast(pa.int64())) >= from_ms
    gone = late & (np.random.default_rng(1).random(table.num_rows) < 0.3)
    at = table.column_names.index(column)
    values = pa.array(table[column].to_pylist(), table.schema.field(at).type, mask=gone)
    return table.set_column(at, table.schema.field(at), values)


@pytest.fixture
def first_day_ms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A service's folder with the demo's payments in its archive, the last day without many home countries."""
    spec = stream_spec().model_copy(update={"context": ()})
    table = simulate(SimulationConfig(days=DAYS, customers=700, merchants=150))
    first = int(table["time"].cast(pa.timestamp("ms", "UTC")).cast(pa.int64())[0].as_py())
    first_day = -(-first // _DAY_MS) * _DAY_MS
    table = spoiled(table, "home_country", from_ms=first_day + 8 * _DAY_MS)
    archived(Lake(str(tmp_path / "lake")), table, stream=spec.stream)
    (tmp_path / "streams").mkdir()
    stated: dict[str, Any] = spec.model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "streams" / f"{spec.stream}.yaml").write_text(yaml.safe_dump(stated))
    (tmp_path / "eddyline.yaml").write_text("instance: here\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return first_day


def quality(*words: str) -> Result:
    return CliRunner().invoke(app, ["quality", *words])


def day(first_day_ms: int, at: int) -> str:
    return str(np.datetime64(first_day_ms + at * _DAY_MS, "ms"))


def test_a_clean_day_passes_and_a_spoiled_one_is_failed_named_and_shown(first_day_ms: int, tmp_path: Path) -> None:
    stream = stream_spec().stream
    clean = quality("run", stream, "--from", day(first_day_ms, 7), "--to", day(first_day_ms, 8))
    assert clean.exit_code == 0, clean.output
    assert (tmp_path / "quality" / f"{stream}.yaml").is_file()
    bad = quality("run", stream, "--from", day(first_day_ms, 8), "--to", day(first_day_ms, 9))
    assert bad.exit_code == 1, bad.output
    assert "home_country" in bad.output

    [page] = [line.removeprefix("page: ") for line in bad.output.splitlines() if line.startswith("page: ")]
    html = (tmp_path / page).read_text(encoding="utf-8")
    assert re.search(r"home_country: .*missing", html)
    assert len(re.findall(r'<a class="mark passed"[^>]*href="[0-9a-f]{32}\.html"', html)) == 1
    assert 'id="distributions"' in html
    assert 'id="volume"' in html
    file = next((tmp_path / "lake").rglob("p0-*"))
    customers = set(pq.read_table(file, columns=["customer"])["customer"].to_pylist())
    told = html + (tmp_path / page).with_suffix(".json").read_text(encoding="utf-8")
    assert not [name for name in customers if name in told]
    listed = json.loads(quality("list", stream, "--json").output)
    assert [entry["verdict"] for entry in listed] == ["failed", "passed"]
    assert "home_country" in quality("show", listed[0]["result_id"][:8]).output
