"""`quality/<stream>.yaml`: read with every problem by file and line, written for people to read and edit."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectors.columns import Kind
from pipeline.config import Settings, StreamSpec
from pipeline.config.columns import ColumnSpec
from pipeline.errors import ConfigError
from pipeline.expectations.asked import edited_entries
from pipeline.expectations.suite import ColumnSuite, Entry, Suite
from pipeline.lake.durable import write_atomic
from pipeline.yaml_nodes import Document, Place, Problem, read_document
from pipeline.yaml_problems import validated

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}
_WIDTH = 110
_NUMBERS = frozenset({Kind.NUMERIC, Kind.CATEGORICAL, Kind.BOOLEAN})
_FITS: dict[str, frozenset[Kind]] = {
    "limits": _NUMBERS - {Kind.BOOLEAN},
    "quantiles": _NUMBERS - {Kind.BOOLEAN},
    "zeros": _NUMBERS - {Kind.BOOLEAN},
    "true": frozenset({Kind.BOOLEAN}),
    "levels": frozenset({Kind.CATEGORICAL, Kind.TEXT, Kind.BOOLEAN}),
    "lengths": frozenset({Kind.CATEGORICAL, Kind.TEXT}),
}
"""Which kinds of columns an expectation can be asked of, where not of all."""


def suite_path(settings: Settings, stream: str) -> Path:
    """Where a stream's suite lies."""
    return Path(settings.quality) / f"{stream}.yaml"


def read_suite(path: Path, spec: StreamSpec) -> tuple[Suite | None, tuple[Problem, ...]]:
    """The suite, and all that is wrong with its file: unknown kinds, wrong ranges, columns that the stream lacks."""
    document = read_document(path)
    suite = None if document.broken else validated(Suite, document)
    if suite is not None:
        _check(suite, spec, document)
    return suite, tuple(sorted(document.problems))


def usable_suite(path: Path, spec: StreamSpec) -> Suite | None:
    """The suite; None where there is no file. Raises ConfigError with every problem, one a line."""
    if not path.exists():
        return None
    suite, problems = read_suite(path, spec)
    if problems or suite is None:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigError(
            f"the expectations on {spec.stream} have errors:\n{listed}\nmend these and run `eddyline check`"
        )
    return suite


def write_suite(path: Path, suite: Suite, comments: Mapping[str, str]) -> None:
    """Replace the file. Raises StorageUnavailableError."""
    write_atomic(path, suite_yaml(suite, comments).encode())


def suite_yaml(suite: Suite, comments: Mapping[str, str]) -> str:
    """The file's text; the same suite always gives the same."""
    edited = edited_entries(suite)
    said = {name: f"{text}; " if (text := comments.get(name, "")) and name in edited else text for name in comments}
    said |= {name: f"{said.get(name, '')}edited by hand" for name in edited}
    facts = suite.inferred.model_dump(mode="json", exclude_none=True)
    lines = [*_HEAD, f"stream: {_text(suite.stream)}", "", "inferred:"]
    lines += [f"  {name}: {_flow(value)}" for name, value in facts.items()]
    for part in ("rows", "keys"):
        entries = [(name, entry) for name, entry in getattr(suite, part) if entry is not None]
        if entries:
            lines += ["", f"{part}:"]
            lines += [line for name, e in entries for line in _entry(name, e, 2, said.get(f"{part}.{name}", ""))]
    if suite.columns:
        lines += ["", "columns:"]
        for column, of_column in suite.columns.items():
            lines += _column(column, of_column, said)
    if suite.relations:
        lines += ["", "relations:"]
        for one in suite.relations:
            fields = _flow(one.model_dump(mode="json", exclude_defaults=True))
            lines.append(_said(f"  - {fields}", said.get(f"relations.{one.smaller}<{one.larger}", "")))
    lines += ["", *_TAIL, "as_inferred:"]
    lines += [f"  {_text(name)}: {json.dumps(digest)}" for name, digest in suite.as_inferred.items()]
    return "\n".join(lines) + "\n"


def _column(column: str, entries: ColumnSuite, said: Mapping[str, str]) -> list[str]:
    lines = [f"  {_text(column)}:"]
    for name, entry in entries:
        if entry is not None:
            lines += _entry(name, entry, 4, said.get(f"columns.{column}.{name}", ""))
    return lines if len(lines) > 1 else [f"  {_text(column)}: {{}}"]


