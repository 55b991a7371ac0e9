"""YAML text → plain values that know on which line each of them stands. Safe YAML only: no tags, no code."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Place = tuple[str | int, ...]
"""Names and indices from the top of the document inwards."""
MAX_BYTES = 1_000_000
_MAX_NODES = 50_000
"""Aliases may unfold to far more than a file's size."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing that is wrong, and where; the message says what to do."""

    file: str
    line: int
    """From 1; 0 where it is about the whole file."""
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


@dataclass(slots=True)
class Document:
    """A file's values, the line of each, and what is wrong with the file as YAML."""

    file: str
    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """Whether the file could not be read as YAML at all, so that nothing more can be said about it."""
        return self.value is None and bool(self.problems)

    def blame(self, message: str, place: Place = ()) -> None:
        """Note a problem at a place, or the nearest one around it that the file has."""
        self.problems.append(Problem(file=self.file, line=self.line_of(place), message=message))

    def line_of(self, place: Place) -> int:
        """The line of a value, or of the nearest one around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_document(path: Path) -> Document:
    """Read one file. Never raises: what is wrong is in the document's problems."""
    document = Document(file=str(path))
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_BYTES:
            document.blame(f"{len(raw):,} bytes are no settings file; expected less than {MAX_BYTES:,}")
            return document
        loader = yaml.SafeLoader(raw.decode("utf-8-sig"))
    except OSError as error:
        document.problems.append(Problem(file=document.file, line=0, message=_unreadable(error)))
    except UnicodeDecodeError:
        document.blame("the file is not UTF-8: save it as UTF-8")
    except yaml.YAMLError as error:
        document.blame(f"a character that YAML does not allow ({_first_line(error)}): remove it")
    else:
        _compose(loader, document)
    return document


def _compose(loader: yaml.SafeLoader, document: Document) -> None:
    try:
        node = loader.get_single_node()
        if node is not None:
            document.value = _Reader(loader, document).read(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"not YAML: {error.problem or error.context}"
        if "\\t" in message:
            message += "; indent with spaces, not tabs"
        document.problems.append(Problem(file=document.file, line=mark.line + 1 if mark else 1, message=message))
    except yaml.YAMLError as error:
        document.blame(f"not YAML: {_first_line(error)}")
    except RecursionError:
        document.blame("nested too deep, or an alias within itself: write the values out")
    finally:
        loader.dispose()


class _Reader:
    """Builds one document's values, noting lines and names that stand twice."""

    def __init__(self, loader: yaml.SafeLoader, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._nodes = 0

    def read(self, node: yaml.Node, place: Place) -> Any:
        """The value of a node."""
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise yaml.YAMLError("the file's aliases unfold to too much")
        self._document.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*place, index)) for index, child in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except (ValueError, OverflowError):
            self._document.blame("a value that looks like a date or number and is none: put it in quotes", place)
            return None

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, place)
            line = key_node.start_mark.line + 1
            if key in found:
                first = self._document.lines[(*place, key)]
                message = f"`{key}` stands twice, here and on line {first}: keep one of them"
                self._document.problems.append(Problem(file=self._document.file, line=line, message=message))
                continue
            self._document.lines[(*place, key)] = line
            found[key] = self.read(value_node, (*place, key))
        return found

    def _key(self, node: yaml.Node, place: Place) -> str:
        """Names are text, whatever they look like (`no`, `1`); anything but a scalar is none."""
        if not isinstance(node, yaml.ScalarNode):
            self._document.lines.setdefault((*place, "?"), node.start_mark.line + 1)
            self._document.blame("a list or mapping used as a name: write a plain name before the colon", (*place, "?"))
            return "?"
        return str(node.value)


def _unreadable(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file; `eddyline init --from FILE` writes one"
    return f"cannot be read ({error.strerror}): check its path and permissions"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
