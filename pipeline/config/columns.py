"""A stream's columns, and how its events lie in records."""

from enum import StrEnum
from typing import Annotated

import pyarrow as pa
from pydantic import Field, model_validator

from detectors.columns import ARROW_TYPES, Kind, Role, make_field
from pipeline.config.base import Frozen


class CodecFormat(StrEnum):
    """How events lie in a record's bytes."""

    JSON = "json"
    """One event per record, a JSON object in UTF-8."""
    ARROW = "arrow"
    """Many events per record, one Arrow IPC stream."""


class TimeUnit(StrEnum):
    """How a time column is written in JSON."""

    ISO8601 = "iso8601"
    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"


class Missing(StrEnum):
    """What an absent or null value means."""

    ALLOWED = "allowed"
    """Scored as missing."""
    REJECTED = "rejected"
    """The event goes to the dead-letter topic."""


class ColumnSpec(Frozen):
    """One column of a stream."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Kind
    roles: frozenset[Role] = frozenset()
    path: str | None = None
    """Where the value lies in a nested JSON event, dots between names; the column's name by default."""
    integer: bool = False
    """Numeric or categorical values are 64-bit integers."""
    unit: TimeUnit = TimeUnit.ISO8601
    """How times are written in JSON."""
    missing: Missing = Missing.ALLOWED

    def arrow_field(self) -> pa.Field:
        """This column as an Arrow field with kind and roles in its metadata."""
        types = ARROW_TYPES[self.kind]
        return make_field(self.name, self.kind, self.roles, arrow_type=types[1] if self.integer else types[0])

    @model_validator(mode="after")
    def _consistent(self) -> "ColumnSpec":
        if self.integer and self.kind not in (Kind.NUMERIC, Kind.CATEGORICAL):
            raise ValueError(f"integer: true fits numeric and categorical columns, not {self.kind.value}")
        if Role.TIME in self.roles and self.kind is not Kind.TIME:
            raise ValueError(f"role time needs kind time, not {self.kind.value}")
        if Role.FEATURE in self.roles and self.kind is Kind.TEXT:
            raise ValueError("a text column cannot be a feature yet: drop the role or make it categorical")
        if Role.FEATURE in self.roles and Role.LABEL in self.roles:
            raise ValueError("a label cannot be a feature too: detectors never read labels")
        return self
