"""What a window shows of one question: one figure, the rows it is of, and what does not fit."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The answer to one question."""

    value: float = float("nan")
    """NaN where the window says nothing: too few rows, or nothing of the kind in it."""
    rows: int = 0
    """What the figure is of: rows with a value, for most."""
    unexpected: int | None = None
    """Rows that do not fit, where rows can be told."""
    examples: tuple[str, ...] = ()
    """Values that do not fit, not masked yet."""
    detail: str = ""
    """Where or when, in words."""
    text: str = ""
    """The answer where it is no number: a type."""
    error: str = ""
    """Why the question could not be asked: a missing column, a type that it does not fit."""

    @property
    def says(self) -> bool:
        """Whether there is anything to judge."""
        return not self.error and (bool(self.text) or bool(np.isfinite(self.value)))
