"""What lineage is about: things with a kind and an id, and what came of what."""

from enum import StrEnum
from typing import NamedTuple


class NodeKind(StrEnum):
    """What can come from something, or give rise to it."""

    WINDOW = "window"
    """Rows of an archive, or of a file: where a lineage begins."""
    MODEL = "model"
    EVALUATION = "evaluation"
    GENERATOR = "generator"
    REQUEST = "request"
    """What was asked of a generator."""
    DATASET = "dataset"
    REPORT = "report"
    """A verdict on quality, with its page."""


class Node(NamedTuple):
    """One thing."""

    kind: str
    """A NodeKind's value."""
    id: str
