"""A suite as a flat list of questions, each with one figure and its bounds; the digests that tell edits."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pipeline.bundles import canonical
from pipeline.expectations.document import Severity
from pipeline.expectations.suite import Between, ColumnSuite, Entry, Hours, Levels, Limits, Quantiles, Relation, Suite
from pipeline.yaml_nodes import Place


class What(StrEnum):
    """What is asked."""

    TYPE = "type"
    MISSING = "missing"
    LIMITS = "limits"
    QUANTILE = "quantile"
    ZEROS = "zeros"
    TRUE = "true"
    UNSEEN = "unseen"
    MOVED = "moved"
    LENGTHS = "lengths"
    REPEATED = "repeated"
    PER_HOUR = "per_hour"
    BY_HOUR = "by_hour"
    FRESHNESS = "freshness"
    LAG = "lag"
    BACKWARDS = "backwards"
    STANDING = "standing"
    COPIES = "copies"
    DOUBLED = "doubled"
    KEYS = "keys"
    LARGEST_KEY = "largest_key"
    RELATION = "relation"


SHARES = frozenset(
    {
        What.MISSING, What.LIMITS, What.ZEROS, What.TRUE, What.UNSEEN, What.LENGTHS, What.REPEATED, What.BACKWARDS,
        What.STANDING, What.COPIES, What.LARGEST_KEY, What.RELATION,
    }
)  # fmt: skip
"""Figures that are shares of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question: a figure of the window from `least` to `most`."""

    name: str
    """As the report calls it: `amount.missing`."""
    entry: str
    """The entry of the suite it comes from: `columns.amount.missing`."""
    column: str | None
    what: What
    least: float | None = None
    most: float | None = None
    low: float | None = None
    """Of limits and lengths: the least value that is possible."""
    high: float | None = None
    probability: float = 0.5
    levels: Mapping[str, float] = field(default_factory=dict)
    hours: Hours | None = None
    arrow_type: str = ""
    smaller: str = ""
    larger: str = ""
    severity: Severity = Severity.CRITICAL
    note: str = ""
    edited: bool = False
    place: Place = ()
    """In the file."""


def asked_of(suite: Suite) -> list[Asked]:
    """Every question of a suite, in its order."""
    changed = edited_entries(suite)
    found = [*_rows(suite), *_keys(suite)]
    for column, entries in suite.columns.items():
        found += _column(column, entries)
    found += [_relation(number, relation) for number, relation in enumerate(suite.relations)]
    return [replace(one, edited=one.entry in changed) for one in found]


def entries_of(suite: Suite) -> dict[str, Entry | str]:
    """Every entry of a suite by name: `rows.per_hour`, `columns.amount.limits`, `relations.a<b`."""
    found: dict[str, Entry | str] = {}
    for part in ("rows", "keys"):
        found |= {f"{part}.{name}": entry for name, entry in getattr(suite, part) if entry is not None}
    for column, entries in suite.columns.items():
        found |= {f"columns.{column}.{name}": entry for name, entry in entries if entry is not None}
    return found | {f"relations.{one.smaller}<{one.larger}": one for one in suite.relations}


def digest_of(entry: Entry | str) -> str:
    """What tells an entry from a changed one. Notes and severities are not part of it: they change no tolerance."""
    value = entry if isinstance(entry, str) else entry.model_dump(mode="json", exclude={"note", "severity"})
    return hashlib.sha256(canonical(value)).hexdigest()[:8]


def edited_entries(suite: Suite) -> set[str]:
    """The entries that people changed or added since they were inferred."""
    return {name for name, entry in entries_of(suite).items() if suite.as_inferred.get(name) != digest_of(entry)}


def _rows(suite: Suite) -> Iterator[Asked]:
    rows = suite.rows
    simple = (
        ("per_hour", What.PER_HOUR, rows.per_hour),
        ("freshness_seconds", What.FRESHNESS, rows.freshness_seconds),
        ("lag_seconds", What.LAG, rows.lag_seconds),
        ("backwards", What.BACKWARDS, rows.backwards),
        ("standing", What.STANDING, rows.standing),
        ("copies", What.COPIES, rows.copies),
        ("doubled_minutes", What.DOUBLED, rows.doubled_minutes),
    )
    for name, what, entry in simple:
        if entry is not None:
            yield _between(f"rows.{name}", f"rows.{name}", None, what, entry, ("rows", name))
    if (hours := rows.by_hour) is not None:
        yield Asked(
            name="rows.by_hour", entry="rows.by_hour", column=None, what=What.BY_HOUR, most=0.0, hours=hours,
            severity=hours.severity, note=hours.note, place=("rows", "by_hour"),
        )  # fmt: skip


def _keys(suite: Suite) -> Iterator[Asked]:
    keys = suite.keys
    for name, what, entry in (("per_hour", What.KEYS, keys.per_hour), ("largest", What.LARGEST_KEY, keys.largest)):
        if entry is not None:
            yield _between(f"keys.{name}", f"keys.{name}", None, what, entry, ("keys", name))


def _column(column: str, entries: ColumnSuite) -> Iterator[Asked]:
    for name, entry in entries:
        if entry is not None:
            common = _Common(column, name, entry)
            yield from _of_entry(common, entry)


class _Common:
    """What all questions of one entry have in common."""

    def __init__(self, column: str, name: str, entry: Entry | str) -> None:
        self.column, self.name = column, name
        self.severity = entry.severity if isinstance(entry, Entry) else Severity.CRITICAL
        self.note = entry.note if isinstance(entry, Entry) else ""

    def asked(self, what: What, name: str = "", **facts: Any) -> Asked:
        """One of them."""
        return Asked(
            name=f"{self.column}.{name or self.name}",
            entry=f"columns.{self.column}.{self.name}",
            column=self.column,
            what=what,
            severity=self.severity,
            note=self.note,
            place=("columns", self.column, self.name),
            **facts,
        )


def _of_entry(common: _Common, entry: Entry | str) -> Iterator[Asked]:
    if isinstance(entry, str):
        yield common.asked(What.TYPE, arrow_type=entry)
    elif isinstance(entry, Between):
        yield common.asked(What(common.name), least=entry.least, most=entry.most)
    elif isinstance(entry, Limits):
        yield common.asked(What(common.name), most=entry.beyond, low=entry.least, high=entry.most)
    elif isinstance(entry, Quantiles):
        for probability, (low, high) in entry.at.items():
            name, number = f"quantile {probability}", float(probability)
            yield common.asked(What.QUANTILE, name, least=low, most=high, probability=number)
    elif isinstance(entry, Levels):
        for what, most in ((What.UNSEEN, entry.unseen), (What.MOVED, entry.moved)):
            if most is not None:
                yield common.asked(what, what.value, most=most, levels=entry.known)


def _between(name: str, entry_name: str, column: str | None, what: What, entry: Between, place: Place) -> Asked:
    return Asked(
        name=name, entry=entry_name, column=column, what=what, least=entry.least, most=entry.most,
        severity=entry.severity, note=entry.note, place=place,
    )  # fmt: skip


def _relation(number: int, relation: Relation) -> Asked:
    name = f"relations.{relation.smaller}<{relation.larger}"
    made = _between(name, name, None, What.RELATION, relation, ("relations", number))
    return replace(made, smaller=relation.smaller, larger=relation.larger)
