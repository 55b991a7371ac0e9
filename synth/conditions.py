"""What is asked of generated rows: conditions on columns, values given row by row, classes balanced."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from detectors.columns import Kind, kind_of
from synth.errors import ImpossibleConditionsError

_TERM = re.compile(r"^\s*(?P<column>.+?)\s*(?P<operator>!=|>=|<=|=|>|<)\s*(?P<value>.*?)\s*$")


class Operator(StrEnum):
    """How a value is compared. A missing value fits only `= null`, and `!=` of anything but null."""

    EQUAL = "="
    UNEQUAL = "!="
    GREATER = ">"
    AT_LEAST = ">="
    LESS = "<"
    AT_MOST = "<="


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison that every row must meet."""

    column: str
    operator: Operator
    values: tuple[str, ...]
    """As written; with `=` any of them, with `!=` none of them; `null` is a missing value. One for the others."""

    def __str__(self) -> str:
        return f"{self.column}{self.operator.value}{'|'.join(self.values)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """All of them hold in every row."""

    where: tuple[Condition, ...] = ()
    balance: str | None = None
    """A column whose levels all come equally often."""
    given: pa.Table | None = None
    """Values of some columns, one row for each that is asked for: the others are drawn to fit them."""

    @property
    def empty(self) -> bool:
        """Whether anything is asked."""
        return not self.where and self.balance is None and self.given is None


def parse_where(text: str, schema: pa.Schema) -> tuple[Condition, ...]:
    """The conditions in a text such as `country=BR|PT,amount>500`.

    Raises ImpossibleConditionsError where a term cannot be read, names a column that `schema` lacks, or compares what
    has no order.
    """
    return tuple(_condition(term, schema) for term in text.split(",") if term.strip())


def _condition(term: str, schema: pa.Schema) -> Condition:
    found = _TERM.match(term)
    if found is None or not found["value"]:
        raise ImpossibleConditionsError(f"{term.strip()!r} is not a condition: write column=value, column>=number")
    column, operator = found["column"], Operator(found["operator"])
    if column not in schema.names:
        raise ImpossibleConditionsError(f"there is no column {column!r}: name one of {', '.join(schema.names)}")
    values = tuple(part.strip() for part in found["value"].split("|"))
    if operator not in (Operator.EQUAL, Operator.UNEQUAL):
        if kind_of(schema.field(column)) not in (Kind.NUMERIC, Kind.TIME):
            raise ImpossibleConditionsError(f"{column!r} has no order, so {operator.value} means nothing: use = or !=")
        if len(values) > 1:
            raise ImpossibleConditionsError(f"{term.strip()!r} compares with several values: give one")
    return Condition(column=column, operator=operator, values=values)


def columns_named(conditions: Iterable[Condition]) -> tuple[str, ...]:
    """The columns that conditions speak of, each once."""
    return tuple(dict.fromkeys(condition.column for condition in conditions))
