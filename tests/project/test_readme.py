"""The first commands that a reader types exist."""

import re
import subprocess

import pytest

from tests.project.repository import ROOT

TARGETS = ("demo", "test", "check", "bench", "soak", "clean", "help")


def commands_of(markdown: str) -> list[str]:
    """The lines of its `sh` blocks, without prompts, comments and blank lines."""
    blocks = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", markdown, flags=re.MULTILINE | re.DOTALL)
    lines = [line.removeprefix("$ ").strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):.*##", text, flags=re.MULTILINE))


def test_every_target_is_there_and_is_explained() -> None:
    assert set(TARGETS) <= make_targets()
    said = subprocess.run(["make", "help"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert all(f"make {target}" in said for target in TARGETS)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_make_commands_of_a_page_exist(page: str) -> None:
    used = {
        word
        for command in commands_of((ROOT / page).read_text(encoding="utf-8"))
        if command.startswith("make ")
        for word in command.split("#")[0].split()[1:]
        if word.isalpha()
    }
    assert used, f"{page} names no make command"
    assert used <= make_targets()


def test_the_readme_has_the_demo_and_the_test_command_where_the_gate_looks_for_it() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in commands_of(readme)
    after = readme.partition("\n## Test it\n")[2]
    assert commands_of(after)[:1] == ["make test"]
