"""What a column is: its kind (how its values behave) and its roles (what it is for in a stream).

Both travel as Arrow field metadata, so a table says itself which of its columns a detector may look at.
"""

from collections.abc import Iterable
from enum import StrEnum

import pyarrow as pa

KIND_KEY = b"eddyline.kind"
ROLES_KEY = b"eddyline.roles"


class Kind(StrEnum):
    """How a column's values behave, whatever their Arrow type."""

    NUMERIC = "numeric"
    """A quantity: distances between values mean something. Arrow int64 or float64."""
    CATEGORICAL = "categorical"
    """A name from a set, possibly a large and growing one. Arrow string or int64."""
    BOOLEAN = "boolean"
    """True or false. Arrow bool."""
    TIME = "time"
    """A moment. Arrow timestamp[us, UTC]; seen by detectors as its daily and weekly cycles."""
    TEXT = "text"
    """Free text or identifiers: carried along, never scored. Arrow string."""
    WINDOW = "window"
    """The last values of a metric of the row's key, oldest first, the row's own last, NaN where there is none. A
    fixed-size list of float32, made by `windows.WindowEnrichment`, scored by window detectors, ignored by others."""


class Role(StrEnum):
    """What a column is for in its stream. A column may have several roles."""

    ID = "id"
    """Names one event."""
    TIME = "time"
    """The moment the event happened; one column a stream."""
    KEY = "key"
    """Names the entity the event belongs to; alerts are grouped by it."""
    LABEL = "label"
    """Ground truth, for evaluation only: no detector reads it unless handed it explicitly."""
    FEATURE = "feature"
    """Scored by detectors."""
    PERSONAL = "personal"
    """About a person: masked wherever values are shown."""


ARROW_TYPES: dict[Kind, tuple[pa.DataType, ...]] = {
    Kind.NUMERIC: (pa.float64(), pa.int64()),
    Kind.CATEGORICAL: (pa.string(), pa.int64()),
    Kind.BOOLEAN: (pa.bool_(),),
    Kind.TIME: (pa.timestamp("us", tz="UTC"),),
    Kind.TEXT: (pa.string(),),
}
"""The Arrow types a column of each kind may have; the first is the default. Windows have one for each length."""


def make_field(name: str, kind: Kind, roles: Iterable[Role] = (), *, arrow_type: pa.DataType | None = None) -> pa.Field:
    """A nullable Arrow field that carries its kind and roles."""
    if kind is Kind.WINDOW and arrow_type is None:
        raise ValueError(f"{name}: a window's type has its length in it, pa.list_(pa.float32(), length): give it")
    metadata = {KIND_KEY: kind.value.encode(), ROLES_KEY: ",".join(sorted(roles)).encode()}
    return pa.field(name, arrow_type or ARROW_TYPES[kind][0], nullable=True, metadata=metadata)


def kind_of(field: pa.Field) -> Kind | None:
    """The kind written in a field's metadata; None where none is."""
    raw = (field.metadata or {}).get(KIND_KEY)
    return Kind(raw.decode()) if raw else None


def roles_of(field: pa.Field) -> frozenset[Role]:
    """The roles written in a field's metadata; empty where none are."""
    raw = (field.metadata or {}).get(ROLES_KEY, b"").decode()
    return frozenset(Role(part) for part in raw.split(",") if part)


def names_with_role(schema: pa.Schema, role: Role) -> list[str]:
    """The names of a schema's columns that have a role, in schema order."""
    return [field.name for field in schema if role in roles_of(field)]


def feature_fields(schema: pa.Schema) -> list[pa.Field]:
    """The fields a detector of rows scores, in schema order: role feature, and of a kind that can be scored."""
    return [f for f in schema if Role.FEATURE in roles_of(f) and kind_of(f) not in (None, Kind.TEXT, Kind.WINDOW)]


def window_fields(schema: pa.Schema) -> list[pa.Field]:
    """The fields a detector of windows scores, in schema order: role feature and kind window."""
    return [f for f in schema if Role.FEATURE in roles_of(f) and kind_of(f) is Kind.WINDOW]
