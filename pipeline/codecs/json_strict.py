"""One JSON record at a time, read strictly: slow, and exact about what is wrong.

Outcomes, by design the same as those of the vectorised reader in `json_block.py`:

- white space around the object and one byte-order mark before it are allowed; anything else beside it is malformed;
- a field named twice is rejected where the stream reads that field (at any depth); in objects the stream does not
  read, nobody would see the difference, so it passes;
- half a surrogate pair, and nesting beyond MAX_DEPTH, are malformed wherever they stand;
- NaN and Infinity are malformed in the stream's fields; in others they pass, as some writers cannot help them;
- an integer column takes integers and numbers like 3.0 or 1e3 up to 2^53, no other fractions, no text;
- a float column takes any number that a double can hold; text and booleans fit no number.
"""

import json
import math
import re
from collections import Counter
from typing import Any

import numpy as np

from detectors.columns import Kind
from pipeline.codecs.base import RejectReason
from pipeline.codecs.layout import Layout, Node, RawColumn

MAX_DEPTH = 200
"""Objects and arrays within each other, ignored fields included."""
MAX_EXACT = 2.0**53
BOM = b"\xef\xbb\xbf"
WHITE_SPACE = b" \t\r\n"

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_STRING_OR_INF = re.compile(r'"(?:[^"\\]|\\.)*+"|-NaN|Inf(?:inity)?', re.DOTALL)
_SPELT = {"-NaN": "NaN", "Inf": "Infinity"}
_BRACKETS = re.compile(rb"[^\[\]{}]+")


