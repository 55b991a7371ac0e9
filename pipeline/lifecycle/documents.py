"""Figures as JSON."""

import math
from typing import Any


def known(value: Any) -> Any:
    """The same with null where a number is not known: JSON has no other way to say so."""
    if isinstance(value, dict):
        return {name: known(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [known(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
