"""What a source's columns are: kinds where the file carries none, roles as a person states them, people's columns."""

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from detectors.columns import ROLES_KEY, Kind, Role, kind_of, roles_of
from detectors.errors import UnusableDataError
from pipeline.errors import ConfigError
from pipeline.value_patterns import personal_by_name, personal_by_value
from synth.preparation import with_kinds

_LOOKED_AT = 1_000
TRUTH_PREFIX = "_anomaly"
"""Begins the names of the columns that say which rows are injected anomalies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Roles that a person states, by column name."""

    label: str | None = None
    key: str | None = None
    time: str | None = None
    label_is_default: bool = False
    """Whether nobody asked for this label: then one that cannot be learned is left alone instead of refused."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Roles":
        """What `document` wrote."""
        return cls(**document)

    def given_to(self, schema: pa.Schema) -> pa.Schema:
        """The schema with these roles added to those its fields have. Raises ConfigError for one it lacks."""
        wanted = {Role.LABEL: self.label, Role.KEY: self.key, Role.TIME: self.time}
        for role, name in wanted.items():
            if name is None:
                continue
            if name not in schema.names:
                raise ConfigError(
                    f"--{role.value} {name}: there is no such column; there are {', '.join(schema.names)}"
                )
            field = schema.field(name)
            schema = schema.set(schema.get_field_index(name), _with_roles(field, roles_of(field) | {role}))
        return schema


def described(table: pa.Table, roles: Roles, *, guess_personal: bool) -> pa.Table:
    """The table with a kind on every field, the roles stated, and those of columns that look as if about people.

    Raises ConfigError for a role that names no column, times that are none, a column type that nothing could learn.
    """
    reserved = [name for name in table.column_names if name.startswith(TRUTH_PREFIX)]
    if reserved:
        raise ConfigError(f"column {reserved[0]!r} has a name that is kept for injected anomalies: rename it")
    table = table.cast(roles.given_to(table.schema))
    try:
        table = with_kinds(table, label=roles.label)
    except UnusableDataError as error:
        raise ConfigError(str(error)) from error
    if roles.time is not None and kind_of(table.schema.field(roles.time)) is not Kind.TIME:
        found = table.schema.field(roles.time).type
        raise ConfigError(f"--time {roles.time}: its values are no times ({found}); name another column")
    return _with_personal(table) if guess_personal else table


def usable_label(table: pa.Table, roles: Roles) -> str | None:
    """The label, if it is one: every row has it, and not all the same. Raises ConfigError where a person named one that
    is not."""
    try:
        _check_label(table, roles.label)
    except ConfigError:
        if not roles.label_is_default:
            raise
        return None
    return roles.label


def _check_label(table: pa.Table, label: str | None) -> None:
    if label is None:
        return
    values = table[label]
    if values.null_count:
        known = len(values) - values.null_count
        raise ConfigError(
            f"--label {label}: {values.null_count:,} of {len(values):,} rows have no label"
            + (" (none has one)" if not known else "")
            + ": leave those rows out, or --label"
        )
    if len(values.unique()) < 2:
        raise ConfigError(f"--label {label}: every row has the same one, so it tells nothing: leave --label out")


def _with_personal(table: pa.Table) -> pa.Table:
    schema = table.schema
    for at, field in enumerate(schema):
        if kind_of(field) not in (Kind.TEXT, Kind.CATEGORICAL):
            continue
        present = table.column(at).drop_null().slice(0, _LOOKED_AT).to_pylist()
        if personal_by_name(field.name) or (present and personal_by_value(present)):
            schema = schema.set(at, _with_roles(field, roles_of(field) | {Role.PERSONAL}))
    return table.cast(schema)


def _with_roles(field: pa.Field, roles: frozenset[Role]) -> pa.Field:
    text = ",".join(sorted(role.value for role in roles)).encode()
    return field.with_metadata({**(field.metadata or {}), ROLES_KEY: text})
