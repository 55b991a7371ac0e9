"""What keyed context is derived from, and which columns it appends.

Shape legend: H half-lives, N numeric columns, C categorical columns.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

import pyarrow as pa

from detectors.columns import Kind, Role, feature_fields, kind_of, names_with_role
from detectors.errors import UnusableDataError

MAX_HALF_LIVES = 8
MAX_COLUMNS = 32
MINUTE_SECONDS, DAY_SECONDS = 60.0, 86_400.0


class Measure(StrEnum):
    """What is told of a key. All but the last three describe the key before the row; those relate the row to it."""

    COUNT = "count"
    """Events of the key, decayed, one column a half-life. Rounded down to whole ones, so that a lone event just before
    is no news for keys that are seldom seen."""
    SECONDS_SINCE_LAST = "seconds_since_last"
    """Seconds since the key's newest event; null for a key without history."""
    BURST = "burst"
    """How far the count of the shortest half-life lies above what the norm's rate promises, in Poisson standard
    deviations; what MIDAS (Bhatia et al. 2020) tests for edges, with decay for ticks."""
    MEAN = "mean"
    """Mean of a numeric column, decayed, one column a half-life."""
    SUM = "sum"
    """Sum of a numeric column, decayed, one column a half-life."""
    SPREAD = "spread"
    """Standard deviation of a numeric column, decayed, one column a half-life."""
    NEW_SHARE = "new_share"
    """Share of the key's events whose category was new to it, decayed by the norm's half-life."""
    DEVIATION = "deviation"
    """The row's value less the key's mean, in the key's standard deviations, both by the norm's half-life."""
    NEW = "new"
    """True where the row's category is not among the last ones seen with this key; null without history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSettings:
    """Settings of one key's context. Checked against a schema by `check`; the defaults are measured in
    docs/decisions/0012-keyed-context.md."""

    key: tuple[str, ...]
    """Columns that together name the entity; a null is an entity of its own."""
    half_lives_seconds: tuple[float, ...] = (MINUTE_SECONDS,)
    """After this many seconds an event counts for half: in counts, means, sums and spreads. Ascending."""
    norm_half_life_seconds: float = 30 * DAY_SECONDS
    """The same for what a key is held against: deviation, burst, share of new categories. Longer than the others."""
    numeric: tuple[str, ...] = ()
    """Numeric columns whose mean and spread are kept for each key."""
    categorical: tuple[str, ...] = ()
    """Columns whose last categories are remembered for each key."""
    max_keys: int = 1_000_000
    """Keys remembered in a partition; beyond it the key seen longest ago is forgotten."""
    prefix: str = ""
    """Begins the appended columns' names; the key's columns joined by "+" where it is empty."""
    measures: tuple[str, ...] = ("count", "deviation", "new_share")
    """What is derived; see Measure. Few by default, since every column that says nothing hides one that does."""

    @property
    def title(self) -> str:
        """What the appended columns' names begin with."""
        return self.prefix or "+".join(self.key)

    @property
    def moment_lives(self) -> int:
        """How many half-lives, the norm's last, have means and spreads: one where deviation is all they are for."""
        told = {Measure.MEAN, Measure.SUM, Measure.SPREAD} & set(self.measures)
        return len(self.half_lives_seconds) + 1 if told else 1

    def check(self, schema: pa.Schema) -> None:
        """Raise UnusableDataError, with the column and the fix, where these settings cannot work on `schema`."""
        self._check_numbers()
        for what, names in (("key", self.key), ("numeric", self.numeric), ("categorical", self.categorical)):
            for name in names:
                if schema.get_field_index(name) < 0:
                    raise UnusableDataError(
                        f"context of {self.title!r}: {what} column {name!r} is not a column of the stream "
                        f"({', '.join(schema.names)}): correct its name"
                    )
            if len(set(names)) < len(names):
                raise UnusableDataError(f"context of {self.title!r}: {what} names a column twice: leave one out")
        for name in self.numeric:
            if not (pa.types.is_integer(schema.field(name).type) or pa.types.is_floating(schema.field(name).type)):
                raise UnusableDataError(
                    f"context of {self.title!r}: {name!r} is {schema.field(name).type}, not a number: "
                    "list it under categorical instead"
                )

    def _check_numbers(self) -> None:
        lives = self.half_lives_seconds
        where = f"context of {self.title!r}"
        if not self.key:
            raise UnusableDataError("context has no key column: name the column whose entities should be remembered")
        if not 1 <= len(lives) <= MAX_HALF_LIVES or any(not isfinite(s) or s <= 0 for s in lives):
            raise UnusableDataError(f"{where}: half_lives_seconds must be 1 to {MAX_HALF_LIVES} numbers above zero")
        if list(lives) != sorted(set(lives)):
            raise UnusableDataError(f"{where}: half_lives_seconds must ascend, without repeats: sort {lives}")
        if not (isfinite(self.norm_half_life_seconds) and self.norm_half_life_seconds > lives[-1]):
            raise UnusableDataError(f"{where}: norm_half_life_seconds must be longer than every half-life: raise it")
        if len(self.numeric) + len(self.categorical) > MAX_COLUMNS:
            raise UnusableDataError(f"{where}: more than {MAX_COLUMNS} columns to keep for every key: list fewer")
        if not 1 <= self.max_keys < 2**30:
            raise UnusableDataError(f"{where}: max_keys must be from 1 to 2^30 − 1, not {self.max_keys}")
        unknown = sorted(set(self.measures) - {measure.value for measure in Measure})
        if not self.measures:
            raise UnusableDataError(f"{where}: no measures: choose at least one of {', '.join(Measure)}")
        if unknown:
            raise UnusableDataError(f"{where}: no measure {unknown[0]!r}: choose among {', '.join(Measure)}")


MAX_DEFAULT_COLUMNS = 3


def context_settings_defaults(schema: pa.Schema, *, key: tuple[str, ...] = (), prefix: str = "") -> ContextSettings:
    """Settings for a stream that says no more than its key (its columns of role key where `key` is empty).

    Numeric: the first three numeric features; categorical: the other keys first, then categorical features, three in
    all. Raises UnusableDataError where there is no key.
    """
    key = key or tuple(names_with_role(schema, Role.KEY))
    if not key:
        raise UnusableDataError("no column has the role key: give it to one, or name the context's key")
    others = [name for name in names_with_role(schema, Role.KEY) if name not in key]
    features = [field for field in feature_fields(schema) if field.name not in key]
    names = [field.name for field in features if kind_of(field) is Kind.CATEGORICAL and field.name not in others]
    return ContextSettings(
        key=key,
        numeric=tuple(f.name for f in features if kind_of(f) is Kind.NUMERIC)[:MAX_DEFAULT_COLUMNS],
        categorical=tuple(others + names)[:MAX_DEFAULT_COLUMNS],
        prefix=prefix,
    )
