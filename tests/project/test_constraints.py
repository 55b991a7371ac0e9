"""An install next year brings what was tested, from wherever the machine's own settings point."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.project.repository import ROOT, name_of, repository_files

PIN = re.compile(r"^([a-z0-9]+(?:-[a-z0-9]+)*)==([A-Za-z0-9.!+]+)$")
# Put together here so that this file does not find itself.
ADDRESSES = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "download." + "pytorch.org",
    "repo1." + "maven.org",
    "repo." + "maven.apache.org",
    "index" + "-url",
    "find" + "-links",
    "trusted" + "-host",
]


def pins() -> dict[str, Version]:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    matched = {line: PIN.match(line) for line in lines}
    bad = [line for line, match in matched.items() if match is None]
    assert not bad, f"constraints.txt holds more than name==version: {bad}"
    return {match[1]: Version(match[2]) for match in matched.values() if match is not None}


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return [Requirement(text) for text in [*project["dependencies"], *extras["demo"], *extras["dev"]]]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_what_the_project_asks_for_is_pinned_to_a_version_that_it_accepts(requirement: Requirement) -> None:
    pinned = pins().get(canonicalize_name(requirement.name))
    assert pinned is not None, f"constraints.txt has no {requirement.name}"
    assert requirement.specifier.contains(pinned)
    assert requirement.url is None


def test_what_those_packages_ask_for_is_pinned_too() -> None:
    known = pins()
    waiting = [(r.name, frozenset(r.extras)) for r in requirements()]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            needed = [Requirement(text) for text in distribution(name).requires or []]
        except PackageNotFoundError:
            pytest.skip(f"{name} is not installed here (make test installs everything)")
        for requirement in needed:
            asked = [{"extra": extra} for extra in (extras or {""})]
            if requirement.marker is not None and not any(requirement.marker.evaluate(each) for each in asked):
                continue
            pinned = known.get(canonicalize_name(requirement.name))
            assert pinned is not None, f"constraints.txt has no {requirement.name}, which {name} needs"
            assert requirement.specifier.contains(pinned), f"{name} needs {requirement}, pinned is {pinned}"
            waiting.append((requirement.name, frozenset(requirement.extras)))


def test_no_file_says_where_packages_come_from() -> None:
    found = [
        f"{name_of(path)}: {address}"
        for path in repository_files()
        for address in ADDRESSES
        if address.encode() in path.read_bytes()
    ]
    assert not found
