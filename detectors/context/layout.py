"""Which columns are appended, in which order, and where the compiled loop writes each of them.

Shape legend: H half-lives, the norm's included, N numeric columns, C categorical columns.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.columns import Kind, Role, make_field
from detectors.context.settings import ContextSettings, Measure

Int64Array = npt.NDArray[np.int64]
ABSENT = -1

UNITS = ((604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m"))


def duration_name(seconds: float) -> str:
    """A short name of a duration in the largest unit that divides it: 1h, 7d, 90s, 0.5s."""
    for unit_seconds, letter in UNITS[1:]:
        if seconds % unit_seconds == 0:
            return f"{seconds / unit_seconds:g}{letter}"
    return f"{seconds:g}s"


@dataclass(frozen=True, slots=True)
class Layout:
    """The appended fields, and each measure's row of the output (ABSENT where it is not wanted)."""

    fields: tuple[pa.Field, ...]
    key_at: Int64Array
    """Rows of seconds since last and of burst, (2,)."""
    count_at_H: Int64Array
    """The norm's half-life comes last and has no row of its own, here and below."""
    moments_at_NH3: Int64Array
    """Rows of mean, sum and spread."""
    deviation_at_N: Int64Array
    new_at_C2: Int64Array
    """Rows of new and new share."""

    @classmethod
    def of(cls, settings: ContextSettings, personal: frozenset[str]) -> "Layout":
        """The layout that settings ask for; what is derived from a `personal` column is personal too."""
        return _Builder(settings, personal).build()


class _Builder:
    """Hands out output rows in the order in which columns are asked for."""

    def __init__(self, settings: ContextSettings, personal: frozenset[str]) -> None:
        self._settings, self._personal = settings, personal
        self._fields: list[pa.Field] = []

    def _row(self, measure: Measure, name: str, column: str = "") -> int:
        if measure not in self._settings.measures:
            return ABSENT
        roles = {Role.FEATURE, Role.PERSONAL} if column in self._personal else {Role.FEATURE}
        kind = Kind.BOOLEAN if measure is Measure.NEW else Kind.NUMERIC
        self._fields.append(make_field(f"{self._settings.title}.{name}", kind, roles))
        return len(self._fields) - 1

    def build(self) -> Layout:
        """Walk the measures in a fixed order: the key's, then each numeric column's, then each categorical one's."""
        s = self._settings
        lives = [duration_name(seconds) for seconds in s.half_lives_seconds]
        seconds = self._row(Measure.SECONDS_SINCE_LAST, "seconds_since_last")
        counts = [self._row(Measure.COUNT, f"count_{life}") for life in lives]
        burst = self._row(Measure.BURST, f"burst_{lives[0]}")
        three = (Measure.MEAN, Measure.SUM, Measure.SPREAD)
        moments, deviations = [], []
        for column in s.numeric:
            deviations.append(self._row(Measure.DEVIATION, f"{column}_deviation", column))
            told = [[self._row(m, f"{column}_{m}_{life}", column) for m in three] for life in lives]
            moments.append([*told, [ABSENT] * 3])
        two = ((Measure.NEW, "new_{}"), (Measure.NEW_SHARE, "new_share_{}"))
        new = [[self._row(measure, name.format(c), c) for measure, name in two] for c in s.categorical]
        return Layout(
            tuple(self._fields),
            np.array([seconds, burst], dtype=np.int64),
            np.array([*counts, ABSENT], dtype=np.int64),
            np.array(moments, dtype=np.int64).reshape(len(s.numeric), len(lives) + 1, 3),
            np.array(deviations, dtype=np.int64),
            np.array(new, dtype=np.int64).reshape(len(s.categorical), 2),
        )
