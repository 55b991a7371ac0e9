"""Keeps account of which rows and columns were changed, so that no row is two anomalies and the truth is complete."""

from collections.abc import Sequence

import numpy as np

from detectors.injection.plan import Family
from detectors.injection.truth import AnomalyEvent, BoolArray, FloatArray, IntArray, Truth


class Ledger:
    """The truth of one table while it is written."""

    def __init__(self, columns: Sequence[str], rows: int) -> None:
        self.columns = tuple(columns)
        self._place = {name: at for at, name in enumerate(self.columns)}
        self.family_N = np.full(rows, -1, dtype=np.int16)
        self.event_N = np.full(rows, -1, dtype=np.int64)
        self.severity_N = np.zeros(rows)
        self.affected_NC = np.zeros((rows, len(self.columns)), dtype=np.bool_)
        self._events = 0

    @property
    def free_N(self) -> BoolArray:
        """Rows that no family has taken, (N,)."""
        return np.asarray(self.family_N < 0, dtype=np.bool_)

    def free(self, rows: IntArray) -> bool:
        """Whether none of `rows` is taken; for a few rows, without looking at all."""
        return bool((self.family_N[rows] < 0).all())

    def single_rows(self, family: int, rows: IntArray, name: str, severity: FloatArray) -> None:
        """Rows that are each an event; a row given again for another column stays the same event."""
        new = rows[self.event_N[rows] < 0]
        self.event_N[new] = self._events + np.arange(len(new))
        self._events += len(new)
        self.family_N[rows] = family
        self.severity_N[rows] = np.maximum(self.severity_N[rows], severity)
        self.affected_NC[rows, self._place[name]] = True

    def run(self, family: int, rows: IntArray, names: Sequence[str], severity: FloatArray | float) -> None:
        """Rows that are one event together."""
        self.event_N[rows] = self._events
        self._events += 1
        self.family_N[rows] = family
        self.severity_N[rows] = severity
        for name in names:
            self.changed(rows, name)

    def changed(self, rows: IntArray, name: str) -> None:
        """Another column of rows already recorded."""
        self.affected_NC[rows, self._place[name]] = True

    def spread_to(self, source_N: IntArray, added_N: BoolArray) -> "Ledger":
        """The same account for a table whose rows were made from `source_N`; added rows have none yet."""
        longer = Ledger(self.columns, len(source_N))
        for name in ("family_N", "event_N", "severity_N", "affected_NC"):
            setattr(longer, name, getattr(self, name)[source_N])
        longer.family_N[added_N], longer.event_N[added_N], longer.severity_N[added_N] = -1, -1, 0.0
        longer.affected_NC[added_N] = False
        longer._events = self._events
        return longer

    def truth(self, families: tuple[Family, ...]) -> Truth:
        """The account, closed; events are numbered in order of their first row."""
        rows = np.flatnonzero(self.event_N >= 0)
        _, first, event = np.unique(self.event_N[rows], return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first, kind="stable"), kind="stable")
        numbered = np.full(len(self.event_N), -1, dtype=np.int64)
        numbered[rows] = rank[event]
        return Truth(
            families=families,
            columns=self.columns,
            family_N=self.family_N,
            event_N=numbered,
            severity_N=self.severity_N,
            affected_NC=self.affected_NC,
            events=self._spans(rows, numbered[rows]),
        )

    def _spans(self, rows: IntArray, event: IntArray) -> tuple[AnomalyEvent, ...]:
        if not len(rows):
            return ()
        order = np.argsort(event, kind="stable")
        starts = np.flatnonzero(np.diff(event[order], prepend=-1))
        spans = []
        for members in np.split(rows[order], starts[1:]):
            columns = np.flatnonzero(self.affected_NC[members].any(axis=0))
            spans.append(
                AnomalyEvent(
                    family=int(self.family_N[members[0]]),
                    first_row=int(members[0]),
                    last_row=int(members[-1]),
                    rows=len(members),
                    columns=tuple(self.columns[c] for c in columns),
                    severity=float(self.severity_N[members].max()),
                )
            )
        return tuple(spans)