class RecordError(Exception):
    """A record that cannot be used; caught by the codec, never seen outside it."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class _Doubled(dict[str, Any]):
    """An object in which a name stands twice."""

    names: frozenset[str]


class _Unconverted:
    """A number that Python would not, or should not, make a number of: thousands of digits, NaN, Infinity."""

    def __init__(self, literal: str) -> None:
        self.literal = literal


def read_record(value: bytes, layout: Layout) -> tuple[tuple[Any, ...], frozenset[str]]:
    """The raw values of one record in column order, and the fields it has beyond the stream's.

    Raises RecordError with the reason for the dead letter.
    """
    event = _parse(value)
    if not isinstance(event, dict):
        raise RecordError(
            RejectReason.MALFORMED, f"{_shape(event)} at the top, not an object; send one object a record"
        )
    row: list[Any] = [None] * len(layout.columns)
    unknown: set[str] = set()
    _walk(event, layout.root, "", row, unknown)
    return tuple(row), frozenset(unknown)


def _parse(value: bytes) -> Any:
    try:
        text = value.removeprefix(BOM).decode("utf-8").strip(" \t\r\n")
    except UnicodeDecodeError as error:
        detail = f"byte {error.start} is not UTF-8; encode events as UTF-8"
        raise RecordError(RejectReason.NOT_UTF8, detail) from None
    if not text:
        raise RecordError(RejectReason.EMPTY, "no value, only white space")
    if depth_of(value) > MAX_DEPTH:
        raise RecordError(RejectReason.MALFORMED, f"nested deeper than {MAX_DEPTH} levels; flatten the event")
    try:
        event = _decode(text)
        if _SURROGATE.search(text):
            json.dumps(event, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError:
        raise RecordError(RejectReason.MALFORMED, "half a surrogate pair in a \\u escape; send both halves") from None
    except json.JSONDecodeError as error:
        detail = f"not JSON at character {error.pos}: {error.msg}; send one JSON object a record"
        raise RecordError(RejectReason.MALFORMED, detail) from None
    except RecursionError:
        raise RecordError(RejectReason.MALFORMED, "nested too deep; flatten the event") from None
    return event


def _decode(text: str) -> Any:
    decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_parse_int, parse_constant=_Unconverted)
    try:
        return decoder.decode(text)
    except json.JSONDecodeError:
        # The vectorised reader takes these two spellings as well; where the stream does not read them both must pass.
        spelt = _STRING_OR_INF.sub(lambda found: _SPELT.get(found[0], found[0]), text)
        if spelt == text:
            raise
        return decoder.decode(spelt)


def depth_of(value: bytes) -> int:
    """Greatest nesting of objects and arrays, brackets within strings not counted (exact for valid JSON)."""
    if value.count(b"{") + value.count(b"[") <= MAX_DEPTH:
        return 0
    brackets = np.frombuffer(_BRACKETS.sub(b"", _STRING.sub(b"", value)), np.uint8)
    if not len(brackets):
        return 0
    opening = (brackets | 0x20) == ord("{")
    return int(np.cumsum(np.where(opening, 1, -1)).max())


def _walk(event: dict[str, Any], node: Node, prefix: str, row: list[Any], unknown: set[str]) -> None:
    if isinstance(event, _Doubled):
        for name in sorted(event.names & node.children.keys()):
            detail = f"{prefix}{name}: the field stands twice in one object; send it once"
            raise RecordError(RejectReason.DUPLICATE_FIELD, detail)
    unknown.update(prefix + name for name in event.keys() - node.children.keys())
    for name, child in node.children.items():
        value = event.get(name)
        if value is None:
            continue
        if isinstance(child, RawColumn):
            row[child.index] = _value(child, value)
        elif isinstance(value, dict):
            _walk(value, child, f"{prefix}{name}.", row, unknown)
        else:
            detail = f"{prefix}{name}: {_shape(value)} where an object is expected; mend the event or the path"
            raise RecordError(RejectReason.WRONG_TYPE, detail)


def _value(column: RawColumn, value: Any) -> Any:
    kind = str(column.raw_type)
    if isinstance(value, _Unconverted) and value.literal.lstrip("-")[0] in "NI":
        detail = f"{column.shown}: {value.literal} is not JSON; send null for a missing number"
        raise RecordError(RejectReason.MALFORMED, detail)
    if kind == "string" and isinstance(value, str):
        return value
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind in ("int64", "double") and isinstance(value, int | float | _Unconverted) and not isinstance(value, bool):
        return _integer(column, value) if kind == "int64" else _double(column, value)
    wanted = {"string": "text", "bool": "true or false", "int64": "an integer", "double": "a number"}[kind]
    if column.spec.kind is Kind.TIME and kind != "string":
        wanted = f"a number (unit {column.spec.unit.value})"
    detail = f"{column.shown}: {_shape(value)} where {wanted} is expected; mend the event or the column's kind"
    raise RecordError(RejectReason.WRONG_TYPE, detail)


def _integer(column: RawColumn, value: int | float | _Unconverted) -> int:
    if isinstance(value, float) and not math.isinf(value):
        if value.is_integer() and abs(value) <= MAX_EXACT:
            return int(value)
        detail = f"{column.shown}: a number with a fraction or exponent where an integer is expected"
        raise RecordError(RejectReason.WRONG_TYPE, f"{detail}; drop `integer: true` or mend the event")
    if not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise RecordError(RejectReason.OUT_OF_RANGE, f"{column.shown}: an integer beyond 64 bits; send it as text")
    return value


def _double(column: RawColumn, value: int | float | _Unconverted) -> float:
    try:
        number = float("inf") if isinstance(value, _Unconverted) else float(value)
    except OverflowError:
        number = float("inf")
    if math.isinf(number):
        raise RecordError(RejectReason.OUT_OF_RANGE, f"{column.shown}: a number beyond what a double can hold")
    return number


def _shape(value: Any) -> str:
    shapes: dict[type, str] = {str: "text", bool: "true or false", dict: "an object", list: "an array"}
    return shapes.get(type(value), "null" if value is None else "an object" if isinstance(value, dict) else "a number")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    event = dict(pairs)
    if len(event) == len(pairs):
        return event
    doubled = _Doubled(event)
    doubled.names = frozenset(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    return doubled


def _parse_int(literal: str) -> int | _Unconverted:
    return int(literal) if len(literal) <= 310 else _Unconverted(literal)