def _entry(name: str, entry: Entry | str, indent: int, comment: str) -> list[str]:
    """An entry on one line where it fits, else a line for each of its fields."""
    space = " " * indent
    if isinstance(entry, str):
        return [_said(f"{space}{name}: {_text(entry)}", comment)]
    fields = entry.model_dump(mode="json", exclude_defaults=True)
    line = f"{space}{name}: {_flow(fields)}"
    if len(line) <= _WIDTH:
        return [_said(line, comment)]
    lines = [_said(f"{space}{name}:", comment)]
    for field, value in fields.items():
        lines += _wrapped(f"{space}  {field}: ", value)
    return lines


def _wrapped(start: str, value: Any) -> list[str]:
    """A field; a long list or mapping in lines of about the same length."""
    whole = start + _flow(value)
    if len(whole) <= _WIDTH or not isinstance(value, list | dict):
        return [whole]
    is_list = isinstance(value, list)
    items = (
        [f"{_text(k)}: {_flow(v)}" for k, v in value.items()] if isinstance(value, dict) else list(map(_flow, value))
    )
    opening, closing = "[]" if is_list else "{}"
    space = " " * (len(start) - len(start.lstrip()) + 2)
    lines, line = [start + opening], space
    for number, item in enumerate(items):
        full = len(line) > _WIDTH - 30 or (is_list and number and number % 24 == 0)
        if full and line.strip():
            lines, line = [*lines, line.rstrip()], space
        line += f"{item}, " if number < len(items) - 1 else item
    return [*lines, line, f"{space[:-2]}{closing}"]


def _said(line: str, comment: str) -> str:
    return f"{line}  # {_one_line(comment)}" if comment else line


def _flow(value: Any) -> str:
    """A value in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(str(name))}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return _number(float(value))
    return _text(value)


def _number(value: float) -> str:
    """As YAML 1.1 reads it back: without an exponent that lacks its point or sign."""
    if value == int(value) and abs(value) < 1e16:
        return str(int(value))
    text = repr(value)
    if "e" in text:
        mantissa, _, exponent = text.partition("e")
        text = f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent):+03d}"
    return text


def _text(value: str) -> str:
    """A YAML scalar that is read back as this text."""
    plain = _PLAIN.fullmatch(value) is not None and value.lower() not in _NOT_TEXT
    return value if plain else json.dumps(value)


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:_WIDTH]


def _check(suite: Suite, spec: StreamSpec, document: Document) -> None:
    """What the model cannot say of itself: whether the suite fits the stream."""
    if suite.stream != spec.stream:
        document.blame(f"stream: {suite.stream!r} is stated, the file is for {spec.stream!r}", ("stream",))
    columns = {column.name: column for column in spec.columns}
    for name, entries in suite.columns.items():
        if name not in columns:
            known = ", ".join(columns)
            document.blame(
                f"columns.{name}: stream {spec.stream!r} has no such column; it has {known}", ("columns", name)
            )
            continue
        _check_column(columns[name], entries, document)
    for number, relation in enumerate(suite.relations):
        for side in ("smaller", "larger"):
            place: Place = ("relations", number, side)
            named = getattr(relation, side)
            if named not in columns:
                document.blame(f"relations.{number}.{side}: stream {spec.stream!r} has no column {named!r}", place)
            elif columns[named].kind is not Kind.NUMERIC:
                document.blame(f"relations.{number}.{side}: {named!r} is no number: name a numeric column", place)


def _check_column(column: ColumnSpec, entries: ColumnSuite, document: Document) -> None:
    for name, entry in entries:
        fitting = _FITS.get(name)
        if entry is None or fitting is None or column.kind in fitting:
            continue
        kinds = ", ".join(sorted(kind.value for kind in fitting))
        message = f"columns.{column.name}.{name}: the column is {column.kind.value}; this fits {kinds}: remove it"
        document.blame(message, ("columns", column.name, name))


_HEAD = (
    "# What events of this stream look like. Inferred from the archive; yours to read and to edit.",
    "# Every tolerance is what windows of the archive varied by, with room for chance: of clean windows, at most the",
    "# share `false_failures` fails. Delete what does not matter; change what is too tight or too loose: a later",
    "# inference keeps what you changed. Any entry takes `severity: warning` (said, fails nothing) and `note: a text`.",
)
_TAIL = ("# Kept by Eddyline to know your changes from its own: leave these lines alone.",)
