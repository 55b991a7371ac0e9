"""Bounds with few digits, rounded outwards so that none becomes tighter."""

import math


def down(value: float, digits: int) -> float:
    """The greatest number of so many significant digits that is no greater."""
    return _rounded(value, digits, math.floor)


def up(value: float, digits: int) -> float:
    """The smallest number of so many significant digits that is no smaller."""
    return _rounded(value, digits, math.ceil)


def _rounded(value: float, digits: int, toward: "type[int] | object") -> float:
    if value == 0.0 or not math.isfinite(value):
        return value
    exponent = digits - 1 - math.floor(math.log10(abs(value)))
    if not -300 < exponent < 300:
        return value
    step = 10.0**exponent
    whole = toward(value * step)  # type: ignore[operator]
    return float(f"{whole / step:.{digits}g}") if step >= 1 else float(whole / step)
