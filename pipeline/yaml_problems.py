"""Validate a document against its model, and say every error by file, line and fix."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.yaml_nodes import Document, Place

M = TypeVar("M", bound=BaseModel)
_QUOTABLE = (bool, int, float)
_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$": "use letters, digits, _ and -, beginning with a letter or digit, at most 100",
    r"^[A-Za-z0-9._-]{1,249}$": "a topic's name has letters, digits, dots, _ and - only, at most 249",
    r"^https?://": "an address begins with http:// or https://",
    r"^[A-Z_][A-Z0-9_]*$": "the name of an environment variable has capitals, digits and _ only",
}
"""The patterns of `config.py`, in words."""


def validated(model: type[M], document: Document) -> M | None:
    """The model made of the document's value; None, with the problems noted, where that cannot be."""
    value = {} if document.value is None else document.value
    if not isinstance(value, dict):
        document.blame(f"a {type(value).__name__} where named settings are expected: write `name: value` lines")
        return None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for place, details in _distinct(error, document):
            document.blame(_message(model, place, details), place)
        return None


def _distinct(error: ValidationError, document: Document) -> Iterator[tuple[Place, ErrorDetails]]:
    """The errors in order with their places in the file; of those a union reports for one value, the first.

    A list all of whose members are wrong is also called too short by the validator: that is left out.
    """
    found = [(_place(details, document), details) for details in error.errors(include_url=False)]
    seen: set[Place] = set()
    for place, details in found:
        below = any(other[: len(place)] == place and len(other) > len(place) for other, _ in found)
        if place in seen or (details["type"] == "too_short" and below):
            continue
        seen.add(place)
        yield place, details


def _place(details: ErrorDetails, document: Document) -> Place:
    """Where the value stands, without the names of a union's choices that the validator puts at the end."""
    place: Place = tuple(details["loc"])
    if details["type"] == "missing":
        return place
    while place and place not in document.lines:
        place = place[:-1]
    return place


def _message(model: type[BaseModel], place: Place, details: ErrorDetails) -> str:
    kind = details["type"]
    dotted = ".".join(f"{part}" for part in place)
    name = str(place[-1]) if place else ""
    if kind == "extra_forbidden":
        return f"{dotted}: there is no such field{_suggestion(name, _fields_at(model, place[:-1]))}"
    if kind == "missing":
        return f"{dotted}: this field is needed and missing: add it"
    if kind == "value_error":
        text = details["msg"].removeprefix("Value error, ")
        return f"{dotted}: {text}" if dotted else text
    if kind in ("tuple_type", "list_type"):
        return f"{dotted}: a list is expected: write it in brackets, as [a, b], or one `- a` a line"
    if kind == "string_pattern_mismatch":
        pattern = str(details.get("ctx", {}).get("pattern", ""))
        return f"{dotted}: {details['input']!r} does not fit: {_PATTERNS.get(pattern, f'write it as {pattern}')}"
    text = details["msg"][:1].lower() + details["msg"][1:]
    text = text.replace("input should", "the value should")
    given = details["input"]
    if kind == "string_type" and (isinstance(given, _QUOTABLE) or hasattr(given, "isoformat")):
        return f"{dotted}: YAML reads this as a {type(given).__name__}, text is expected: put it in quotes"
    if kind in ("enum", "literal_error") and isinstance(given, str):
        return f"{dotted}: {given!r} is not known; {text}{_suggestion(given, _choices(details))}"
    shown = f" (it is {given!r})" if isinstance(given, str | int | float | bool) and "secret" not in name else ""
    return f"{dotted}: {text}{shown}"


def _choices(details: ErrorDetails) -> list[str]:
    expected = str(details.get("ctx", {}).get("expected", ""))
    return [part.strip(" '") for part in expected.replace(" or ", ",").split(",") if part.strip(" '")]


def _suggestion(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f": did you mean `{close[0]}`?"
    return f": known are {', '.join(known)}" if 0 < len(known) <= 20 else ": remove it"


def _fields_at(model: type[BaseModel], place: Place) -> list[str]:
    """The field names of the model at a place within another."""
    found: type[BaseModel] | None = model
    is_key = False  # the part is a name in a mapping, not a field
    for part in place:
        if is_key:
            is_key = False
        elif isinstance(part, str) and found is not None:
            info = found.model_fields.get(part)
            is_key = info is not None and get_origin(info.annotation) is dict
            found = None if info is None else next(_models_in(info.annotation), None)
    return sorted(found.model_fields) if found is not None else []


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
