"""Which rows of a training table are known anomalies, handed over explicitly: nothing here is found out by itself."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.errors import UnusableDataError

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
ANOMALY, FAMILY = "_anomaly", "_anomaly_family"
"""The columns of a labelled synthetic dataset."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Which rows are anomalous, and of which family; families count alike however many rows they have."""

    anomalous_N: BoolArray
    family_N: IntArray | None = None
    """A number for each family; all anomalous rows are one family where None."""

    def __post_init__(self) -> None:
        if self.family_N is not None and len(self.family_N) != len(self.anomalous_N):
            raise ValueError(f"{len(self.family_N)} families for {len(self.anomalous_N)} rows: give one a row")

    @classmethod
    def of(cls, table: pa.Table, *, column: str = ANOMALY, family: str = FAMILY) -> "Labels":
        """From columns of a table, such as a synthetic dataset with anomalies has; a null is no anomaly.

        Raises UnusableDataError where the table has no such column, or one that is neither true/false nor 0/1.
        """
        if column not in table.column_names:
            raise UnusableDataError(f"the table has no column {column!r}: generate it with anomalies, or name another")
        values = table[column]
        if not (pa.types.is_boolean(values.type) or pa.types.is_integer(values.type)):
            raise UnusableDataError(f"column {column!r} is {values.type}: labels are true/false or 0/1, convert it")
        anomalous_N = np.asarray(pc.fill_null(values.cast(pa.bool_()), False).to_numpy(), dtype=np.bool_)
        if family not in table.column_names:
            return cls(anomalous_N)
        codes = pc.fill_null(table[family].combine_chunks().cast(pa.string()), "").dictionary_encode()
        return cls(anomalous_N, np.asarray(codes.indices.to_numpy(), dtype=np.int64))

    def weights(self) -> npt.NDArray[np.float64]:
        """What each anomalous row counts for, (anomalous rows,): families alike, 1 in all."""
        rows = int(self.anomalous_N.sum())
        if self.family_N is None or not rows:
            return np.full(rows, 1.0 / max(rows, 1))
        _, place, counts = np.unique(self.family_N[self.anomalous_N], return_inverse=True, return_counts=True)
        return np.asarray(1.0 / (counts[place] * len(counts)))
