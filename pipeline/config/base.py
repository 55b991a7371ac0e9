"""What all settings are made of: immutable models without unknown fields, and the names people may give."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Frozen(BaseModel):
    """Base of all settings: immutable, no unknown fields, no silent conversions of numbers to text."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
