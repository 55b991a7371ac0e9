"""What windows are cut from, and the columns they become."""

import json
from dataclasses import dataclass
from math import isfinite

import pyarrow as pa

from detectors.columns import Kind, Role, feature_fields, kind_of, make_field, names_with_role, roles_of
from detectors.errors import UnusableDataError

SUFFIX = ".window"
WINDOW_KEY = b"eddyline.window"
"""Field metadata of a window column: JSON of its metric, the key's columns and the step."""
LEAST_LENGTH, MOST_LENGTH = 8, 2_048
MOST_STEP_SECONDS = 366 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSettings:
    """Settings of a stream's windows. Memory: max_keys × metrics × length × 4 bytes, once that many keys were seen."""

    key: tuple[str, ...]
    """Columns that together name the entity whose past is kept; a null is an entity of its own."""
    length: int = 128
    """Steps in a window, the row's own included; chosen in docs/decisions/0014-windows.md."""
    step_seconds: float | None = None
    """The clock's step: values are placed on its grid and steps without a row are missing. None: rows are the steps."""
    metrics: tuple[str, ...] = ()
    """Numeric columns to keep; each becomes one window column."""
    max_keys: int = 10_000
    """Keys remembered in a partition; beyond it the key seen longest ago is forgotten."""

    def check(self, schema: pa.Schema) -> None:
        """Raise UnusableDataError, with the column and the fix, where these settings cannot work on `schema`."""
        self._check_numbers()
        for what, names in (("key", self.key), ("metric", self.metrics)):
            for name in names:
                if schema.get_field_index(name) < 0:
                    raise UnusableDataError(
                        f"windows: {what} column {name!r} is not a column of the stream "
                        f"({', '.join(schema.names)}): correct its name"
                    )
            if len(set(names)) < len(names):
                raise UnusableDataError(f"windows: {what} names a column twice: leave one out")
        for name in self.metrics:
            if not (pa.types.is_integer(schema.field(name).type) or pa.types.is_floating(schema.field(name).type)):
                raise UnusableDataError(
                    f"windows: metric {name!r} is {schema.field(name).type}, not a number: leave it out"
                )
            if schema.get_field_index(name + SUFFIX) >= 0:
                raise UnusableDataError(f"windows: the stream already has a column {name + SUFFIX!r}: rename it")

    def _check_numbers(self) -> None:
        if not self.key:
            raise UnusableDataError("windows have no key column: name the column whose entities have a past each")
        if not self.metrics:
            raise UnusableDataError("windows have no metrics: name the numeric columns to keep")
        if not LEAST_LENGTH <= self.length <= MOST_LENGTH:
            raise UnusableDataError(f"windows: length must be {LEAST_LENGTH} to {MOST_LENGTH} steps, not {self.length}")
        step = self.step_seconds
        if step is not None and not (isfinite(step) and 0.001 <= step <= MOST_STEP_SECONDS):
            raise UnusableDataError(f"windows: step_seconds must be from 0.001 to a year, not {step}")
        if not 1 <= self.max_keys < 2**30:
            raise UnusableDataError(f"windows: max_keys must be from 1 to 2^30 − 1, not {self.max_keys}")

    def fields(self, personal: frozenset[str]) -> tuple[pa.Field, ...]:
        """The columns, one a metric; what is cut from a `personal` column is personal too."""
        made = []
        for name in self.metrics:
            roles = {Role.FEATURE, Role.PERSONAL} if name in personal else {Role.FEATURE}
            field = make_field(name + SUFFIX, Kind.WINDOW, roles, arrow_type=pa.list_(pa.float32(), self.length))
            origin = WindowOrigin(metric=name, key=self.key, step_seconds=self.step_seconds)
            made.append(field.with_metadata({**field.metadata, WINDOW_KEY: origin.encoded()}))
        return tuple(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOrigin:
    """Where a window column comes from, as its field says; what reasons and per-key scaling need to know."""

    metric: str
    key: tuple[str, ...] = ()
    step_seconds: float | None = None

    def encoded(self) -> bytes:
        """As field metadata."""
        return json.dumps({"metric": self.metric, "key": list(self.key), "step_seconds": self.step_seconds}).encode()

    @classmethod
    def of(cls, field: pa.Field) -> "WindowOrigin":
        """What a window field's metadata says; a field without it is its own metric, of one nameless key."""
        raw = (field.metadata or {}).get(WINDOW_KEY)
        if raw is None:
            return cls(metric=field.name.removesuffix(SUFFIX))
        said = json.loads(raw)
        return cls(metric=said["metric"], key=tuple(said["key"]), step_seconds=said["step_seconds"])


def window_settings_defaults(schema: pa.Schema, *, key: tuple[str, ...] = ()) -> WindowSettings:
    """Settings for a stream that says no more than its key: every numeric feature is a metric, rows are the steps.

    Raises UnusableDataError where there is no key or no numeric feature.
    """
    key = key or tuple(names_with_role(schema, Role.KEY))
    metrics = tuple(f.name for f in feature_fields(schema) if kind_of(f) is Kind.NUMERIC and f.name not in key)
    settings = WindowSettings(key=key, metrics=metrics)
    settings.check(schema)
    return settings


def personal_columns(schema: pa.Schema) -> frozenset[str]:
    """The columns about a person."""
    return frozenset(field.name for field in schema if Role.PERSONAL in roles_of(field))
