"""Numbers of rows and spans of time as people type them."""

import re

from pipeline.errors import ConfigError

_FACTORS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9}
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_ROWS = re.compile(r"^(?P<number>[0-9][0-9_,]*(?:\.[0-9]+)?(?:e[+]?[0-9]+)?)(?P<unit>[kmbg]?)$")
_SPAN = re.compile(r"^(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>[smhd]?)$")
MOST_ROWS = 10**12


def row_count(text: str, *, option: str = "--rows") -> int:
    """`1000`, `1e6`, `1_000_000`, `1M`, `2.5k` as a whole number above 0. Raises ConfigError naming the option."""
    found = _ROWS.match(text.strip().lower())
    value = float(found["number"].replace("_", "").replace(",", "")) * _FACTORS[found["unit"]] if found else 0.0
    if not 1 <= value <= MOST_ROWS or value != int(value):
        raise ConfigError(f"{option} {text!r} is no number of rows: write a whole one above 0, like 5000, 1e6 or 1M")
    return int(value)


def span_seconds(text: str, *, option: str = "--budget") -> float:
    """`300`, `300s`, `5m`, `1.5h` in seconds, above 0. Raises ConfigError naming the option."""
    found = _SPAN.match(text.strip().lower())
    seconds = float(found["number"]) * _SECONDS[found["unit"]] if found else 0.0
    if seconds <= 0.0:
        raise ConfigError(f"{option} {text!r} is no span of time above 0: write it like 90s, 5m or 1h")
    return seconds


def span_text(seconds: float) -> str:
    """A span for people: `45 s`, `3.5 min` or `2.0 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5_400 else f"{seconds / 3600:.1f} h"
