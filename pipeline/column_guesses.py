"""What one column of a sample seems to be: its kind, whether it is scored, whether it is about people; and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import pyarrow as pa

from detectors.columns import Kind, Role
from pipeline.codecs.times import FIRST_US, LAST_US, from_text
from pipeline.config import ColumnSpec, TimeUnit
from pipeline.sampling import Path
from pipeline.value_patterns import (
    CODE_WORDS,
    COUNT_WORDS,
    TIME_WORDS,
    looks_like_uuid,
    personal_by_name,
    personal_by_value,
    words_of,
)

_FEW = 12
"""An integer of at most this many values is a category unless its name says it counts."""
_MOST_CATEGORIES = 1_000
_NEARLY_EACH = 0.5
"""A text with more distinct values than this share of events is carried along, not scored."""
_EPOCHS = {TimeUnit.SECONDS: 1e9, TimeUnit.MILLISECONDS: 1e12, TimeUnit.MICROSECONDS: 1e15}
"""What times of 2001 to 2128 are at least; at most four times that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What a column seems to be, and why."""

    path: Path
    spec: ColumnSpec
    why: str
    distinct: int
    missing_share: float


class _Values(StrEnum):
    BOOLEAN = "booleans"
    INTEGER = "integers"
    NUMBER = "numbers"
    TEXT = "text"
    MOMENT = "moments"


def guess_column(path: Path, values: list[Any], *, stated_time: bool = False) -> Guess | str:
    """A column's guess without the roles that only one column has; or why there is none."""
    if any(not part or (len(path) > 1 and "." in part) for part in path):
        return "its name has a dot or is empty, so no path can lead to it"
    present = [v for v in values if v is not None]
    if not present:
        return "no event has a value"
    found = _shape_of(present)
    if found is None:
        return "its values are lists, or of several types"
    distinct = len(set(present))
    spec, why = _kind(path[-1], present, found, distinct, stated_time)
    spec = spec.model_copy(update={"path": ".".join(path) if len(path) > 1 else None})
    personal = personal_by_name(path[-1]) or (personal_by_value(present) if found is not _Values.NUMBER else None)
    if personal is not None and spec.kind in (Kind.TEXT, Kind.CATEGORICAL):
        spec = spec.model_copy(update={"roles": (spec.roles | {Role.PERSONAL}) - {Role.FEATURE}})
        why = f"{why}; personal: {personal}"
    share = 1 - len(present) / len(values)
    return Guess(path=path, spec=spec, why=why, distinct=distinct, missing_share=share)


def _shape_of(present: Sequence[Any]) -> _Values | None:
    types = {type(v) for v in present}
    if types == {bool}:
        return _Values.BOOLEAN
    if types == {int} and all(-(2**63) <= v < 2**63 for v in present):
        return _Values.INTEGER
    if types <= {int, float}:
        return _Values.NUMBER
    if types == {str}:
        return _Values.TEXT
    return _Values.MOMENT if all(isinstance(v, date) for v in present) else None


def _kind(name: str, present: list[Any], found: _Values, distinct: int, stated_time: bool) -> tuple[ColumnSpec, str]:
    counted = f"{distinct:,} distinct value{'s' if distinct > 1 else ''}"
    scored = frozenset({Role.FEATURE})
    if found is _Values.BOOLEAN:
        return ColumnSpec(name=name, kind=Kind.BOOLEAN, roles=scored), "true or false"
    if found is _Values.MOMENT:
        return ColumnSpec(name=name, kind=Kind.TIME), "moments"
    if found is _Values.TEXT:
        return _text(name, present, distinct, counted)
    unit = _epoch_unit(name, present, stated_time)
    if unit is not None:
        return ColumnSpec(
            name=name, kind=Kind.TIME, unit=unit
        ), f"its name and size say time since 1970 in {unit.value}"
    if found is _Values.INTEGER:
        return _integer(name, len(present), distinct, counted)
    return ColumnSpec(name=name, kind=Kind.NUMERIC, roles=scored), f"numbers, {counted}"


def _text(name: str, present: list[str], distinct: int, counted: str) -> tuple[ColumnSpec, str]:
    if _are_times(present):
        return ColumnSpec(name=name, kind=Kind.TIME), "text in ISO 8601"
    if looks_like_uuid(present):
        return ColumnSpec(name=name, kind=Kind.TEXT), f"UUIDs, {counted}"
    if distinct > max(_FEW, _NEARLY_EACH * len(present)) or distinct > _MOST_CATEGORIES:
        return ColumnSpec(name=name, kind=Kind.TEXT), f"{counted}: too many to score as categories"
    return ColumnSpec(name=name, kind=Kind.CATEGORICAL, roles=frozenset({Role.FEATURE})), f"text, {counted}"


def _integer(name: str, rows: int, distinct: int, counted: str) -> tuple[ColumnSpec, str]:
    words = set(words_of(name))
    scored = frozenset({Role.FEATURE})
    category = ColumnSpec(name=name, kind=Kind.CATEGORICAL, integer=True, roles=scored)
    if words & CODE_WORDS and not words & COUNT_WORDS:
        if distinct > max(_FEW, _NEARLY_EACH * rows) or distinct > _MOST_CATEGORIES:
            too_many = f"integers that name things, {counted}: too many to score as categories"
            return category.model_copy(update={"roles": frozenset()}), too_many
        return category, f"integers whose name says code, not quantity, {counted}"
    if rows >= 50 and distinct <= (_FEW if not words & COUNT_WORDS else 2):
        return category, f"integers of only {counted}; numeric if they count or measure something"
    return ColumnSpec(name=name, kind=Kind.NUMERIC, integer=True, roles=scored), f"integers, {counted}"


def _are_times(present: Sequence[str]) -> bool:
    looked_at = list(present[:1000])
    if not all(len(text) >= 8 and text[:1].isdigit() for text in looked_at[:20]):
        return False
    return from_text(pa.array(looked_at, pa.string())).unreadable is None


def _epoch_unit(name: str, present: Sequence[float], stated: bool) -> TimeUnit | None:
    if not stated and not TIME_WORDS & set(words_of(name)):
        return None
    low, high = min(present), max(present)
    for unit, least in _EPOCHS.items():
        if least <= low and high < 4 * least:
            whole = unit is not TimeUnit.MICROSECONDS or FIRST_US <= low <= high < LAST_US
            return unit if whole else None
    return None
