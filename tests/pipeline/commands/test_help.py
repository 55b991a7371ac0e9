"""`--help` of every command: quick, since it loads nothing heavy, and with an example."""

import re
import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pipeline.commands.main import COMMANDS, app

HEAVY = ("kafka", "numpy", "pandas", "pyarrow", "pydantic", "scipy", "sqlalchemy", "torch", "yaml")


def command_paths() -> list[tuple[str, ...]]:
    """Every command, those of groups by both names."""
    found: list[tuple[str, ...]] = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found += [(name, sub) for sub in inner] if inner else [(name,)]
    return found


def test_the_commands_load_nothing_heavy_before_they_run() -> None:
    code = f"import sys, pipeline.commands.main; print(*(n for n in {HEAVY!r} if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [], "imported before any command runs: import it inside the function that needs it"


def test_every_module_adds_a_command() -> None:
    assert {path[0] for path in command_paths()} == set(COMMANDS)


@pytest.mark.parametrize("path", command_paths(), ids=" ".join)
def test_help_gives_an_example_that_names_the_command(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert shown.exit_code == 0, shown.output
    assert re.search(rf"Example: eddyline {' '.join(path)}\b", shown.output), shown.output
