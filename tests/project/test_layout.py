"""The shape of the code, where a drift would not be noticed in one review."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.repository import ROOT, name_of, package_modules

LONGEST_FILE_LINES = 400


@pytest.mark.parametrize("path", package_modules(), ids=name_of)
def test_a_module_has_one_job_and_says_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines < LONGEST_FILE_LINES, f"{name_of(path)} has {lines} lines: split it by what its parts are for"
    if not path.name.startswith("_") or path.name == "__init__.py":
        assert ast.get_docstring(ast.parse(text)), f"{name_of(path)} does not say what it is for"


def test_imports_point_one_way() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.fail("lint-imports is not installed beside this Python: make test installs it")
    command = [str(program), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_test_folder_is_a_package() -> None:
    bare = {
        name_of(path.parent)
        for path in (ROOT / "tests").rglob("test_*.py")
        if not (path.parent / "__init__.py").exists()
    }
    assert not bare, f"no __init__.py in {sorted(bare)}: test files of one name would shadow each other"
