"""`eddyline recalibrate` as a person runs it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.commands.main import app


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "numbers.yaml").write_text(
        "stream: numbers\ntopic: numbers\ncolumns:\n  - {name: value, kind: numeric, roles: [feature]}\n"
        "budget: {alerts_per_day: 1}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["numbers"], "run `eddyline train numbers` first"),
        (["numbers", "--breadth", "0"], "mend --breadth"),
        (["numbers", "--most-change", "1"], "mend --breadth or --most-change"),
        (["numbers", "--from", "yesterday"], "--from 'yesterday' is not a moment"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(arguments: list[str], says: str) -> None:
    said = CliRunner().invoke(app, ["recalibrate", *arguments])
    assert said.exit_code == 2
    assert says in said.output
