"""What was injected where: the ground truth that goes with a table of injected anomalies.

Shape legend: N rows of the table with anomalies, C columns of it, S rows of the table before.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.injection.plan import AnomalyKind, Family

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyEvent:
    """Rows that belong together, as one incident would."""

    family: int
    """Place in the plan's families."""
    first_row: int
    last_row: int
    """Inclusive; rows of other keys may lie between."""
    rows: int
    columns: tuple[str, ...]
    severity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Per row: which family, which event, how strong, which columns. Row order is that of the table."""

    families: tuple[Family, ...]
    columns: tuple[str, ...]
    """C, the names of the table's columns."""
    family_N: npt.NDArray[np.int16]
    """Place in `families`; −1 for rows left alone."""
    event_N: IntArray
    """Place in `events`; −1 for rows left alone."""
    severity_N: FloatArray
    """What was reached, in the family's unit; 0 for rows left alone."""
    affected_NC: BoolArray
    """Which columns were changed; for added rows the key and the clock, by which they are strange."""
    events: tuple[AnomalyEvent, ...]

    @property
    def labels_N(self) -> BoolArray:
        """True for every injected row."""
        return np.asarray(self.family_N >= 0, dtype=np.bool_)

    def of(self, family: int) -> BoolArray:
        """True for the rows of one family, (N,)."""
        return np.asarray(self.family_N == family, dtype=np.bool_)

    def kinds(self) -> list[AnomalyKind | None]:
        """Each row's kind; None for rows left alone."""
        return [None if f < 0 else self.families[f].kind for f in self.family_N.tolist()]

    def to_table(self) -> pa.Table:
        """Columns family, kind, event, severity and affected (names), one row a row: for a dataset's labels."""
        names = np.array([*(family.name for family in self.families), None], dtype=object)
        kinds = np.array([*(family.kind.value for family in self.families), None], dtype=object)
        columns = np.array(self.columns, dtype=object)
        return pa.table(
            {
                "family": pa.array(names[self.family_N], pa.string()),
                "kind": pa.array(kinds[self.family_N], pa.string()),
                "event": pa.array(self.event_N, mask=self.event_N < 0),
                "severity": pa.array(self.severity_N, mask=self.family_N < 0),
                "affected": pa.array([columns[row].tolist() for row in self.affected_NC], pa.list_(pa.string())),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A table with anomalies in it, and the truth about them."""

    table: pa.Table
    """The columns, types and metadata of the table before; longer where collective anomalies added rows."""
    truth: Truth
    source_N: IntArray
    """The row of the table before that each row was made from: brings along whatever lay beside it."""
    added_N: BoolArray
    """True for rows that the table before did not have."""
