"""What people said of rows: which are anomalies, and which were flagged and are none. Most rows nobody judged."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.errors import UnusableDataError

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RowLabels:
    """The judged rows of a table of N rows."""

    confirmed_N: BoolArray
    """Anomalies: never learned as normal, and not counted when a threshold is calibrated."""
    false_positive_N: BoolArray
    """Normal rows that were flagged: learned as normal, and counted."""

    def __post_init__(self) -> None:
        if len(self.confirmed_N) != len(self.false_positive_N):
            raise ValueError(f"{len(self.confirmed_N)} and {len(self.false_positive_N)} labels: give one a row of each")
        if bool((self.confirmed_N & self.false_positive_N).any()):
            raise ValueError("a row is labelled both an anomaly and a false positive: it can be one of them")

    @classmethod
    def none(cls, rows: int) -> "RowLabels":
        """Nobody judged any of so many rows."""
        return cls(np.zeros(rows, dtype=np.bool_), np.zeros(rows, dtype=np.bool_))

    @property
    def judged_N(self) -> BoolArray:
        """Rows with either verdict."""
        return self.confirmed_N | self.false_positive_N

    def take(self, rows: npt.NDArray[np.int64]) -> "RowLabels":
        """The labels of these rows, in this order."""
        return RowLabels(self.confirmed_N[rows], self.false_positive_N[rows])

    def check(self, rows: int) -> None:
        """Raises UnusableDataError where the labels are not one a row."""
        if len(self.confirmed_N) != rows:
            raise UnusableDataError(
                f"{len(self.confirmed_N)} labels for {rows} rows: hand over one label a row of the table"
            )
